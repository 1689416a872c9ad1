"""The output of `vigilens scan`: a table, lines, CSV or JSON, and a progress bar."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from matcher.verdict import Candidate, Rules, Verdict

COLOURS = {"block": "bold red", "review": "yellow", "unscannable": "magenta", "allow": "green"}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula
MANY = 40  # with more files than this the table leaves out the allowed ones

Show = Callable[[Iterable[Verdict]], Iterator[Verdict]]  # prints each verdict and passes it on


@dataclass(frozen=True, slots=True)
class Row:
    """A verdict on one line, with the set that says most about the file.

    That is the set that decided, else the first that matched, else the one that came nearest to its review threshold.
    `by` names the measure that decided, which has `score` and `threshold`; for a set that did not match it is the
    measure by which it failed (see `near_miss`). `similarity` and `check` are the scores of the nearest reference:
    `check` is None if there was no check.
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
    """The line for a verdict."""
    reason = f"{verdict.reason}: {verdict.detail}" if verdict.reason else ""
    matches = sorted(verdict.matches, key=lambda match: match.set != verdict.decided_by)
    if matches:
        first = matches[0]
        reason = f"vetoed by {first.vetoed_by}" if first.vetoed_by else reason
        check = first.check.score if first.check else None
        scores = (first.decided_on, first.score, first.threshold, first.similarity.score, check)
        return Row(verdict.decision, *scores, first.set, first.reference.label, reason, verdict.image_id)
    missed = [(*near_miss(each.rules, one), each.set, one) for each in verdict.sets for one in each.candidates[:1]]
    if not missed:
        return Row(verdict.decision, "", None, None, None, None, "", "", reason, verdict.image_id)
    by, score, threshold, name, one = max(missed, key=lambda each: (each[1] - each[2], each[3]))
    values = (score, threshold, one.similarity, one.check)
    return Row(verdict.decision, by, *values, name, one.label, reason, verdict.image_id)


def near_miss(rules: Rules, one: Candidate) -> tuple[str, float, float]:
    """The measure by which a candidate failed, its score and its review threshold.

    Where the check is required, it is the measure that is farther below its threshold, else the nearer one.
    """
    similarity = ("similarity", one.similarity, rules.similarity.review)
    if rules.check.use == "off":
        return similarity
    check = ("check", one.check or 0.0, rules.check.review)
    farther = min if rules.check.use == "required" else max
    return farther(check, similarity, key=lambda each: each[1] - each[2])


def choose(form: str | None, *, everything: bool, files: int) -> Show:
    """How to print.

    Args:
        form: "json", "csv", or None: a table on a terminal, tab-separated lines elsewhere.
        everything: the table lists allowed files even if there are many files.
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
    """The verdicts, with a progress bar on stderr if that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        yield from bar.track(verdicts, total=files, description="judging")


def summary(counts: Mapping[str, int], seconds: float) -> str:
    """One sentence for the end."""
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
    """The cells of a line as text without control characters."""
    texts = ["" if cell is None else f"{cell:.4f}" if isinstance(cell, float) else cell for cell in astuple(shown)]
    return [_printable(text) for text in texts]


def _printable(text: str) -> str:
    """Control characters become escapes: file names are untrusted, and terminals execute control sequences."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _for_spreadsheets(text: str) -> str:
    """As `_printable`, with an apostrophe before text that spreadsheets run as a formula, as OWASP recommends."""
    return f"'{_printable(text)}" if text.startswith(_FORMULAS) else _printable(text)
