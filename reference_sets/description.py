"""The description of a set as keys and texts: in the properties of its collection, and in a Parquet file. Pure.

The format grows by adding. A missing key has its default. A key that this version does not know is kept. Keys that
change the meaning of a match are named in `needs`: a version that does not know one of them does not judge by the set,
and says so.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast, get_args

import numpy as np

from reference_sets.errors import DamagedSet, NewerSet
from reference_sets.model import (
    CHECK,
    RANGES,
    Cap,
    Changes,
    CheckThresholds,
    Kind,
    Mirrored,
    ReferenceSet,
    Thresholds,
    Verify,
)

PREFIX = "vigilens."
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
READY = "ready"  # a collection that is not ready is not a set yet: a copy that is being filled
CLAIM = "claim."  # prefix of the keys of claims.py: who writes the next version
# Keys that `needs` may name: those that this version judges by. Add a key here when the matcher obeys it.
UNDERSTOOD = frozenset({"kind", "review", "block", "verify", "check_review", "check_block", "mirrored", "altered"})
NETWORKS = ("openclip", "timm")  # encoders that also find pictures that are only alike

_EDIT = "`vigilens sets edit {name} --{option} …` sets it"
_THRESHOLDS = "`vigilens sets thresholds {name} --{review} R --{block} B` sets both"
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


def to_properties(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts as properties of a collection."""
    return {PREFIX + key: value for key, value in facts.items()}


def to_facts(described: ReferenceSet) -> dict[str, str]:
    """Return everything that describes a set, with the keys that this version does not know."""
    thresholds, check = described.thresholds, described.check
    pairs = {
        "review": thresholds.review,
        "block": thresholds.block,
        "check_review": check.review,
        "check_block": check.block,
    }
    values = {key: pairs[key] if key in pairs else getattr(described, key) for key in _KEYS}
    return {"name": described.name, **_written(values), **dict(described.unknown)}


def changed(changes: Changes) -> dict[str, str]:
    """Return the facts that these changes set."""
    values: dict[str, Any] = dict(changes)
    if thresholds := changes.get("thresholds"):
        values |= {"review": thresholds.review, "block": thresholds.block}
    if check := changes.get("check"):
        values |= {"check_review": check.review, "check_block": check.block}
    return _written({key: value for key, value in values.items() if key not in {"thresholds", "check"}})


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
    """Raise NewerSet if the set needs a key that this version does not know."""
    if foreign := set(_read(name, facts, "needs")) - UNDERSTOOD:
        raise NewerSet(name, ", ".join(sorted(foreign)))


def from_facts(name: str, facts: Mapping[str, str]) -> ReferenceSet:
    """Return the set that the facts describe.

    Raises:
        NewerSet: it needs a key that this version does not know.
        DamagedSet: a key without default is missing, or a value makes no sense.
    """
    check_needs(name, facts)
    values = {key: _read(name, facts, key) for key in _KEYS}
    pair, check = (values.pop("review"), values.pop("block")), (values.pop("check_review"), values.pop("check_block"))
    unknown = tuple(sorted((key, value) for key, value in facts.items() if key not in {*_KEYS, "name", READY}))
    if facts.get(READY, "true") not in {"true", "false"}:
        raise _damaged(name, READY, f"is {_shown(facts[READY])}, which must be true or false")
    return ReferenceSet(
        name=name,
        thresholds=_pair(name, "review", lambda: Thresholds(*pair)),
        check=_pair(name, "check_review", lambda: CheckThresholds(*check)),
        unknown=unknown,
        **values,
    )


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
    texts = {"name": name, "option": key, "review": pair[0], "block": pair[1], "prefix": PREFIX, "key": key}
    return DamagedSet(name, key, why, fix.format(**texts))


def _default(key: str, facts: Mapping[str, str]) -> str | None:
    """Return the default of a missing key, or None if the key must be there."""
    if key == "alone" and facts.get("encoder", "").startswith(NETWORKS):
        return "review"
    return _DEFAULTS.get(key)


def _text(text: str) -> str:
    return text


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it must be a finite number")
    return value


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("it must be true or false")
    return text == "true"


def _flagged(value: bool) -> str:  # noqa: FBT001 (it is the value)
    return "true" if value else "false"


def _cap(text: str) -> Cap:
    if text not in get_args(Cap):
        raise ValueError(f"it must be one of {', '.join(get_args(Cap))}")
    return cast("Cap", text)


def _choice(kind: type[Kind | Verify | Mirrored]) -> Callable[[str], Kind | Verify | Mirrored]:
    def read(text: str) -> Kind | Verify | Mirrored:
        if text not in list(kind):
            raise ValueError(f"it must be one of {', '.join(kind)}")
        return kind(text)

    return read


def _within(key: str, read: Callable[[str], float]) -> Callable[[str], float]:
    def checked(text: str) -> float:
        value, (least, most) = read(text), RANGES[key]
        if not least <= value <= most:
            raise ValueError(f"it must be {least:g} to {most:g}")
        return value

    return checked


def _vector(text: str) -> tuple[float, ...]:
    return tuple(np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").tolist())


def _packed(values: tuple[float, ...]) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


_KEYS = {
    "kind": _Key(_choice(Kind), fix=_EDIT),
    "category": _Key(_text, fix=_EDIT),
    "severity": _Key(_within("severity", int), fix=_EDIT),
    "review": _Key(_real, repr, _THRESHOLDS),
    "block": _Key(_real, repr, _THRESHOLDS),
    "encoder": _Key(_text),
    "dimension": _Key(_within("dimension", int)),
    "version": _Key(_within("version", int)),
    "probe": _Key(_vector, _packed),
    "note": _Key(_text, fix=_EDIT),
    "verify": _Key(_choice(Verify), fix=_EDIT),
    "check_review": _Key(_real, repr, _THRESHOLDS),
    "check_block": _Key(_real, repr, _THRESHOLDS),
    "mirrored": _Key(_choice(Mirrored), fix=_EDIT),
    "needs": _Key(_words, ",".join),
    "removed_version": _Key(_within("removed_version", int)),
    "group": _Key(_text),
    "alone": _Key(_cap),
    "altered": _Key(_cap, fix=_EDIT),
    "background": _Key(_text),
    "background_k": _Key(_within("background_k", int)),
    "index": _Key(_text),
    "index_options": _Key(_text),
    "check_version": _Key(_within("check_version", int)),
    "shadow": _Key(_flag, _flagged),
    "ratio": _Key(_within("ratio", _real), repr),
    "draft": _Key(_text),
    "retro": _Key(_flag, _flagged),
    "calibration": _Key(_text),
    "created": _Key(_text),
}
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
}
