"""The raster pictures in an SVG, which embeds them as data addresses. Pure.

They are found by their text, not by parsing XML: entities and nesting would be another way to attack, and an address
in a style sheet counts too.
"""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

MOST_PICTURES = 64
_ADDRESS = re.compile(rb"data:image/[\w.+-]{1,40}((?:;[\w=.-]{1,40}){0,4}),", re.IGNORECASE)
_ENDS = re.compile(rb"[\"'()<>]")
_SPACE = re.compile(rb"\s+|&#(?:10|13|9|x[0aAdD9]);")


def embedded_pictures(data: bytes) -> list[bytes]:
    """The bytes of the embedded pictures, in order, at most MOST_PICTURES."""
    found: list[bytes] = []
    for address in _ADDRESS.finditer(data):
        end = _ENDS.search(data, address.end())
        content = data[address.end() : end.start() if end else len(data)]
        if b";base64" in address[1].lower():
            try:
                found.append(base64.b64decode(_SPACE.sub(b"", unquote_to_bytes(content))))
            except binascii.Error:
                continue
        else:
            found.append(unquote_to_bytes(content))
        if len(found) == MOST_PICTURES:
            break
    return found
