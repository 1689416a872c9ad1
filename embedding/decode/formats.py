"""Which format a file has, by its first bytes. A content type or a file extension is not trusted. Pure."""

import re

_SUPPORTED: dict[str, tuple[bytes, ...]] = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JXL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
}
# Named in the verdict, so that an operator can see what the uploads are. Not decoded: documents, drawings with layers
# and old formats. No browser shows them as a picture, and each decoder is another place that a file can attack.
_UNSUPPORTED = (
    (b"%PDF-", "PDF"),
    (b"8BPS", "PSD"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\2\0", "CUR"),
    (b"\x1f\x8b", "gzip (perhaps SVGZ)"),
    (b"PK\3\4", "ZIP (perhaps an office document)"),
    (b"%!PS", "PostScript"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"FLIF", "FLIF"),
    (b"gimp xcf", "XCF"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"IIRO", "raw camera picture"),
    (b"FUJIFILMCCD-RAW", "raw camera picture"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"FLV\1", "Flash video"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_CONTAINERS = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})  # of AVIF or HEIC; the list of brands says which
_VIDEO_BRANDS = frozenset(
    {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  ", b"3gp4"}
)
_PORTABLE = re.compile(rb"P[1-7][\s#]")
_SVG = re.compile(rb"<(?:[A-Za-z][\w.-]*:)?svg[\s>/]", re.IGNORECASE)
_SVG_WITHIN = 4096  # bytes: comments and a document type may come before the element


def signature(data: bytes) -> str | None:
    """The format of a file that may be decoded: JPEG, PNG, GIF, BMP, TIFF, WEBP, AVIF, HEIC, JXL or SVG; else None."""
    for name, starts in _SUPPORTED.items():
        if data.startswith(starts):
            return name
    return _container(data) or ("SVG" if is_svg(data) else None)


def _container(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] != b"ftyp":
        return None
    brand = data[8:12]
    brands = {data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4], "big"), 128), 4)}
    if brand in {b"avif", b"avis"} or (brand in _CONTAINERS and b"avif" in brands):
        return "AVIF"
    return "HEIC" if brand in _HEIF_BRANDS or (brand in _CONTAINERS and brands & _HEIF_BRANDS) else None


def is_svg(data: bytes) -> bool:
    """Whether a file is SVG: XML whose first bytes have the element."""
    head = data[:_SVG_WITHIN].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"<") and _SVG.search(head) is not None


def unsupported(data: bytes) -> str | None:
    """The name of a known format that is not decoded, or None."""
    for start, name in _UNSUPPORTED:
        if data.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "MP4 or QuickTime video" if brand in _VIDEO_BRANDS else "ISO media file (HEIF, MP4 or the like)"
    if data[:4] == b"RIFF":
        return "AVI video" if data[8:12] == b"AVI " else "RIFF file"
    return "PNM" if _PORTABLE.match(data) else None
