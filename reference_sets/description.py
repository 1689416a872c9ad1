"""The description of a set as keys and texts: in the properties of its collection, and in a Parquet file. Pure.

The format grows by adding. A missing key has its default. A key that this version does not know is kept. Keys that
change the meaning of a match are named in `needs`: a version that does not know one of them does not judge by the set,
and says so.

`check_review`, `check_block` and `check_version`, the scale that they are in, are always written together. Thresholds
of an earlier scale are carried over whenever they are read; they stay as they are until somebody changes one of them.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reference_sets import texts
from reference_sets.check_scales import carried_over
from reference_sets.errors import DamagedSet, NewerSet
from reference_sets.model import (
    CHECK,
    CHECK_VERSION,
    Changes,
    CheckThresholds,
    Kind,
    Mirrored,
    RecordedCheck,
    ReferenceSet,
    Thresholds,
    Verify,
)

PREFIX = "vigilens."
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
READY = "ready"  # a collection that is not ready is not a set yet: a copy that is being filled
CLAIM = "claim."  # prefix of the keys of claims.py: who writes the next version
# Keys that `needs` may name: those that this version judges by. Add a key here when the matcher obeys it.
UNDERSTOOD = frozenset(
    {"kind", "review", "block", "verify", "check_review", "check_block", "check_version", "mirrored", "altered"}
    | {"group", "alone", "background", "background_k", "index"}
)
# What versions that do not know these keys judge by. A set with another value names the key in `needs`.
ASSUMED = {"alone": "block", "altered": "review", "background": "", "index": "exact", "check_version": "1"}
NETWORKS = ("openclip", "timm", "onnx")  # encoders that also find pictures that are only alike

_EDIT = "`vigilens sets edit {name} --{option} …` sets it"
_THRESHOLDS = "`vigilens sets thresholds {name} --{review} R --{block} B` sets both"
_CHECK = "`vigilens sets thresholds {name} --check-review R --check-block B`"  # sets the scale too
_AGAIN = "set the property {prefix}{key} of its collection in Milvus, or drop the set and create it again"


class _Key(NamedTuple):
    """How the value of a key is read and written, and how it is fixed if it is damaged."""

    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    fix: str = _AGAIN


def facts_of(properties: Mapping[str, str]) -> dict[str, str]:
    """Return our keys, without their prefix and without claims. Empty if the collection is not ours."""
    ours = {key.removeprefix(PREFIX): value for key, value in properties.items() if key.startswith(PREFIX)}
    return {key: value for key, value in ours.items() if not key.startswith(CLAIM)}


def stamped(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts with the time at which they are published."""
    return {**facts, "changed_at": datetime.now(UTC).isoformat(timespec="seconds")}


