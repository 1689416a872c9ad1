"""A verdict's record → the references that matched and count. Pure.

Most verdicts have no match, and are not parsed: our own JSON has the key `"matches"` before everything that a stranger
may shape as JSON (the event's attributes), and inside a text a quote is written as a backslash and a quote. So the
first `"matches":[` is the key. Where that cannot be relied on, the verdict is parsed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_KEY, _ATTRIBUTES = b'"matches":[', b'"attributes":'


@dataclass(frozen=True, slots=True)
class Match:
    """A match that counts: with a harmful set, and not vetoed.

    Attributes:
        set: name of the set.
        version: of the set that was searched.
        reference: its id.
        label: the operator's name for it.
        category: of the set.
        severity: of the set.
        limited: the reference had a ceiling.
        person: digest of what tells people apart; None: the event does not say.
        at: when the verdict was made, with its zone.
    """

    set: str
    version: int
    reference: str
    label: str
    category: str
    severity: int
    limited: bool
    person: str | None
    at: datetime


def has_matches(value: bytes) -> bool:
    """Whether a verdict may have matches. False: it has none."""
    at = value.find(_KEY)
    if at < 0 or value.find(_ATTRIBUTES, 0, at) >= 0:
        return True  # not written by us: somebody must look into it
    after = at + len(_KEY)
    return value[after : after + 1] != b"]"


def matches_of(value: bytes | None, attribute: str) -> tuple[Match, ...]:
    """The matches of a verdict that count; none if the record is no verdict.

    Args:
        value: of the record.
        attribute: key of the event's attribute that tells people apart.
    """
    if not value or not has_matches(value):
        return ()
    try:
        return tuple(_read(json.loads(value), attribute))
    except (ArithmeticError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ()  # somebody else writes into our topic


def _read(verdict: Mapping[str, Any], attribute: str) -> Iterator[Match]:
    at = datetime.fromisoformat(verdict["judged_at"])
    at.timestamp()
    person = verdict["attributes"].get(attribute)
    limited = {
        (each["set"], one["id"])
        for each in verdict["sets"]
        for one in each["candidates"]
        if one["ceiling"] not in (None, "block")
    }
    for each in verdict["matches"]:
        if each["kind"] != "harmful" or each["vetoed_by"] is not None:
            continue
        reference = each["reference"]
        "".join((each["set"], reference["id"], reference["label"], each["category"])).encode()  # half a letter raises
        yield Match(
            set=str(each["set"]),
            version=int(each["version"]),
            reference=str(reference["id"]),
            label=str(reference["label"]),
            category=str(each["category"]),
            severity=int(each["severity"]),
            limited=(each["set"], reference["id"]) in limited or "ceiling" in each["capped_by"],
            person=None if person is None else _digest(json.dumps(person, sort_keys=True)),
            at=at,
        )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
