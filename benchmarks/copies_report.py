"""Reports the results of `benchmarks.copies`: a table, a plot, and one JSON value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.copies_count import Alarms, AtLevels, Figures, Tally, alarms, at_levels, figures
from benchmarks.copies_finder import SHORTLIST, Cost, Finder

_MIN_SHORTLISTS = 10  # with fewer references than so many shortlists, being in one means little


@dataclass(frozen=True, slots=True)
class UnrelatedScore:
    """The score of an unrelated picture. Check the highest: the folder may hold the same picture twice.

    Attributes:
        picture: its file, or the name of a generated one.
        edit: name of its edit.
        reference: the same of the best candidate; None: it is a distractor.
        score: of that candidate.
    """

    picture: str
    edit: str
    reference: str | None
    score: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one way to find copies.

    Attributes:
        name: of the way.
        figures: recall, precision and threshold.
        at_levels: by edit, what the set reviews and blocks; None: it has no thresholds for that.
        alarms: by kind, the unrelated pictures that it reviews and blocks; None as well.
        on_all: cost of all queries.
        on_unrelated: cost of the unrelated pictures alone: most pictures of a service are unrelated.
        references: in the set, without featureless ones.
        featureless: pictures with too little detail for a reference.
        bytes: of vector and features per reference, including its mirror image if that is stored.
        disk_bytes: of the Milvus Lite file per reference.
        highest: the unrelated pictures with the highest scores.
    """

    name: str
    figures: Figures
    at_levels: Mapping[str, AtLevels] | None
    alarms: Mapping[str, Alarms] | None
    on_all: Cost
    on_unrelated: Cost
    references: int
    featureless: int
    bytes: float
    disk_bytes: float
    highest: Sequence[UnrelatedScore]

    @classmethod
    def of(
        cls,
        finder: Finder,
        tally: Tally,
        false_positives: float,
        costs: tuple[Cost, Cost],
        highest: Sequence[UnrelatedScore],
    ) -> "Measured":
        """The measurements, with the sizes of the finder's set.

        Args:
            finder: has the set.
            tally: its answers.
            false_positives: share, 0 to 1.
            costs: of all queries, and of the unrelated pictures.
            highest: see there.
        """
        references = finder.count - finder.featureless
        each = max(1, references)
        levels = finder.levels
        return cls(
            finder.way.name,
            figures(tally, false_positives),
            at_levels(tally, levels) if levels else None,
            alarms(tally, levels) if levels else None,
            *costs,
            references,
            finder.featureless,
            finder.bytes / each,
            finder.disk_bytes / each,
            highest,
        )

    def as_json(self) -> dict[str, Any]:
        """JSON values; shares are 0 to 1."""
        return asdict(self.figures) | {
            "at_levels": _as_json(self.at_levels),
            "alarms": _as_json(self.alarms),
            "references": self.references,
            "featureless_references": self.featureless,
            "cpu_ms": self.on_all.ms(self.on_all.encode_cpu_s),
            "search_ms": self.on_unrelated.ms(self.on_unrelated.search_s),
            "check_ms": self.on_unrelated.ms(self.on_unrelated.check_s),
            "check_cpu_ms": self.on_unrelated.ms(self.on_unrelated.check_cpu_s),
            "bytes_per_reference": self.bytes,
            "disk_bytes_per_reference": self.disk_bytes,
            "highest_unrelated": [asdict(one) for one in self.highest],
        }


def _as_json(by_name: Mapping[str, AtLevels] | Mapping[str, Alarms] | None) -> dict[str, dict[str, Any]] | None:
    return None if by_name is None else {name: asdict(one) for name, one in by_name.items()}


