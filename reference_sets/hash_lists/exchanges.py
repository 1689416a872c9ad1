"""Lists that exchanges of hashes give as JSON: ThreatExchange, StopNCII, Tech Against Terrorism.

A file has one answer of the exchange, or several one after the other. All of it is in memory at once: about six times
the size of the file.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reference_sets.hash_lists.entry import (
    NO_VALUE,
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


def pages(text: str, key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the answers in a text, which are JSON objects with a list under this key.

    Raises:
        BadList: it is not JSON, or an answer has no such list.
    """
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            answer, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise BadList(f"it is not JSON: {error}") from error
        for page in answer if isinstance(answer, list) else [answer]:
            if not isinstance(page, Mapping) or not isinstance(page.get(key), list):
                raise BadList(f"an answer in it has no list {key}")
            yield page
        at = end + len(text[end:]) - len(text[end:].lstrip()) if text[end : end + 1].isspace() else end


def threatexchange(text: str) -> Iterator[Item]:
    """Read `threat_updates`: indicators with the opinions of those who described them."""
    for where, record in _records(text, "data"):
        value, at = _text(record, "indicator"), seconds(record.get("last_updated"))
        id_ = _text(record, "id") or value
        found = [one for one in _list(record.get("descriptors"), "data") if isinstance(one, Mapping)]
        if record.get("should_delete") is True:
            yield Gone(id_, at) if id_ else Unusable(where, NO_VALUE, "")
            continue
        tags = words([tag for one in found for tag in _list(one, "tags")])
        kind = _text(record, "type")
        yield item(where, kind, value, source_id=id_, tags=tags, ceiling=_opinion(found), at=at)


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
    for where, record in _records(text, "hashRecords"):
        state, value = _text(record, "hashStatus").lower(), _text(record, "hashValue")
        at = seconds(record.get("lastModtimestamp"))
        if state in _ENDED:
            yield Gone(value.strip().lower(), at) if value else Unusable(where, NO_VALUE, state)
            continue
        feedback = [one for one in _list(record, "CSPFeedbacks") if isinstance(one, Mapping)]
        values = {str(one.get("feedbackValue", "")).lower() for one in feedback}
        disputed = state != "active" or values & {"notblocked", *_ENDED}
        tags = words([tag for one in feedback for tag in _list(one, "tags")])
        ceiling: Ceiling = "review" if disputed else ""
        yield item(where, _text(record, "signalType"), value, tags=tags, ceiling=ceiling, at=at)


def tat(text: str) -> Iterator[Item]:
    """Read Tech Against Terrorism's list."""
    for where, record in _records(text, "results"):
        file_type, value = _text(record, "file_type").lower(), _text(record, "hash_digest")
        id_, at = _text(record, "id") or value.strip().lower(), seconds(record.get("updated_on"))
        if record.get("deleted") is True:
            yield Gone(id_, at) if id_ else Unusable(where, NO_VALUE, "")
        elif file_type.split("/")[0] in _NOT_IMAGES:
            yield Unusable(where, VIDEO, file_type)
        else:
            tags = tuple(one for one in (_text(record, "ideology"), file_type) if one)
            yield item(where, _text(record, "algorithm"), value, source_id=id_, tags=tags, at=at)


_ENDED = frozenset({"withdrawn", "deleted"})
_NOT_IMAGES = frozenset(
    {"video", "audio", "text", "mp4", "mov", "avi", "mkv", "webm", "mpeg", "mpg", "mp3", "wav", "pdf", "docx", "txt"}
)


def goes_on(text: str, key: str) -> bool:
    """Return whether the last answer says that there are more which are not in the text."""
    last: Mapping[str, Any] = {}
    for last in pages(text, key):  # noqa: B007 (the last one is used)
        pass
    paging = last.get("paging")
    after = paging.get("next") if isinstance(paging, Mapping) else None
    return bool(last.get("hasMoreRecords") or last.get("next") or after)


def _records(text: str, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield place and record."""
    number = 0
    for page in pages(text, key):
        for record in page[key]:
            number += 1
            if isinstance(record, Mapping):
                yield f"record {number}", record
            else:
                raise BadList(f"record {number} is not a JSON object")


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return "" if value is None else str(value)


def _list(record: Any, key: str) -> list[Any]:
    value = record.get(key) if isinstance(record, Mapping) else None
    return value if isinstance(value, list) else []
