"""The defaults of a new set for each encoder: thresholds, geometric check, mirrored copies, worth of a match alone."""

from dataclasses import dataclass
from typing import TypedDict, Unpack

from embedding.encoder import Encoder
from reference_sets.in_memory.constants import EXACT, IN_MEMORY, NO_VECTOR, is_exact
from reference_sets.model import (
    CHECK,
    Cap,
    CheckThresholds,
    Kind,
    Mirrored,
    ReferenceSet,
    Thresholds,
    Verify,
)

# With vectors of ±1/16, the cosine is 1 - Hamming distance / 128. Of 6,000 unrelated pictures, 1 in 1,000 was within
# distance 84 of one of 850 references, and by extrapolation 1 in 100,000 within 76 (docs/copies.md). Sets of hashes are
# larger, so review starts at 64. Block starts at 31, which PDQ's authors give as the distance of the same picture.
PDQ_REVIEW = 1 - 64 / 128
PDQ_BLOCK = 1 - 31 / 128

# Visual words and networks select candidates, and the geometric check decides: a candidate with a low similarity can
# match too. By its similarity alone, a network calls screenshots of one program the same (docs/copies.md).
SELECTS = Thresholds(0.0, 0.0)

NO_MATCH = Thresholds(1.0, 1.0)  # of sets whose similarities decide nothing: exact lists and background sets


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values of a new set that the operator does not give.

    Attributes:
        thresholds: of similarity, for sets with the default `verify`: see `similarity`.
        verify, check, mirrored, alone: see `model.ReferenceSet`.
    """

    thresholds: Thresholds
    verify: Verify = Verify.OFF
    check: CheckThresholds = CHECK
    mirrored: Mirrored = Mirrored.OFF
    alone: Cap = "block"

    def similarity(self, verify: Verify) -> Thresholds | None:
        """The thresholds of similarity for a set with this `verify`; None: the operator must give both.

        Where similarity decides, a threshold that only selects candidates would let every picture match.
        """
        return None if self.thresholds == SELECTS and verify is not Verify.REQUIRED else self.thresholds


def defaults(encoder: str, kind: Kind = Kind.HARMFUL) -> Defaults:
    """Return the defaults of a new set.

    Args:
        encoder: its fingerprint, or its kind in the settings: what comes before the colon.
        kind: of the set.
    """
    short = encoder.partition(":")[0]
    if kind is Kind.BACKGROUND or is_exact(encoder):
        return Defaults(NO_MATCH)
    if short == "words":
        return Defaults(SELECTS, verify=Verify.REQUIRED, mirrored=Mirrored.STORED)
    if short == "pdq":
        return Defaults(Thresholds(PDQ_REVIEW, PDQ_BLOCK))
    # A network also finds pictures that are only alike.
    return Defaults(SELECTS, verify=Verify.REQUIRED, mirrored=Mirrored.STORED, alone="review")


class Facts(TypedDict, total=False):
    """What describes a set and does not depend on its encoder or kind."""

    group: str
    altered: Cap
    background: str
    background_k: int
    note: str


def new_set(  # noqa: PLR0913 (one for each fact, by keyword)
    encoder: Encoder | None,
    name: str,
    *,
    kind: Kind = Kind.HARMFUL,
    category: str = "",
    severity: int = 50,
    thresholds: Thresholds | None = None,
    verify: Verify | None = None,
    check: CheckThresholds | None = None,
    mirrored: Mirrored | None = None,
    alone: Cap | None = None,
    **facts: Unpack[Facts],
) -> ReferenceSet:
    """Return the description of an empty set for this encoder, for `Store.create`. Encodes the probe picture.

    Args:
        encoder: makes the set's vectors; its fingerprint, dimension and vector of the probe picture are recorded. None:
            the set is an exact list.
        name: of the set.
        kind: what a match means.
        category: if empty, the name is used.
        severity: 0 to 100.
        thresholds: of similarity. None, here and below, means the encoder's default.
        verify: what the geometric check decides.
        check: its thresholds.
        mirrored: how mirrored copies are found.
        alone: the highest level of a match that nothing corroborates.
        **facts: see `model.ReferenceSet`, which has their defaults.

    Raises:
        ValueError: thresholds must be given and are not, or a number is out of range.
    """
    from embedding.probe import probe_vector  # noqa: PLC0415 (Pillow)

    fingerprint = encoder.fingerprint if encoder else EXACT
    usual = defaults(fingerprint, kind)
    verify = verify or usual.verify
    thresholds = thresholds or usual.similarity(verify)
    if thresholds is None:
        raise ValueError(f"{fingerprint} has no default thresholds without a required check: give review and block")
    return ReferenceSet(
        name=name,
        kind=kind,
        category=category or name,
        severity=severity,
        thresholds=thresholds,
        encoder=fingerprint,
        dimension=encoder.dimension if encoder else len(NO_VECTOR),
        version=1,
        probe=tuple(probe_vector(encoder).tolist()) if encoder else NO_VECTOR,
        index="exact" if encoder else IN_MEMORY,
        verify=verify,
        check=check or usual.check,
        mirrored=mirrored or usual.mirrored,
        alone=alone or usual.alone,
        **facts,
    )


def completed(known: Thresholds | CheckThresholds, review: float | None, block: float | None) -> tuple[float, float]:
    """Return both thresholds if one or none is given: the missing one is the known one, moved if it would not fit.

    Args:
        known: the default thresholds, or those of the set so far.
        review: the new threshold, or None.
        block: the new threshold, or None.
    """
    if review is None:
        review = known.review if block is None else min(known.review, block)
    return review, max(known.block, review) if block is None else block
