"""What a set stores of a picture: the views that it needs, and the reference that is made of them."""

from typing import Any

from embedding.look import Look, View
from embedding.picture import Needs
from reference_sets.model import Mirrored, Part, Reference, ReferenceSet, Verify


def needs(described: ReferenceSet) -> Needs:
    """Return what must be computed of a picture that becomes a reference of the set."""
    return Needs(keypoints=described.verify is not Verify.OFF, mirror=described.mirrored is Mirrored.STORED)


def reference(looked: Look, described: ReferenceSet, id_: str, label: str, **facts: Any) -> Reference | None:
    """Make the reference of a picture; None if the picture is featureless for the set's encoder.

    Args:
        looked: the look at the picture, made with at least the set's `needs`.
        described: the set.
        id_: see `model.Reference`, as for the arguments below.
        label: see there.
        facts: see there.
    """
    stored = described.mirrored is Mirrored.STORED
    own, mirror = (_part(view, described) if view else None for view in (looked.view, looked.mirror))
    if own is None or (stored and mirror is None):
        return None
    return Reference(id_, label, own.vector, own.features, mirror if stored else None, **facts)


def _part(view: View, described: ReferenceSet) -> Part | None:
    vector = view.vectors.get(described.encoder)
    if vector is None:
        return None
    values = tuple(vector.tolist())
    if described.verify is Verify.OFF or view.keypoints is None:
        return Part(values)
    from embedding.local.features import pack  # noqa: PLC0415 (OpenCV, and only where a set checks)

    return Part(values, pack(view.keypoints))
