"""The raster pictures in an SVG, which embeds them as data addresses. Pure.

They are found by their text, not by parsing XML: entities and nesting would be another way to attack, and an address
in a style sheet counts too.
"""

import base64
import binascii
import re
from contextlib import suppress
from urllib.parse import unquote_to_bytes

MOST_PICTURES = 64
_ADDRESS = re.compile(rb"data:image/[\w.+-]{1,40}((?:;[\w=.-]{1,40}){0,4}),", re.IGNORECASE)
_ENDS = re.compile(rb"[\"'()<>]")
_SPACE = re.compile(rb"\s+|&#(?:10|13|9|x[0aAdD9]);")


def embedded_pictures(data: bytes) -> list[bytes]:
    """The bytes of the embedded pictures, in order, at most MOST_PICTURES."""
    found: list[bytes] = []
    at = 0
    while len(found) < MOST_PICTURES and (address := _ADDRESS.search(data, at)):
        end = _ENDS.search(data, address.end())
        at = end.start() if end else len(data)  # no byte is read for two addresses
        content = data[address.end() : at]
        if b";base64" not in address[1].lower():
            found.append(unquote_to_bytes(content))
            continue
        with suppress(binascii.Error):
            found.append(base64.b64decode(_SPACE.sub(b"", unquote_to_bytes(content))))
    return found
