"""Background sets: pictures of anything, with which the similarities of other sets are normalised.

A background set never matches, and belongs to no group. A set that names one is judged by only as long as the
background can be used: its thresholds are for normalised similarities, and mean nothing for others.
"""

from collections.abc import Mapping

from reference_sets.model import Kind, ReferenceSet

_OTHER = "name another one with `vigilens sets edit {name} --background NAME`"


def unusable(known: ReferenceSet, others: Mapping[str, ReferenceSet], unreadable: Mapping[str, str]) -> str | None:
    """Why the set's background cannot be used, in one sentence that names the fix; None if it can, or there is none.

    Args:
        known: the set.
        others: all sets of the database that can be read, by name.
        unreadable: why others cannot be read, by name.
    """
    name = known.background
    if not name:
        return None
    start, other = f"the set {known.name} is normalised with {name}", _OTHER.format(name=known.name)
    if name in unreadable:
        return f"{start}, which cannot be read: {unreadable[name]}"
    background = others.get(name)
    if background is None:
        return (
            f"{start}, which does not exist; make it with `vigilens sets create {name} --kind background`, or {other}"
        )
    if background.kind is not Kind.BACKGROUND:
        return f"{start}, which is of the kind {background.kind.value}, not background; {other}"
    if (background.encoder, background.dimension) != (known.encoder, known.dimension):
        which = f"which has vectors of another encoder ({background.encoder}, not {known.encoder})"
        if background.encoder == known.encoder and background.index != known.index:
            which = "but only one of them is a list of hashes, and the other has pictures"
        return f"{start}, {which}; {other}"
    return None


def empty(known: ReferenceSet) -> str:
    """Why a set whose background is empty cannot be judged by."""
    return (
        f"the set {known.name} is normalised with {known.background}, which is empty; fill it with `vigilens sets add "
        f"{known.background} PATH`, or {_OTHER.format(name=known.name)}"
    )
