"""What a set stores of a picture: the views that it needs, and the reference that is made of them."""

from typing import TYPE_CHECKING, Any

from embedding.look import Look, View
from embedding.picture import Needs
from reference_sets.model import Mirrored, Part, Reference, ReferenceSet, Verify

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints


def needs(described: ReferenceSet) -> Needs:
    """Return what must be computed of a picture that becomes a reference of the set."""
    return Needs(keypoints=described.verify is not Verify.OFF, mirror=described.mirrored is Mirrored.STORED)


def reference(looked: Look, id_: str, label: str, **facts: Any) -> Reference:
    """Make the reference of a picture.

    Args:
        looked: the look at the picture, made with the set's `needs`.
        id_: see `model.Reference`, as for the arguments below.
        label: see there.
        facts: see there.
    """
    own, mirror = _part(looked.view), None if looked.mirror is None else _part(looked.mirror)
    return Reference(id_, label, own.vector, own.features, mirror, **facts)


def checkable(looked: Look) -> bool:
    """Return whether the picture and its mirror image have enough keypoints for the check; True if there is none."""
    return _enough(looked.view.keypoints) and (looked.mirror is None or _enough(looked.mirror.keypoints))


def _part(view: View) -> Part:
    if view.keypoints is None:
        return Part(tuple(view.vector.tolist()))
    from embedding.local.features import pack  # noqa: PLC0415 (OpenCV, and only where a set checks)

    return Part(tuple(view.vector.tolist()), pack(view.keypoints))


def _enough(keypoints: "Keypoints | None") -> bool:
    if keypoints is None:
        return True
    from embedding.local.keypoints import MIN_KEYPOINTS  # noqa: PLC0415 (see above)

    return len(keypoints) >= MIN_KEYPOINTS
