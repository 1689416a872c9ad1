"""Creates and fills the demo's three sets, with the code of `vigilens sets create` and `vigilens sets add`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from config.settings import Settings
from demo.pictures import DemoError, Role, Sample, half, load, of, stamped
from embedding.encoders import Encoders
from reference_sets.add import gather
from reference_sets.defaults import new_set
from reference_sets.files import Found
from reference_sets.model import Kind, Mirrored, ReferenceSet, Thresholds, Verify
from reference_sets.opened import Limits
from reference_sets.store import Store
from vigilens import wiring


@dataclass(frozen=True, slots=True)
class Plan:
    """A set to create.

    Attributes:
        roles: samples with one of these roles are in it from the start.
        encoder: its name in the settings; empty: the default one.
        thresholds: of similarity, if they alone decide; None: the encoder's defaults.
    """

    name: str
    kind: Kind
    severity: int
    roles: tuple[Role, ...]
    note: str
    encoder: str = ""
    thresholds: Thresholds | None = None


KNOWN = Plan(
    "sample_known",
    Kind.HARMFUL,
    50,
    (Role.KNOWN, Role.CLEARED),
    "Harmless sample pictures that stand for known harmful ones. One is a picture of sample_cleared with a stamp.",
)
CLEARED = Plan("sample_cleared", Kind.ALLOW, 0, (Role.CLEARED,), "A picture that is in sample_known with a stamp.")
ARCHIVE = Plan("sample_archive", Kind.REFERENCE, 0, (Role.ARCHIVE,), "Samples that are named and decide nothing.")
RELATIVES = Plan(
    "sample_relatives",
    Kind.HARMFUL,
    40,
    (Role.KNOWN, Role.RELATIVE),
    "The known samples again, and one half of a wall: the network `relatives` finds other pictures of the same thing.",
    encoder="relatives",
    thresholds=Thresholds(0.65, 0.8),  # docs/encoders.md has what they find
)
ALL = (KNOWN, CLEARED, ARCHIVE, RELATIVES)


def make(store: Store, encoders: Encoders, settings: Settings) -> tuple[ReferenceSet, ...]:
    """Creates and fills the sets, with the encoders' defaults; returns them as they are afterwards.

    Raises:
        DemoError: a sample was refused.
    """
    for plan in ALL:
        known = new_set(
            encoders.get(plan.encoder),
            plan.name,
            kind=plan.kind,
            category="sample",
            severity=plan.severity,
            note=plan.note,
            thresholds=plan.thresholds,
            verify=Verify.OFF if plan.thresholds else None,
            mirrored=Mirrored.OFF if plan.thresholds else None,
        )
        store.create(known)
        add(store, plan, of(*plan.roles), encoders, settings)
    return tuple(store.describe(plan.name) for plan in ALL)


def add(store: Store, plan: Plan, samples: Sequence[Sample], encoders: Encoders, settings: Settings) -> None:
    """Adds samples to a set.

    Raises:
        DemoError: one of them was refused.
    """
    limits = Limits(settings.images.max_bytes, settings.images.max_pixels, settings.images.reduce_jpegs)
    with TemporaryDirectory() as folder:
        files = [Found(_file(plan, sample, Path(folder)), sample.label) for sample in samples]
        with wiring.decoders(settings) as decoders:
            gathered = gather(store, {plan.name: encoders.get(plan.encoder)}, files, decoders=decoders, limits=limits)
            refused = gathered[plan.name].refused
        if refused:
            raise DemoError(f"{refused[0].path} was not added to {plan.name}: {refused[0].why.detail}")


def _file(plan: Plan, sample: Sample, folder: Path) -> Path:
    """The sample's file; for some roles in a harmful set a new file in the folder, with a stamp or only a half."""
    if plan.kind is not Kind.HARMFUL or sample.role not in {Role.CLEARED, Role.RELATIVE}:
        return sample.path
    file, picture = folder / f"{sample.label}.png", load(sample)
    made = stamped(picture) if sample.role is Role.CLEARED else half(picture, left=True)
    made.save(file)
    return file
