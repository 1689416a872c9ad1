"""What `vigilens scan` prints: a table, lines, CSV or JSON, and a progress bar."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import NamedTuple

import click

from matcher.verdict import Candidate, Rules, SetResult, Verdict
from vigilens.commands.printable import printable

# ruff: noqa: PLC0415 (rich is imported for terminals only: pipes need no table and no progress bar)

COLOURS = {"block": "bold red", "review": "yellow", "unscannable": "magenta", "allow": "green"}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins with one of these
MANY = 40  # with more files, the table leaves out those that are allowed

# The columns of the table, and how they become narrower where it is too wide for the terminal: in this order, each down
# to a number of characters. Before the last step the widest possible table has 80 characters.
HEADINGS = ("decision", "why", "set", "nearest", "file")
SHRINK = (("why", 40), ("file", 28), ("nearest", 12), ("why", 23), ("set", 12), ("file", 14), ("why", 12))
GAP = 2  # characters between two columns

Show = Callable[[Iterable[Verdict]], Iterator[Verdict]]  # prints each verdict and passes it on


@dataclass(frozen=True, slots=True)
class Row:
    """A verdict as one line: the set that says most about the file, and its scores.

    That is the set that decided, else the first that matched, else the one that came nearest to its review threshold.
    `by` names the measure that decided, and `score` and `threshold` are of this measure. For a set that did not match
    it is the measure by which it failed, see `near_miss`. `similarity` and `check` are those of the reference; `check`
    is None if there was no check.
    """

    decision: str
    by: str
    score: float | None
    threshold: float | None
    similarity: float | None
    check: float | None
    set: str
    nearest: str
    reason: str
    path: str


def row(verdict: Verdict) -> Row:
    """Return the line for a verdict."""
    reason = f"{verdict.reason}: {verdict.detail}" if verdict.reason else ""
    matches = sorted(verdict.matches, key=lambda match: match.set != verdict.decided_by)
    if matches:
        first = matches[0]
        reason = f"vetoed by {first.vetoed_by}" if first.vetoed_by else reason
        check = first.check.score if first.check else None
        scores = (first.decided_on, first.score, first.threshold, first.similarity.score, check)
        return Row(verdict.decision, *scores, first.set, first.reference.label, reason, verdict.image_id)
    missed = [_Missed(*near_miss(each.rules, one), each, one) for each in verdict.sets for one in each.candidates[:1]]
    if not missed:
        return Row(verdict.decision, "", None, None, None, None, "", "", reason, verdict.image_id)
    by, score, threshold, of_set, one = _nearest_miss(missed)
    name = of_set.set
    values = (score, threshold, one.similarity, one.check)
    return Row(verdict.decision, by, *values, name, one.label, reason, verdict.image_id)


class _Missed(NamedTuple):
    """A set's best candidate, and the measure by which it failed."""

    by: str
    score: float
    threshold: float
    set: SetResult
    candidate: Candidate


def _nearest_miss(missed: Sequence[_Missed]) -> _Missed:
    """Return the set that came nearest. Scores of the check have one scale; similarities of two encoders do not."""
    comparable = [each for each in missed if each.by == "check"]
    comparable = comparable or [each for each in missed if each.set.encoder == missed[0].set.encoder]
    return max(comparable, key=lambda each: (each.score - each.threshold, each.set.set))


def near_miss(rules: Rules, one: Candidate) -> tuple[str, float, float]:
    """Return the measure by which a candidate failed, its score and its review threshold.

    If the set requires the check, that is the measure that is farther below its threshold. If the check only supports,
    one of the two is enough, so it is the measure that came nearer.
    """
    near = one.similarity if one.normalised is None else one.normalised
    similarity = ("similarity", near, rules.similarity.review)
    if rules.check.use == "off":
        return similarity
    check = ("check", one.check or 0.0, rules.check.review)
    choose_measure = min if rules.check.use == "required" else max
    return choose_measure(check, similarity, key=lambda each: each[1] - each[2])


