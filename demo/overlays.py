"""Computes where the known picture lies in an incoming one. Verdicts do not contain the pairs of corners."""

from collections.abc import Iterable

from demo.summary import Result, nearest_set
from demo.thumbnails import pixels_of
from embedding.picture import Pixels
from embedding.second_looks import cropped, reread
from matcher.explain import Overlay, StoredKeypoints, nearest, overlay_of, stored_keypoints
from matcher.verdict import View
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
        view = next(one for one in each.verdict.views if one.view == match.view)
        shown_there = _view_of(pixels_of(each.incoming.picture), view)
        overlay = overlay_of(shown_there, reference, mirror=match.check.mirrored) if reference else None
        if overlay:
            found[each.incoming.number] = overlay.in_whole(view.box)
    return found


def _view_of(pixels: Pixels, view: View) -> Pixels:
    """The pixels of the view in which the reference was found."""
    part, _ = cropped(pixels, pixels.shape[:2], view.box)
    return reread(part, view.reading)
