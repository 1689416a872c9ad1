"""Creates and fills the demo's three sets, with the code of `vigilens sets create` and `vigilens sets add`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from config.settings import Settings
from demo.pictures import DemoError, Role, Sample, load, of, stamped
from embedding.encoder import Encoder
from reference_sets.add import Limits, gather
from reference_sets.defaults import defaults, new_set
from reference_sets.files import Found
from reference_sets.model import Kind, ReferenceSet
from reference_sets.store import Store
from vigilens import wiring


@dataclass(frozen=True, slots=True)
class Plan:
    """A set to create.

    Attributes:
        roles: samples with one of these roles are in it from the start.
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
    "Harmless sample pictures that stand for known harmful ones. One is a picture of sample_cleared with a stamp.",
)
CLEARED = Plan("sample_cleared", Kind.ALLOW, 0, (Role.CLEARED,), "A picture that is in sample_known with a stamp.")
ARCHIVE = Plan("sample_archive", Kind.REFERENCE, 0, (Role.ARCHIVE,), "Samples that are named and decide nothing.")
ALL = (KNOWN, CLEARED, ARCHIVE)


def make(store: Store, encoder: Encoder, settings: Settings) -> tuple[ReferenceSet, ...]:
    """Creates and fills the sets, with the encoder's defaults; returns them as they are afterwards.

    Raises:
        DemoError: the encoder has no default thresholds, or a sample was refused.
    """
    if defaults(encoder.name).thresholds is None:
        raise DemoError(f"The demo has no thresholds for {encoder.name}: it runs with the encoder words or pdq")
    for plan in ALL:
        known = new_set(encoder, plan.name, kind=plan.kind, category="sample", severity=plan.severity, note=plan.note)
        store.create(known)
        add(store, plan, of(*plan.roles), encoder, settings)
    return tuple(store.describe(plan.name) for plan in ALL)


def add(store: Store, plan: Plan, samples: Sequence[Sample], encoder: Encoder, settings: Settings) -> None:
    """Adds samples to a set.

    Raises:
        DemoError: one of them was refused.
    """
    limits = Limits(settings.images.max_bytes, settings.images.max_pixels, settings.images.reduce_jpegs)
    with TemporaryDirectory() as folder:
        files = [Found(_file(plan, sample, Path(folder)), sample.label) for sample in samples]
        with wiring.decoders(settings) as decoders:
            refused = gather(store, plan.name, encoder, files, decoders=decoders, limits=limits).refused
        if refused:
            raise DemoError(f"{refused[0].path} was not added to {plan.name}: {refused[0].why.detail}")


def _file(plan: Plan, sample: Sample, folder: Path) -> Path:
    """The sample's file; for a cleared sample in a harmful set a new file in the folder: the sample with a stamp."""
    if plan.kind is not Kind.HARMFUL or sample.role is not Role.CLEARED:
        return sample.path
    file = folder / f"{sample.label}.png"
    stamped(load(sample)).save(file)
    return file
