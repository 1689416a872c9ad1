"""NCMEC's list (version 2 of its interface), which is XML. Records are read one by one, in bounded memory.

A document type declaration is refused: entities are defined there, which can make a small file fill the memory or name
other files.
"""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree as ET
from xml.parsers import expat

from reference_sets.hash_lists.entry import NO_VALUE, VIDEO, BadList, Ceiling, Gone, Item, Unusable, item, seconds

CHUNK = 1 << 16
_RECORDS = frozenset({"image", "deletedImage", "video", "deletedVideo"})
_BETWEEN = "}"  # expat's separator of namespace and name


class _Reader:
    """Collects the records of a document, as elements without namespaces, and whether there is another page."""

    def __init__(self) -> None:
        self.records: list[ET.Element] = []
        self.goes_on = False
        self._path: list[str] = []
        self._record: ET.TreeBuilder | None = None
        self._parser = expat.ParserCreate(namespace_separator=_BETWEEN)
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, data: bytes, *, last: bool) -> list[ET.Element]:
        """Return the records that are complete now."""
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise BadList(f"it is not XML: {error}") from error
        found, self.records = self.records, []
        return found

    def _refuse(self, *_: object) -> None:
        raise BadList("it has a document type declaration, which a list does not need and which can do harm")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(_BETWEEN)[2]
        if not self._path and tag != "queryResult":
            raise BadList(f"its root is {tag}, not queryResult")
        if self._record is None and tag in _RECORDS:
            self._record = ET.TreeBuilder()
        if self._record is not None:
            self._record.start(tag, attributes)
        self._path.append(tag)

    def _end(self, _: str) -> None:
        tag = self._path.pop()
        if self._record is None:
            return
        self._record.end(tag)
        if tag in _RECORDS and not _RECORDS & set(self._path):
            self.records.append(self._record.close())
            self._record = None

    def _text(self, text: str) -> None:
        if self._record is not None:
            self._record.data(text)
        elif self._path[-2:] == ["paging", "next"] and text.strip():
            self.goes_on = True


def ncmec(file: BinaryIO) -> Iterator[Item]:
    """Read a list. Each image has several hashes, and each of them becomes an entry.

    Raises:
        BadList: it is not such a list.
    """
    for number, record in enumerate(_records(_Reader(), file), 1):
        yield from _items(f"record {number}", record)


def goes_on(file: BinaryIO) -> bool:
    """Return whether the list says that there is another page."""
    reader = _Reader()
    for _ in _records(reader, file):
        pass
    return reader.goes_on


def _records(reader: _Reader, file: BinaryIO) -> Iterator[ET.Element]:
    while data := file.read(CHUNK):
        yield from reader.feed(data, last=False)
    yield from reader.feed(b"", last=True)


def _items(where: str, record: ET.Element) -> Iterator[Item]:
    member = record.find("member")
    owner, id_ = "" if member is None else member.get("id", ""), _of(record, "id")
    source_id, at = f"{owner}/{id_}", seconds(_of(record, "timestamp"))
    if record.tag.startswith("deleted"):
        yield Gone(source_id, at) if id_ else Unusable(where, NO_VALUE, record.tag)
        return
    prints = [one for one in record.find("fingerprints") or () if (one.text or "").strip()]
    if record.tag != "image" or not prints:
        yield Unusable(where, NO_VALUE if record.tag == "image" else VIDEO, id_)
        return
    tags = tuple(one for one in (_of(record, "classification"),) if one)
    disputed = _disputed(record)
    for one in prints:
        ceiling: Ceiling = "review" if one.tag.lower() in disputed else ""
        yield item(where, one.tag, one.text or "", source_id=source_id, label=id_, tags=tags, ceiling=ceiling, at=at)


def _disputed(record: ET.Element) -> set[str]:
    """Return the kinds of hashes that a member has contradicted."""
    return {one.get("type", "").lower() for one in record.iterfind("feedback/negativeFeedback")}


def _of(record: ET.Element, name: str) -> str:
    return (record.findtext(name) or "").strip()
