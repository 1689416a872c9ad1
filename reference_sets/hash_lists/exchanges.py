"""Lists that exchanges of hashes give as JSON: ThreatExchange, StopNCII, Tech Against Terrorism.

A file has one answer of the exchange, or several one after the other. All of it is in memory at once: about six times
the size of the file.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reference_sets.hash_lists.entry import (
    NO_VALUE,
    NOT_A_RECORD,
    VIDEO,
    BadList,
    Ceiling,
    Gone,
    Item,
    Unusable,
    item,
    seconds,
    words,
)

_NO_SPACE = re.compile(r"\S")


def pages(text: str, key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the answers in a text, which are JSON objects with a list under this key.

    Raises:
        BadList: it is not JSON, or an answer has no such list.
    """
    decoder, at = json.JSONDecoder(), _after_space(text, 0)
    while at < len(text):
        try:
            answer, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise BadList(f"it is not JSON: {error}") from error
        for page in answer if isinstance(answer, list) else [answer]:
            if not isinstance(page, Mapping) or not isinstance(page.get(key), list):
                raise BadList(f"an answer in it has no list {key}")
            yield page
        at = _after_space(text, end)


def _after_space(text: str, at: int) -> int:
    """Return the place of the first character from here on that is no space."""
    found = _NO_SPACE.search(text, at)
    return found.start() if found else len(text)


def threatexchange(text: str) -> Iterator[Item]:
    """Read `threat_updates`: indicators with the opinions of those who described them."""
    return _each(text, "data", _indicator)


def _indicator(where: str, record: Mapping[str, Any]) -> Item:
    value, at = _text(record, "indicator"), seconds(record.get("last_updated"))
    id_ = _text(record, "id") or value
    found = [one for one in _list(record.get("descriptors"), "data") if isinstance(one, Mapping)]
    if _is_true(record.get("should_delete")):
        return Gone(id_, at) if id_ else Unusable(where, NO_VALUE, "")
    tags = words([tag for one in found for tag in _list(one, "tags")])
    kind = _text(record, "type")
    return item(where, kind, value, source_id=id_, tags=tags, ceiling=_opinion(found), at=at)


def _opinion(descriptors: list[Mapping[str, Any]]) -> Ceiling:
    """Return the ceiling: nothing if all say that it is harmless, review if one does, or if nobody has confirmed it."""
    states = {str(one.get("status", "")).upper() for one in descriptors}
    said = {
        str(each).upper() for one in descriptors for each in (*_said(one, "reactions"), *_said(one, "my_reactions"))
    }
    if states == {"NON_MALICIOUS"}:
        return "nothing"
    if "NON_MALICIOUS" in states or "DISAGREE_WITH_TAGS" in said or (states and "MALICIOUS" not in states):
        return "review"
    return ""


def _said(descriptor: Mapping[str, Any], key: str) -> list[Any]:
    """Return reactions: a list of their names, or a list of objects or pairs of a name and who reacted."""
    some = descriptor.get(key)
    if isinstance(some, str):
        return some.replace(",", " ").split()
    some = list(some) if isinstance(some, Mapping) else some if isinstance(some, list) else []
    return [one.get("key", one.get("reaction", "")) if isinstance(one, Mapping) else one for one in some]


def stopncii(text: str) -> Iterator[Item]:
    """Read `FetchHashes`. What is withdrawn or deleted must not be matched."""
    return _each(text, "hashRecords", _hash_record)


def _hash_record(where: str, record: Mapping[str, Any]) -> Item:
    state, value = _text(record, "hashStatus").lower(), _text(record, "hashValue")
    at = seconds(record.get("lastModtimestamp"))
    if state in _ENDED:
        return Gone(value.strip().lower(), at) if value else Unusable(where, NO_VALUE, state)
    feedback = [one for one in _list(record, "CSPFeedbacks") if isinstance(one, Mapping)]
    values = {str(one.get("feedbackValue", "")).lower() for one in feedback}
    disputed = state != "active" or values & {"notblocked", *_ENDED}
    tags = words([tag for one in feedback for tag in _list(one, "tags")])
    ceiling: Ceiling = "review" if disputed else ""
    return item(where, _text(record, "signalType"), value, tags=tags, ceiling=ceiling, at=at)


def tat(text: str) -> Iterator[Item]:
    """Read Tech Against Terrorism's list."""
    return _each(text, "results", _result)


def _result(where: str, record: Mapping[str, Any]) -> Item:
    file_type, value = _text(record, "file_type").lower(), _text(record, "hash_digest")
    id_, at = _text(record, "id") or value.strip().lower(), seconds(record.get("updated_on"))
    if _is_true(record.get("deleted")):
        return Gone(id_, at) if id_ else Unusable(where, NO_VALUE, "")
    if file_type.split("/")[0] in _NOT_IMAGES:
        return Unusable(where, VIDEO, file_type)
    tags = tuple(one for one in (_text(record, "ideology"), file_type) if one)
    return item(where, _text(record, "algorithm"), value, source_id=id_, tags=tags, at=at)


_ENDED = frozenset({"withdrawn", "deleted"})
_NOT_IMAGES = frozenset(
    {"video", "audio", "text", "mp4", "mov", "avi", "mkv", "webm", "mpeg", "mpg", "mp3", "wav", "pdf", "docx", "txt"}
)


def goes_on(text: str, key: str) -> bool:
    """Return whether the last answer says that there are more which are not in the text."""
    last: Mapping[str, Any] = {}
    for last in pages(text, key):  # noqa: B007 (the last one is used)
        pass
    return bool(last.get("hasMoreRecords") or _link(last, "next"))


def is_later_part(text: str, key: str) -> bool:
    """Return whether the first answer says that there are others before it."""
    return bool(_link(next(pages(text, key), {}), "previous"))


def _link(page: Mapping[str, Any], where: str) -> Any:
    paging = page.get("paging")
    return page.get(where) or (paging.get(where) if isinstance(paging, Mapping) else None)


def _each(text: str, key: str, read: Callable[[str, Mapping[str, Any]], Item]) -> Iterator[Item]:
    """Yield what `read` makes of the place and content of each record."""
    records = (record for page in pages(text, key) for record in page[key])
    for number, record in enumerate(records, 1):
        where = f"record {number}"
        yield read(where, record) if isinstance(record, Mapping) else Unusable(where, NOT_A_RECORD, str(record))


def _is_true(value: object) -> bool:
    """Return whether a value says that a record is deleted, also if it is a number or a text instead of true."""
    return str(value).strip().lower() in {"true", "1", "yes"}


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return "" if value is None else str(value)


def _list(record: Any, key: str) -> list[Any]:
    value = record.get(key) if isinstance(record, Mapping) else None
    return value if isinstance(value, list) else []
