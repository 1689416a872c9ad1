"""Where the known picture lies in an incoming one: computed again, since verdicts do not carry pairs of corners."""

from collections.abc import Iterable

from demo.summary import Result, nearest_set
from demo.thumbnails import pixels_of
from matcher.explain import Known, Overlay, kept, lay
from reference_sets.store import Store


def overlays(results: Iterable[Result], store: Store) -> dict[int, Overlay]:
    """Number of the event → how the reference of its worst match lies in it, if the geometric check was passed."""
    known: dict[tuple[str, str], Known | None] = {}
    found = {}
    for each in results:
        _, match = nearest_set(each.verdict) or (None, None)
        if match is None or not match.verified or match.evidence is None or each.incoming.picture is None:
            continue
        key = match.set, match.nearest.id
        if key not in known:
            known[key] = kept(store, match.set, match.nearest)
        reference = known[key]
        mirrored = match.evidence.mirrored
        laid = lay(pixels_of(each.incoming.picture), reference, mirrored=mirrored) if reference else None
        if laid:
            found[each.incoming.number] = laid
    return found
