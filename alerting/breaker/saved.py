"""The counts as records of the jobs topic, and back. Pure.

    key                       value
    breaker/GROUP             {"since": the hour of the first verdict that is known}
    breaker/GROUP/SET/ID      {"start": an hour, "counts": [matches by hour], and the limits of `History`}

Group, set and id are percent-encoded: ids of a Parquet file may have any letters. The topic is compacted: it keeps the
last record of each key, and none of a key whose last record has no value.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

from alerting.breaker.counts import HOURS, Counts, History, Key
from consumer.records import Record

_HEADERS = [("content-type", b"application/json")]


def records_of(counts: Counts, topic: str, group: str) -> Iterator[Record]:
    """Records for all that changed since it was last saved."""
    if counts.since is not None:
        yield _record(topic, f"breaker/{_part(group)}", {"since": counts.since})
    for key, history in counts.changed():
        yield _record(topic, _text(group, key), _value(history))
    for key in sorted(counts.forgotten):
        yield Record(topic, None, _text(group, key).encode(), [])


def read_into(counts: Counts, key: bytes | None, value: bytes | None, group: str) -> None:
    """Take over what a record says; records of others, and those that make no sense, say nothing."""
    text = (key or b"").decode(errors="replace")
    try:
        if text == f"breaker/{_part(group)}":
            counts.since = int(json.loads(value or b"{}")["since"])
        elif place := _key(text, group):
            counts.known.pop(place, None)
            if value:
                counts.known[place] = _history(json.loads(value))
    except (ValueError, TypeError, KeyError):
        return


def _key(text: str, group: str) -> Key | None:
    start = f"breaker/{_part(group)}/"
    name, _, id_ = text.removeprefix(start).partition("/")
    return (unquote(name), unquote(id_)) if text.startswith(start) and name and id_ and "/" not in id_ else None


def _text(group: str, key: Key) -> str:
    return f"breaker/{_part(group)}/{_part(key[0])}/{_part(key[1])}"


def _part(name: str) -> str:
    return quote(name, safe="")


def _value(history: History) -> dict[str, Any]:
    start = min(history.hours, default=0)
    length = max(history.hours, default=-1) - start + 1
    counts = [history.hours.get(start + each, 0) for each in range(length)]
    return {
        "start": start,
        "counts": counts,
        "limited_at": history.limited_at,
        "limited_until": history.limited_until,
        "quiet_until": history.quiet_until,
    }


def _history(value: dict[str, Any]) -> History:
    start, counts = int(value["start"]), value["counts"][: 2 * HOURS]
    hours = {start + each: int(number) for each, number in enumerate(counts) if number}
    limits = int(value["limited_at"]), float(value["limited_until"]), float(value["quiet_until"])
    return History(hours, {}, *limits)


def _record(topic: str, key: str, value: dict[str, Any]) -> Record:
    return Record(topic, json.dumps(value, separators=(",", ":")).encode(), key.encode(), _HEADERS)
