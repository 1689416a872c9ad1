"""The defaults of a new set for each encoder: thresholds, geometric check, mirrored copies."""

from dataclasses import dataclass

from embedding.encoder import Encoder
from reference_sets.model import CHECK, Cap, CheckThresholds, Kind, Mirrored, ReferenceSet, Thresholds, Verify

# With vectors of ±1/16, the cosine is 1 - Hamming distance / 128. Of 6,000 unrelated pictures, 1 in 1,000 was within
# distance 84 of one of 850 references, and by extrapolation 1 in 100,000 within 76 (docs/copies.md). Sets of hashes are
# larger, so review starts at 64. Block starts at 31, which PDQ's authors give as the distance of the same picture.
PDQ_REVIEW = 1 - 64 / 128
PDQ_BLOCK = 1 - 31 / 128

# Visual words select candidates and the geometric check decides: a candidate with a low similarity can match too.
WORDS_REVIEW = 0.0
WORDS_BLOCK = 0.0


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values of a new set that the operator does not give.

    Attributes:
        thresholds: of similarity; None if they depend on the model, so that the operator must give both.
        verify, check, mirrored, alone: see `model.ReferenceSet`.
    """

    thresholds: Thresholds | None
    verify: Verify = Verify.OFF
    check: CheckThresholds = CHECK
    mirrored: Mirrored = Mirrored.OFF
    alone: Cap = "block"


def defaults(encoder: str) -> Defaults:
    """Return the defaults for an encoder, named as in the settings."""
    if encoder == "words":
        return Defaults(Thresholds(WORDS_REVIEW, WORDS_BLOCK), verify=Verify.REQUIRED, mirrored=Mirrored.STORED)
    if encoder == "pdq":
        return Defaults(Thresholds(PDQ_REVIEW, PDQ_BLOCK))
    return Defaults(None, alone="review")  # a network also finds pictures that are only alike


def new_set(  # noqa: PLR0913 (one for each fact, by keyword)
    encoder: Encoder,
    name: str,
    *,
    kind: Kind = Kind.HARMFUL,
    category: str = "",
    severity: int = 50,
    thresholds: Thresholds | None = None,
    verify: Verify | None = None,
    check: CheckThresholds | None = None,
    mirrored: Mirrored | None = None,
    altered: Cap = "review",
    note: str = "",
) -> ReferenceSet:
    """Return the description of an empty set for this encoder, for `Store.create`. Encodes the probe picture.

    Args:
        encoder: makes the set's vectors; its fingerprint, dimension and vector of the probe picture are recorded.
        name: of the set.
        kind: what a match means.
        category: if empty, the name is used.
        severity: 0 to 100.
        thresholds: of similarity. None, here and below, means the encoder's default.
        verify: what the geometric check decides.
        check: its thresholds.
        mirrored: how mirrored copies are found.
        altered: the highest level of a match if a part of the picture differs from the reference.
        note: free text.

    Raises:
        ValueError: the encoder has no default thresholds and none are given, or a number is out of range.
    """
    from embedding.probe import probe_vector  # noqa: PLC0415 (Pillow)

    usual = defaults(encoder.name)
    thresholds = thresholds or usual.thresholds
    if thresholds is None:
        raise ValueError(f"the encoder {encoder.name} has no default thresholds: give review and block")
    return ReferenceSet(
        name=name,
        kind=kind,
        category=category or name,
        severity=severity,
        thresholds=thresholds,
        encoder=encoder.fingerprint,
        dimension=encoder.dimension,
        version=1,
        probe=tuple(probe_vector(encoder).tolist()),
        note=note,
        verify=verify or usual.verify,
        check=check or usual.check,
        mirrored=mirrored or usual.mirrored,
        alone=usual.alone,
        altered=altered,
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
