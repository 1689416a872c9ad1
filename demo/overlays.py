"""Computes where the known picture lies in an incoming one. Verdicts do not contain the pairs of corners."""

from collections.abc import Iterable

from demo.summary import Result, nearest_set
from demo.thumbnails import pixels_of
from matcher.explain import Overlay, StoredKeypoints, nearest, overlay_of, stored_keypoints
from reference_sets.store import Store


def overlays(results: Iterable[Result], store: Store) -> dict[int, Overlay]:
    """Returns event number → where the reference of its worst match lies in it, if the geometric check was passed."""
    known: dict[tuple[str, str], StoredKeypoints | None] = {}
    found = {}
    for each in results:
        shown, match = nearest_set(each.verdict) or (None, None)
        if shown is None or match is None or match.check is None or each.incoming.picture is None:
            continue
        near = nearest(shown, match)
        key = match.set, match.reference.id
        if key not in known:
            known[key] = stored_keypoints(store, match.set, near) if near else None
        reference = known[key]
        mirror = match.check.mirrored
        overlay = overlay_of(pixels_of(each.incoming.picture), reference, mirror=mirror) if reference else None
        if overlay:
            found[each.incoming.number] = overlay
    return found
