"""What `vigilens scan` prints: a table, lines, CSV or JSON, and a progress bar."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from matcher.verdict import Verdict

COLOURS = {"block": "bold red", "review": "yellow", "unscannable": "magenta", "allow": "green"}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet takes for one
MANY = 40  # from so many files on, the table leaves out those that are allowed

Show = Callable[[Iterable[Verdict]], Iterator[Verdict]]  # prints each verdict and passes it on


@dataclass(frozen=True, slots=True)
class Row:
    """A verdict on one line: the set that says most about the file, and why.

    That is the set that decided, else the first that matched, else the one with the nearest reference. For a set that
    did not match, the thresholds are those of review, of which one was not reached. `check` is the score of the
    geometric check: None if there was none, or if it found nothing.
    """

    decision: str
    score: float | None
    threshold: float | None
    check: float | None
    check_threshold: float | None
    set: str
    nearest: str
    reason: str
    path: str


def row(verdict: Verdict) -> Row:
    """The line for a verdict."""
    reason = f"{verdict.reason}: {verdict.detail}" if verdict.reason else ""
    matches = sorted(verdict.matches, key=lambda match: match.set != verdict.decided_by)
    if matches:
        first = matches[0]
        reason = f"vetoed by {first.vetoed_by}" if first.vetoed_by else reason
        found = first.evidence
        scores = (first.score, first.threshold, found.score if found else None, found.threshold if found else None)
        names = (first.set, first.nearest.label)
        return Row(verdict.decision, *scores, *names, reason, verdict.image_id)
    near = [(each.nearest.score, each.set, each.nearest.label, each) for each in verdict.sets if each.nearest]
    if not near:
        return Row(verdict.decision, None, None, None, None, "", "", reason, verdict.image_id)
    score, name, label, known = max(near, key=lambda each: each[:3])
    check_threshold = None if known.verify == "off" else known.check_review
    return Row(verdict.decision, score, known.review, None, check_threshold, name, label, reason, verdict.image_id)


def choose(form: str | None, *, everything: bool, files: int) -> Show:
    """How to print.

    Args:
        form: "json", "csv", or None: a table on a terminal, tab-separated lines elsewhere.
        everything: the table has allowed files even if there are many.
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
    """The verdicts, counted by a bar on stderr where that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        yield from bar.track(verdicts, total=files, description="judging")


def summary(counts: Mapping[str, int], seconds: float) -> str:
    """One sentence in the end."""
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
    table = Table(*(field.name for field in fields(Row)))
    for verdict in verdicts:
        if allowed or verdict.decision != "allow":
            decision, *others = _cells(row(verdict))
            table.add_row(Text(decision, COLOURS[decision]), *(Text(cell) for cell in others))
        yield verdict
    if table.row_count:
        Console().print(table)


def _cells(shown: Row) -> list[str]:
    """The cells of a line as text that a terminal only prints."""
    texts = ["" if cell is None else f"{cell:.4f}" if isinstance(cell, float) else cell for cell in astuple(shown)]
    return [_printable(text) for text in texts]


def _printable(text: str) -> str:
    """Control characters become escapes: names come from others, and terminals obey what is in them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _for_spreadsheets(text: str) -> str:
    """As `_printable`, and with an apostrophe before what spreadsheets run as a formula, as OWASP recommends."""
    return f"'{_printable(text)}" if text.startswith(_FORMULAS) else _printable(text)