def to_properties(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts as properties of a collection."""
    return {PREFIX + key: value for key, value in facts.items()}


def to_facts(described: ReferenceSet) -> dict[str, str]:
    """Return everything that describes a set, with the keys that this version does not know."""
    thresholds, check = described.thresholds, described.check
    pairs = {
        "review": thresholds.review,
        "block": thresholds.block,
        **_written_check(check),
    }
    values = {key: pairs[key] if key in pairs else getattr(described, key) for key in _KEYS}
    facts = {"name": described.name, **_written(values), **dict(described.unknown)}
    return facts | {"needs": _needs(facts)}


def changed(changes: Changes, facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts that these changes set, and what the set needs then.

    Args:
        changes: new values.
        facts: of the set so far; damaged ones do not matter.
    """
    values: dict[str, Any] = dict(changes)
    if thresholds := changes.get("thresholds"):
        values |= {"review": thresholds.review, "block": thresholds.block}
    if check := changes.get("check"):
        values |= _written_check(check)
    new = _written({key: value for key, value in values.items() if key not in {"thresholds", "check"}})
    return new | {"needs": _needs({**facts, **new})}


def _written_check(check: CheckThresholds) -> dict[str, float]:
    return {"check_review": check.review, "check_block": check.block, "check_version": CHECK_VERSION}


def _needs(facts: Mapping[str, str]) -> str:
    """Return the value of `needs`: what it names already, and the keys of ASSUMED that have another value."""
    named = set(texts.words(facts.get("needs", ""))) - ASSUMED.keys()
    differing = {key for key, usual in ASSUMED.items() if facts.get(key, _default(key, facts)) != usual}
    return ",".join(sorted(named | differing))


def _written(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _KEYS[key].write(value) for key, value in values.items()}


def is_ready(facts: Mapping[str, str]) -> bool:
    """Return whether the collection is a set, and not one that is being filled. A damaged value counts as ready."""
    return facts.get(READY, "true") != "false"


def name_of(collection: str, facts: Mapping[str, str]) -> str:
    """Return the name of the set, or the collection's name if none is recorded or the recorded one is not valid."""
    name = facts.get("name", "")
    return name if NAME.fullmatch(name) else collection


def version_of(name: str, facts: Mapping[str, str]) -> int:
    """Return the version, whatever else is damaged.

    Raises:
        DamagedSet: it is missing or not a number.
    """
    return int(_read(name, facts, "version"))


def check_needs(name: str, facts: Mapping[str, str]) -> None:
    """Raise NewerSet if the set needs a key, a way to search it, or a scale that this version does not know."""
    needs = set(_read(name, facts, "needs"))
    foreign = needs - UNDERSTOOD
    if "index" in needs and (index := facts.get("index", "exact")) not in texts.INDEXES:
        foreign.add(f"the index {index}")
    if foreign:
        raise NewerSet(name, ", ".join(sorted(foreign)))
    with suppress(DamagedSet):  # that is reported by who reads all keys, and repaired by who changes some
        if (scale := _read(name, facts, "check_version")) > CHECK_VERSION:
            again = f"set the check's thresholds again with {_CHECK.format(name=name)}"
            raise NewerSet(name, f"scale {scale} of the check's scores", again)


def from_facts(name: str, facts: Mapping[str, str]) -> ReferenceSet:
    """Return the set that the facts describe.

    Raises:
        NewerSet: it needs a key that this version does not know.
        DamagedSet: a key without default is missing, or a value makes no sense.
    """
    check_needs(name, facts)
    values = {key: _read(name, facts, key) for key in _KEYS}
    pair = values.pop("review"), values.pop("block")
    recorded = RecordedCheck(*(values.pop(key) for key in ("check_review", "check_block", "check_version")))
    unknown = tuple(sorted((key, value) for key, value in facts.items() if key not in {*_KEYS, "name", READY}))
    if facts.get(READY, "true") not in {"true", "false"}:
        raise _damaged(name, READY, f"is {_shown(facts[READY])}, which must be true or false")
    return ReferenceSet(
        name=name,
        thresholds=_pair(name, "review", lambda: Thresholds(*pair)),
        check=_pair(name, "check_review", lambda: _carried(recorded)),
        recorded_check=None if recorded.version == CHECK_VERSION else recorded,
        unknown=unknown,
        **values,
    )


def _carried(recorded: RecordedCheck) -> CheckThresholds:
    review, block = (carried_over(score, recorded.version) for score in (recorded.review, recorded.block))
    return CheckThresholds(review, block)


def _pair(name: str, key: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ValueError as error:
        raise _damaged(name, key, f"and {key.replace('review', 'block')} do not fit: {error}") from error


def _read(name: str, facts: Mapping[str, str], key: str) -> Any:
    text = facts.get(key, _default(key, facts))
    if text is None:
        raise _damaged(name, key, "is missing")
    try:
        return _KEYS[key].read(text)
    except ValueError as error:
        raise _damaged(name, key, f"is {_shown(text)}: {error}") from error


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else f"{text[:60]}…", ensure_ascii=False)  # noqa: PLR2004 (a line)


def _damaged(name: str, key: str, why: str) -> DamagedSet:
    fix = _KEYS[key].fix if key in _KEYS else _AGAIN
    pair = key.replace("block", "review").replace("_", "-"), key.replace("review", "block").replace("_", "-")
    given = {
        "name": name,
        "option": key.replace("_", "-"),
        "review": pair[0],
        "block": pair[1],
        "prefix": PREFIX,
        "key": key,
    }
    return DamagedSet(name, key, why, fix.format(**given))


def _default(key: str, facts: Mapping[str, str]) -> str | None:
    """Return the default of a missing key, or None if the key must be there."""
    if key == "alone" and facts.get("encoder", "").startswith(NETWORKS):
        return "review"
    if key in _FIRST_CHECK and facts.get("check_version", "1") == "1":
        return _FIRST_CHECK[key]
    return _DEFAULTS.get(key)


_KEYS = {
    "kind": _Key(texts.choice(Kind), fix=_EDIT),
    "category": _Key(texts.same, fix=_EDIT),
    "severity": _Key(texts.within("severity", int), fix=_EDIT),
    "review": _Key(texts.real, repr, _THRESHOLDS),
    "block": _Key(texts.real, repr, _THRESHOLDS),
    "encoder": _Key(texts.same),
    "dimension": _Key(texts.within("dimension", int)),
    "version": _Key(texts.within("version", int)),
    "probe": _Key(texts.vector, texts.packed),
    "note": _Key(texts.same, fix=_EDIT),
    "verify": _Key(texts.choice(Verify), fix=_EDIT),
    "check_review": _Key(texts.real, repr, _THRESHOLDS),
    "check_block": _Key(texts.real, repr, _THRESHOLDS),
    "mirrored": _Key(texts.choice(Mirrored), fix=_EDIT),
    "needs": _Key(texts.words, ",".join),
    "removed_version": _Key(texts.within("removed_version", int)),
    "group": _Key(texts.same, fix=_EDIT),
    "alone": _Key(texts.cap, fix=_EDIT),
    "altered": _Key(texts.cap, fix=_EDIT),
    "background": _Key(texts.same, fix=_EDIT),
    "background_k": _Key(texts.within("background_k", int), fix=_EDIT),
    "index": _Key(texts.index),
    "index_options": _Key(texts.same),
    "check_version": _Key(texts.scale, fix=f"{_CHECK} sets both thresholds and their scale"),
    "shadow": _Key(texts.flag, texts.flagged),
    "ratio": _Key(texts.within("ratio", texts.real), repr),
    "draft": _Key(texts.same),
    "retro": _Key(texts.flag, texts.flagged),
    "calibration": _Key(texts.same),
    "created": _Key(texts.same),
    "changed_at": _Key(texts.same),
}
_FIRST_CHECK = {"check_review": "0.3", "check_block": "0.6"}  # in scale 1
_DEFAULTS = {
    "category": "",
    "severity": "50",
    "note": "",
    "verify": "off",
    "check_review": repr(CHECK.review),
    "check_block": repr(CHECK.block),
    "mirrored": "off",
    "needs": "",
    "removed_version": "0",
    "group": "",
    "alone": "block",
    "altered": "review",
    "background": "",
    "background_k": "10",
    "index": "exact",
    "index_options": "",
    "check_version": "1",
    "shadow": "false",
    "ratio": "1.0",
    "draft": "",
    "retro": "false",
    "calibration": "",
    "created": "",
    "changed_at": "",
}
