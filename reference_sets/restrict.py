"""Restricts single references, and lifts that again: disabled, or limited to review by the breaker.

What the breaker did is noted in the row's `extra`, under `BREAKER`:

    {"capped_at": "2026-11-21T12:20:30+00:00", "before": ""}     while it limits the reference
    {"quiet_until": 1795305600}                                  after `release` with a time

So a ceiling of the breaker can be told from one of a hash list, which `release` does not lift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from reference_sets.model import Reference, ReferenceFacts
from reference_sets.store import Store

if TYPE_CHECKING:
    from pydantic import JsonValue

BREAKER = "breaker"
LIMIT = "review"
_FREE = ("", "block")  # ceilings that limit nothing


@dataclass(frozen=True, slots=True)
class Limited:
    """What became of a reference that was to be limited.

    Attributes:
        there: whether the set has the reference.
        version: of the set that limits it; 0: the breaker does not limit it.
        at: time of the match for which it is limited; None: it is not.
        quiet_until: an operator wants it to stay as it is until then, in seconds since 1970, UTC; 0: no such wish.
    """

    there: bool = False
    version: int = 0
    at: datetime | None = None
    quiet_until: float = 0


def set_state(store: Store, name: str, ids: Sequence[str], state: str, disabled_until: int = 0) -> int:
    """Change the state of references, and return how many there are.

    Args:
        store: where the set is.
        name: of the set.
        ids: of the references; those that are not in the set are left out.
        state: see `model.Reference`.
        disabled_until: see there.
    """
    return len(store.rewrite(name, ids, lambda one: replace(one, state=state, disabled_until=disabled_until)))


def limit(store: Store, name: str, id_: str, at: datetime, *, really: bool = True) -> Limited:
    """Limit a reference to review for the breaker, unless an operator has released it or it has a ceiling of its own.

    If the breaker limits it already, the answer is the same as the first time. If the process that limited it has died
    before it could publish the version, the row is written again.

    Args:
        store: where the set is.
        name: of the set.
        id_: of the reference.
        at: time of the match that was too many, with its zone.
        really: False: only look.

    Raises:
        UnknownSet: there is no such set any more.
        StoreError: its rows cannot be written.
        Away: Milvus does not answer.
    """
    found, published = Limited(), store.describe(name).version

    def change(one: Reference) -> Reference | None:
        nonlocal found
        note = _note(one)
        found = Limited(there=True, quiet_until=_number(note.get("quiet_until")))
        before = _time(note.get("capped_at"))
        if before and one.version <= published:
            found = replace(found, version=one.version, at=before)
            return None
        if not really or found.quiet_until > at.timestamp() or (one.ceiling not in _FREE and not before):
            return None
        ceiling = note.get("before", "") if before else one.ceiling
        found = replace(found, at=before or at)
        return _noted(replace(one, ceiling=LIMIT), {"capped_at": (before or at).isoformat(), "before": ceiling})

    new = store.rewrite(name, [id_], change)
    return replace(found, version=new[0].version) if new else found


def release(store: Store, name: str, ids: Sequence[str], quiet_until: int = 0) -> tuple[list[Reference], set[str]]:
    """Lift the breaker's limit of references.

    Args:
        store: where the set is.
        name: of the set.
        ids: of the references.
        quiet_until: the breaker leaves them alone until then, in seconds since 1970, UTC; 0: it counts anew at once.

    Returns:
        Those that were changed, as they are now; and the ids of those that the breaker does not limit. With a time,
        the latter are changed too: the breaker will leave them alone.
    """
    unlimited: set[str] = set()

    def change(one: Reference) -> Reference | None:
        note = _note(one)
        limited = "capped_at" in note
        if not limited:
            unlimited.add(one.id)
        if not limited and not quiet_until:
            return None
        before = str(note.get("before", "")) if limited else one.ceiling
        return _noted(replace(one, ceiling=before), {"quiet_until": quiet_until} if quiet_until else {})

    return store.rewrite(name, ids, change), unlimited


def kept(new: Reference, facts: ReferenceFacts, extra: "Mapping[str, JsonValue]") -> Reference:
    """A reference as its list has it now, with what breaker and operator decided about the row that is there.

    Args:
        new: as the list has it.
        facts: of the row.
        extra: of the row.
    """
    own = replace(new, state=facts.state, disabled_until=facts.disabled_until, extra={**new.extra, **extra})
    note = _note(own)
    if "capped_at" in note and new.ceiling in _FREE:
        return _noted(replace(own, ceiling=facts.ceiling), {**note, "before": new.ceiling})
    return _noted(own, {"quiet_until": note["quiet_until"]} if "quiet_until" in note else {})


def is_limited(extra: Mapping[str, object]) -> bool:
    """Whether the breaker limits a reference with this `extra`."""
    note = extra.get(BREAKER)
    return isinstance(note, dict) and "capped_at" in note


def _note(one: Reference) -> "dict[str, JsonValue]":
    note = one.extra.get(BREAKER)
    return note if isinstance(note, dict) else {}


def _noted(one: Reference, note: "dict[str, JsonValue]") -> Reference:
    extra = {key: value for key, value in one.extra.items() if key != BREAKER}
    return replace(one, extra={**extra, BREAKER: note} if note else extra)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
