"""Sets as tables for people and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reference_sets.add import Gathered
from reference_sets.model import ReferenceSet, Verify

SHOWN_REFUSALS = 20


def facts(known: ReferenceSet, count: int) -> dict[str, Any]:
    """What `--json` prints of a set: its description without the probe vector, and the number of references."""
    described: dict[str, Any] = asdict(known)
    del described["probe"]
    thresholds: dict[str, float] = described.pop("thresholds")
    check: dict[str, float] = described.pop("check")
    checks = {f"check_{level}": value for level, value in check.items()}
    return {**described, **thresholds, **checks, "references": count}


def print_list(sets: Sequence[tuple[ReferenceSet, int]], *, as_json: bool) -> None:
    """All sets, one row each."""
    if as_json:
        click.echo(json.dumps([facts(known, count) for known, count in sets], indent=2, ensure_ascii=False))
        return
    if not sets:
        click.echo("there is no set yet; make one with `vigilens sets create NAME`", err=True)
        return
    table = Table("set", "kind", "category", box=None, pad_edge=False, header_style="bold")
    for heading in ("severity", "review", "block"):
        table.add_column(heading, justify="right")
    table.add_column("check")
    table.add_column("mirrored")
    for heading in ("references", "version"):
        table.add_column(heading, justify="right")
    table.add_column("encoder")
    for known, count in sets:
        levels = (f"{known.thresholds.review:.4f}", f"{known.thresholds.block:.4f}")
        row = (known.name, known.kind.value, known.category, str(known.severity), *levels, _check(known))
        rest = (known.mirrored.value, f"{count:,}", str(known.version), known.encoder)
        table.add_row(*map(Text, (*row, *rest)))
    Console().print(table)


def _check(known: ReferenceSet) -> str:
    """What the geometric check decides, and from which scores on."""
    if known.verify is Verify.OFF:
        return known.verify.value
    return f"{known.verify.value} {known.check.review:.2f} {known.check.block:.2f}"


def print_one(known: ReferenceSet, count: int, *, as_json: bool) -> None:
    """One set, one fact per line."""
    if as_json:
        click.echo(json.dumps(facts(known, count), indent=2, ensure_ascii=False))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    for key, value in facts(known, count).items():
        table.add_row(key, Text(str(value)))
    Console().print(table)


def print_gathered(known: ReferenceSet, gathered: Gathered) -> None:
    """What became of the files; the refused ones on stderr, each with its reason."""
    for one in gathered.refused[:SHOWN_REFUSALS]:
        click.echo(f"{one.path}: {one.why.reason.value}: {one.why.detail}", err=True)
    if len(gathered.refused) > SHOWN_REFUSALS:
        click.echo(f"… and {len(gathered.refused) - SHOWN_REFUSALS} more", err=True)
    click.echo(
        f"{known.name}: {gathered.added} added, {gathered.known} known already, {len(gathered.refused)} refused "
        f"of {gathered.files} files"
    )
    if gathered.uncheckable:
        then = "never match" if known.verify is Verify.REQUIRED else "match by similarity alone"
        click.echo(f"{gathered.uncheckable} of the added have too little detail for the geometric check: they {then}")
