"""The demo's three sets, made by the same code as `vigilens sets create` and `vigilens sets add`."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.settings import Settings
from demo.pictures import DemoError, Role, Sample, of
from embedding.encoder import Encoder
from embedding.probe import probe_vector
from reference_sets.gather import Found, Limits, gather
from reference_sets.model import Kind, ReferenceSet, Thresholds
from reference_sets.store import Store

# PDQ's own advice for "the same picture" is a Hamming distance of at most 31; 40 of 256 bits is worth a person's look.
BLOCK = 1 - 31 / 128
REVIEW = 1 - 40 / 128


@dataclass(frozen=True, slots=True)
class Plan:
    """A set, as it is to be made.

    Attributes:
        roles: samples that play one of them are in it from the start.
    """

    name: str
    kind: Kind
    severity: int
    roles: tuple[Role, ...]
    note: str


KNOWN = Plan(
    "sample_known",
    Kind.HARMFUL,
    50,
    (Role.KNOWN, Role.CLEARED),
    "Harmless sample pictures that play the part of known harmful ones. One is here by mistake: see sample_cleared.",
)
CLEARED = Plan("sample_cleared", Kind.ALLOW, 0, (Role.CLEARED,), "A sample that is in sample_known by mistake.")
ARCHIVE = Plan("sample_archive", Kind.REFERENCE, 0, (Role.ARCHIVE,), "Samples that are named and decide nothing.")
ALL = (KNOWN, CLEARED, ARCHIVE)


def make(store: Store, encoder: Encoder, settings: Settings) -> tuple[ReferenceSet, ...]:
    """Makes and fills the sets; returns them as they are then."""
    probe = tuple(probe_vector(encoder).tolist())
    for plan in ALL:
        store.create(
            ReferenceSet(
                name=plan.name,
                kind=plan.kind,
                category="sample",
                severity=plan.severity,
                thresholds=Thresholds(REVIEW, BLOCK),
                encoder=encoder.fingerprint,
                dimension=encoder.dimension,
                version=1,
                probe=probe,
                note=plan.note,
            )
        )
        add(store, plan, of(*plan.roles), encoder, settings)
    return tuple(store.describe(plan.name) for plan in ALL)


def add(store: Store, plan: Plan, samples: Sequence[Sample], encoder: Encoder, settings: Settings) -> None:
    """Adds samples to a set.

    Raises:
        DemoError: one of them became no reference.
    """
    limits = Limits(settings.images.max_bytes, settings.images.max_pixels)
    files = [Found(sample.path, sample.label) for sample in samples]
    if refused := gather(store, plan.name, encoder, files, limits=limits).refused:
        raise DemoError(f"{refused[0].path} became no reference of {plan.name}: {refused[0].why.detail}")
