"""Allowed pictures in a whole picture, and the harmful ones that second looks find in parts of them. Pure.

An allowed page may show a harmful picture small. In the whole the page is found, and perhaps not the picture; in a
second look at the part it is the other way round. So the two are compared in the whole, where the page is seen best.
"""

from collections.abc import Sequence
from typing import NamedTuple

from embedding.local.keypoints import Keypoints
from embedding.look import Look
from matcher.check.tell_apart import Shown, explains, lead, shown
from matcher.evidence import Candidate, Corners, Placing, flipped, flipped_box, renamed
from matcher.search import Near
from matcher.views import in_whole
from reference_sets.model import Kind


class Lying(NamedTuple):
    """An allowed reference in the whole picture.

    Attributes:
        placing: which it is.
        in_mirror: it was found in the picture's mirror image.
        shown: its corners there.
    """

    placing: Placing
    in_mirror: bool
    shown: Shown


def allowed_in(look: Look, near: Sequence[Near], found: Sequence[Sequence[Candidate]]) -> list[Lying]:
    """The allowed references that the check finds in the whole picture.

    Args:
        look: at the whole picture.
        near: what was found in each set.
        found: each set's candidates.
    """
    allowed = []
    for each, listed in zip(near, found, strict=True):
        for one in listed if each.set.kind is Kind.ALLOW else ():
            lies = _lies(look, each, one)
            if lies:
                placing = Placing(each.set.name, one.neighbour.id, one.neighbour.mirrored)
                allowed.append(Lying(placing, lies[0], shown(*lies[1:])))
    return allowed


def beside(
    allowed: Sequence[Lying], whole: Look, look: Look, near: Sequence[Near], found: Sequence[Sequence[Candidate]]
) -> list[list[Candidate]]:
    """Each set's candidates in a second look; harmful ones with their leads over the allowed pictures in the whole.

    Args:
        allowed: in the whole picture.
        whole: the look at it.
        look: the second look.
        near: what was found for the second look in each set.
        found: the second look's candidates in each set.
    """
    return [
        [_with_leads(allowed, whole, look, each, one) for one in listed] if each.set.kind is Kind.HARMFUL else [*listed]
        for each, listed in zip(near, found, strict=True)
    ]


def _with_leads(allowed: Sequence[Lying], whole: Look, look: Look, near: Near, one: Candidate) -> Candidate:
    there = one._replace(evidence=one.evidence and in_whole(one.evidence, look.box))
    lies = _lies(whole, near, there)
    if lies is None:
        return one
    in_mirror, picture, reference, region = lies
    # The reference may reach beyond what the second look shows: only this part of the whole is compared.
    harmful = shown(picture, reference, region).of_part(flipped_box(look.box) if in_mirror else look.box, picture)
    turned = harmful.region.copy()
    turned[:, 0] = picture.width - turned[:, 0]
    leads = {}
    for each in allowed:
        same_side = each.in_mirror == in_mirror
        lying = each.shown.of_part(flipped_box(look.box) if each.in_mirror else look.box, picture)
        if explains(each.shown, lying.within(harmful.region if same_side else turned)):
            # Corners in a picture and in its mirror image cannot be compared: nothing tells the two apart.
            leads[each.placing] = lead(harmful, lying) if same_side else 0.0
    return one._replace(leads_in_whole=leads)


def _lies(look: Look, near: Near, one: Candidate) -> tuple[bool, Keypoints, Keypoints, Corners] | None:
    """Whether a candidate lies in the mirror image, the corners of the image and the reference there, and its region.

    None if the check does not find it.
    """
    if one.evidence is None or one.score < near.set.check.review:
        return None
    mirrored, region = one.neighbour.mirrored, one.evidence.region
    stored = near.stored.get((one.neighbour.id, mirrored))
    in_mirror = mirrored and stored is None
    if in_mirror:
        stored, region = near.stored.get((one.neighbour.id, False)), flipped(region)
    elif mirrored:
        region = renamed(region)
    view = look.mirror if in_mirror else look.view
    if stored is None or stored.keypoints is None or view is None or view.keypoints is None:
        return None
    return in_mirror, view.keypoints, stored.keypoints, region
