"""What the sets in force need of an image (plain values)."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedding.picture import Needs
from reference_sets.in_memory.constants import is_exact
from reference_sets.model import Mirrored, ReferenceSet, Verify


@dataclass(frozen=True, slots=True)
class Demand:
    """What must be made of an image.

    Attributes:
        encoders: fingerprints of the encoders whose vectors are needed.
        mirrored: those of them whose vectors of the mirror image are needed too.
        keypoints: whether a check needs them.
        digests: whether MD5 and SHA-1 of the bytes are needed beside SHA-256.
    """

    encoders: frozenset[str] = frozenset()
    mirrored: frozenset[str] = frozenset()
    keypoints: bool = False
    digests: bool = False

    def covered_by(self, met: "Demand") -> bool:
        """Whether everything that is demanded is in `met` too."""
        flags = ((self.keypoints, met.keypoints), (self.digests, met.digests))
        return (
            self.encoders <= met.encoders
            and self.mirrored <= met.mirrored
            and all(needed <= there for needed, there in flags)
        )

    @property
    def needs(self) -> Needs:
        """What is needed of each view besides the vectors."""
        return Needs(keypoints=self.keypoints, mirror=bool(self.mirrored))


def demand_of(sets: Sequence[ReferenceSet]) -> Demand:
    """What all these sets together need."""
    pictures = [known for known in sets if not is_exact(known.encoder)]
    return Demand(
        encoders=frozenset(known.encoder for known in pictures),
        mirrored=frozenset(known.encoder for known in pictures if known.mirrored is Mirrored.QUERIED),
        keypoints=any(known.verify is not Verify.OFF for known in pictures),
        digests=len(pictures) < len(sets),
    )
