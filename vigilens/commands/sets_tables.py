"""Prints sets as tables for people, as lines for pipes, and as JSON for programs."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from reference_sets.model import CHECK_VERSION, ReferenceSet, Verify
from vigilens.commands.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference_sets.add import Gathered
    from reference_sets.catalogue import UnreadableSet

SHOWN_REFUSALS = 20
# The columns of the list. OPTIONAL are left out, in this order, if the terminal is too narrow.
HEADINGS = (
    "set",
    "kind",
    "category",
    "group",
    "severity",
    "review",
    "block",
    "alone",
    "check",
    "mirrored",
    "references",
    "version",
    "encoder",
)
NUMBERS = {"severity", "review", "block", "references", "version"}
OPTIONAL = ("encoder", "mirrored", "category", "alone", "severity", "version", "group", "check")
GAP = 2  # characters between two columns


def facts(known: ReferenceSet, count: int) -> dict[str, Any]:
    """Return what `--json` prints: the set's description without the probe vector, and the number of references."""
    described: dict[str, Any] = {**asdict(known), "group": known.group_name}
    del described["probe"]
    thresholds: dict[str, float] = described.pop("thresholds")
    check: dict[str, float] = described.pop("check")
    checks = {f"check_{level}": value for level, value in check.items()}
    unknown = dict(described.pop("unknown"))
    scales = {"check_version": CHECK_VERSION, "recorded_check": described.pop("recorded_check")}
    return {**unknown, **described, **thresholds, **checks, **scales, "references": count}


def print_list(
    sets: "Sequence[tuple[ReferenceSet, int]]", unreadable: "Sequence[UnreadableSet]", *, as_json: bool
) -> None:
    """Print one row per set: a table on a terminal, tab-separated lines elsewhere. Unreadable sets go to stderr too."""
    if as_json:
        broken = [{"name": one.name, "error": one.why} for one in unreadable]
        listed = [facts(known, count) for known, count in sets]
        click.echo(json.dumps([*listed, *broken], indent=2, ensure_ascii=False))
        return
    if not sets and not unreadable:
        click.echo("there is no set yet; create one with `vigilens sets create NAME`", err=True)
        return
    rows = [_row(known, count) for known, count in sets]
    rows += [{"set": one.name, "kind": "unreadable"} for one in unreadable]
    if sys.stdout.isatty():
        _table(rows)
    else:
        for row in rows:
            click.echo("\t".join(printable(row.get(heading, "")) for heading in HEADINGS))
    for one in unreadable:
        click.echo(printable(one.why), err=True)


def _row(known: ReferenceSet, count: int) -> dict[str, str]:
    cells = (
        known.name,
        known.kind.value,
        known.category,
        known.group_name,
        str(known.severity),
        f"{known.thresholds.review:.4f}",
        f"{known.thresholds.block:.4f}",
        known.alone,
        _check(known),
        known.mirrored.value,
        str(count),
        str(known.version),
        known.encoder,
    )
    return dict(zip(HEADINGS, cells, strict=True))


def _check(known: ReferenceSet) -> str:
    """Return what the geometric check decides, and its thresholds."""
    if known.verify is Verify.OFF:
        return known.verify.value
    return f"{known.verify.value} {known.check.review:.2f} {known.check.block:.2f}"


def _table(rows: "Sequence[dict[str, str]]") -> None:
    """Print as many columns as fit, none of them wrapped; `sets show` and `--json` print all."""
    from rich.console import Console  # noqa: PLC0415 (late, as below: only a terminal gets a table)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    widths = {each: max(len(each), *(len(row.get(each, "")) for row in rows)) + GAP for each in HEADINGS}
    for heading in OPTIONAL:
        if sum(widths.values()) - GAP > console.width:
            del widths[heading]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for heading in widths:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(printable(row.get(heading, ""))) for heading in widths))
    console.print(table)


def print_one(known: ReferenceSet, count: int, *, as_json: bool) -> None:
    """Print one set, one fact per line."""
    if as_json:
        click.echo(json.dumps(facts(known, count), indent=2, ensure_ascii=False))
        return
    shown = facts(known, count)
    del shown["recorded_check"]
    if before := known.recorded_check:
        old = f"carried over from {before.review:g} / {before.block:g} of scale {before.version}"
        shown["check thresholds"] = f"{known.check.review:.4g} / {known.check.block:.4g} ({old})"
    width = max(map(len, shown))
    for key, value in shown.items():
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        click.echo(f"{click.style(key.ljust(width), bold=True)}  {printable(text)}")


def _print_some(lines: "Sequence[str]", what: str) -> None:
    """Print lines to stderr below a sentence, the first ones if they are many."""
    if not lines:
        return
    click.echo(f"{what} ({len(lines)}):", err=True)
    for line in lines[:SHOWN_REFUSALS]:
        click.echo(f"  {printable(line)}", err=True)
    if len(lines) > SHOWN_REFUSALS:
        click.echo(f"  … and {len(lines) - SHOWN_REFUSALS} more", err=True)


def print_gathered(known: ReferenceSet, gathered: "Gathered", *, interrupted: bool = False) -> None:
    """Print what became of the files. The refused ones go to stderr, each with its reason."""
    for one in gathered.refused[:SHOWN_REFUSALS]:
        click.echo(f"{printable(str(one.path))}: {one.why.reason.value}: {printable(one.why.detail)}", err=True)
    if len(gathered.refused) > SHOWN_REFUSALS:
        click.echo(f"… and {len(gathered.refused) - SHOWN_REFUSALS} more", err=True)
    click.echo(
        f"{known.name}: {gathered.added} added, {gathered.known} known already, {len(gathered.refused)} refused "
        f"of {gathered.files} files"
    )
    _print_some(
        [str(path) for path in gathered.weak],
        "too little detail for the geometric check: only exactly the same file is found, no edited copy",
    )
    _print_some([f"{one.path}: {one.why.detail}" for one in gathered.partly], "added, but only a part of it")
    if interrupted:
        there = gathered.added + gathered.known
        click.echo(f"interrupted: {there} of the files are in the set; run the same command to continue", err=True)