def choose(form: str | None, *, everything: bool, files: int) -> Show:
    """Return the function that prints the verdicts.

    Args:
        form: "json", "csv", or None: a table on a terminal, tab-separated lines elsewhere.
        everything: list allowed files in the table even if there are many.
        files: number of files.
    """
    if form == "json":
        return _json
    if form == "csv":
        return _csv
    if not sys.stdout.isatty():
        return _lines
    return lambda verdicts: _table(verdicts, allowed=everything or files <= MANY)


def progress(verdicts: Iterable[Verdict], files: int) -> Iterator[Verdict]:
    """Yield the verdicts, with a progress bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield from verdicts
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(verdicts, total=files, description="judging")


def summary(counts: Mapping[str, int], seconds: float) -> str:
    """Return the sentence that is printed at the end."""
    files = sum(counts.values())
    decisions = ", ".join(f"{counts[each]:,} {each}" for each in COLOURS if counts.get(each)) or "nothing to judge"
    return f"{files:,} {'file' if files == 1 else 'files'} in {seconds:.1f} s: {decisions}"


def _json(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for verdict in verdicts:
        click.echo(verdict.model_dump_json())
        yield verdict


def _csv(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(field.name for field in fields(Row))
    for verdict in verdicts:
        writer.writerow(_for_spreadsheets(cell) if isinstance(cell, str) else cell for cell in astuple(row(verdict)))
        yield verdict


def _lines(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for verdict in verdicts:
        click.echo("\t".join(_cells(row(verdict))))
        yield verdict


def _table(verdicts: Iterable[Verdict], *, allowed: bool) -> Iterator[Verdict]:
    lines = []
    for verdict in verdicts:
        if allowed or verdict.decision != "allow":
            lines.append(_line(row(verdict)))
        yield verdict
    if not lines:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = _widths(lines, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for heading, width in zip(HEADINGS, widths, strict=True):
        table.add_column(heading, width=width, overflow="fold")
    for decision, why, name, nearest, path in lines:
        label = Text(nearest)
        label.truncate(widths[3], overflow="ellipsis")
        table.add_row(Text(decision, COLOURS[decision]), Text(why), Text(name), label, Text(_end_of(path, widths[4])))
    console.print(table)


def _line(shown: Row) -> tuple[str, str, str, str, str]:
    """Return the cells of the table under `HEADINGS`: fewer than in the other forms, so that they fit on a terminal."""
    cells = (shown.decision, _why(shown), shown.set, shown.nearest, shown.path)
    decision, why, name, nearest, path = (printable(cell) for cell in cells)
    return decision, why, name, nearest, path


def _why(shown: Row) -> str:
    """Return what decided, for example "check 0.82 of 0.60", or the reason why a file is unscannable."""
    if shown.score is None or shown.threshold is None or shown.decision == "unscannable":
        return shown.reason
    scored = f"{shown.by} {shown.score:.2f} of {shown.threshold:.2f}"
    return f"{scored}, {shown.reason}" if shown.reason else scored


def _widths(lines: Sequence[Sequence[str]], console: int) -> list[int]:
    """Return the width of each column: what its cells need, or less if the table would be wider than the terminal."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, cells)) for cells in zip(HEADINGS, *lines, strict=True)]
    for heading, least in SHRINK:
        column = HEADINGS.index(heading)
        too_wide = sum(widths) + GAP * (len(widths) - 1) - console
        widths[column] -= max(0, min(too_wide, widths[column] - least))
    return widths


def _end_of(path: str, width: int) -> str:
    """Return the path, or as much of its end as fits: the end has the file's name."""
    from rich.cells import cell_len

    if cell_len(path) <= width:
        return path
    start = next((n for n in range(1, len(path)) if cell_len(path[n:]) < width), len(path))
    return f"…{path[start:]}"


def _cells(shown: Row) -> list[str]:
    """Return the cells of a line as text without control characters."""
    texts = ["" if cell is None else f"{cell:.4f}" if isinstance(cell, float) else cell for cell in astuple(shown)]
    return [printable(text) for text in texts]


def _for_spreadsheets(text: str) -> str:
    """Escape control characters, and put an apostrophe before a formula, as OWASP recommends."""
    return f"'{printable(text)}" if text.startswith(_FORMULAS) else printable(text)