def show(
    console: Console,
    measured: Sequence[Measured],
    together: Mapping[str, float],
    false_positives: float,
    unrelated: int,
) -> None:
    """Print a table: recall per edit, then the other measurements, a column for each way and one for any of them."""
    table = Table(
        title=f"Recall where {100 * false_positives:g} % of the unrelated pictures pass", title_justify="left"
    )
    table.add_column("edit")
    several = len(measured) > 1
    for name in (*(one.name for one in measured), *(["any"] if several else [])):
        table.add_column(name, justify="right")

    def row(name: str, values: Iterable[str]) -> None:
        table.add_row(name, *values)

    for edit in measured[0].figures.per_edit:
        shares = [*(one.figures.per_edit[edit] for one in measured), *([together[edit]] if several else [])]
        row(edit, (f"{share:.2f}" for share in shares))
    table.add_section()
    shares = [*(one.figures.recall for one in measured), *([fmean(together.values())] if several else [])]
    row("mean recall", (f"{share:.3f}" for share in shares))
    row("uAP", (f"{one.figures.uap:.3f}" for one in measured))
    row(f"among the first {SHORTLIST}", (f"{one.figures.shortlist:.3f}" for one in measured))
    row("threshold", (f"{one.figures.threshold:.3f}" for one in measured))
    table.add_section()
    row("references", (f"{one.references}" for one in measured))
    row("CPU ms, features + vector", (f"{one.on_all.ms(one.on_all.encode_cpu_s):.1f}" for one in measured))
    row("search ms, unrelated", (f"{one.on_unrelated.ms(one.on_unrelated.search_s):.1f}" for one in measured))
    row("check ms, unrelated", (f"{one.on_unrelated.ms(one.on_unrelated.check_s):.1f}" for one in measured))
    row("its CPU ms in this thread", (f"{one.on_unrelated.ms(one.on_unrelated.check_cpu_s):.1f}" for one in measured))
    row("bytes per reference", (f"{one.bytes:,.0f}" for one in measured))
    row("bytes on disk", (f"{one.disk_bytes:,.0f}" for one in measured))
    console.print(table)
    if unrelated * false_positives < 1:
        console.print(f"{unrelated} unrelated pictures are few for this share: the highest score is the threshold.")
    if (fewest := min(one.references for one in measured)) < _MIN_SHORTLISTS * SHORTLIST:
        console.print(f"{fewest} references are few: a shortlist of {SHORTLIST} is a large part of them.")


def show_levels(console: Console, measured: Sequence[Measured]) -> None:
    """Print for each way what a set with the default thresholds reviews and blocks: copies, then unrelated pictures."""
    for one in measured:
        if one.at_levels is None or one.alarms is None:
            continue
        found = Table(title=f"{one.name}: copies at the set's default thresholds", title_justify="left")
        for name in ("edit", "review", "block", "altered", "listed", "passes", "lost"):
            found.add_column(name, justify="left" if name == "edit" else "right")
        for edit, at in one.at_levels.items():
            shares = (at.review, at.block, at.altered, at.shortlist, at.passes, at.lost)
            found.add_row(edit, *("-" if share is None else f"{share:.2f}" for share in shares))
        console.print(found)
        false = Table(title=f"{one.name}: unrelated pictures at the same thresholds", title_justify="left")
        for name in ("kind", "pictures", "review", "block", "altered"):
            false.add_column(name, justify="left" if name == "kind" else "right")
        for kind, alarm in one.alarms.items():
            false.add_row(kind, *map(str, (alarm.pictures, alarm.review, alarm.block, alarm.altered)))
        console.print(false)


def plot(path: Path, measured: Sequence[Measured], false_positives: float) -> None:
    """Draw bars of recall per edit, a colour for each way."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (takes half a second; only used here)

    edits = list(measured[0].figures.per_edit)
    high = 0.8 / len(measured)
    figure = Figure(figsize=(8, 1.2 + len(edits) * (0.14 + 0.12 * len(measured))), layout="constrained")
    axes = figure.subplots()
    for number, one in enumerate(measured):
        places = [line + (number - (len(measured) - 1) / 2) * high for line in range(len(edits))]
        label = f"{one.name}: recall {one.figures.recall:.3f}, uAP {one.figures.uap:.3f}"
        axes.barh(places, [one.figures.per_edit[edit] for edit in edits], high, label=label)
    axes.set_yticks(range(len(edits)), edits)
    axes.set_ylim(len(edits) - 0.4, -0.6)  # the first edit on top
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"recall where {100 * false_positives:g} % of the unrelated pictures pass")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.savefig(path)
