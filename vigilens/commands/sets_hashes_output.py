"""Prints what became of a hash list, and the references of a set."""

import json
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from reference_sets.model import DISABLED, ReferenceFacts
from vigilens.commands.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reference_sets.hash_lists.entry import Left
    from reference_sets.hash_lists.importer import Imported
    from reference_sets.hash_lists.survey import Survey
    from reference_sets.model import ReferenceSet
    from reference_sets.rows import Stored

HEADINGS = ("id", "label", "state", "ceiling", "source", "source_id", "tags", "version")
ON_A_TERMINAL = 100  # rows
BY_BREAKER = " (breaker)"  # behind a ceiling that the breaker set
SHOWN_TEXT = 60  # characters of a line that cannot be used

Listed = tuple[str, "Stored"]


def print_left(left: "Left") -> None:
    """Print to stderr what in a list cannot be used: how many by reason, and the first few."""
    if not left.counts:
        return
    click.echo(f"cannot be used: {left.counts.total()}", err=True)
    for why, number in left.counts.most_common():
        click.echo(f"  {number} {why}", err=True)
    for one in left.first:
        text = one.text if len(one.text) <= SHOWN_TEXT else f"{one.text[:SHOWN_TEXT]}…"
        click.echo(f"  {one.where}: {one.why}: {printable(text)}", err=True)


def print_imported(described: "ReferenceSet", found: "Survey", done: "Imported", total: int) -> None:
    """Print one line with what became of the list."""
    counts = {
        "added": done.added,
        "changed": done.changed,
        "known already": done.same,
        "withdrawn": done.withdrawn,
        "replaced": done.replaced,
        "pruned": done.pruned,
        "cannot be used": found.left.counts.total(),
    }
    always = {"added", "known already"}
    texts = [f"{number} {what}" for what, number in counts.items() if number or what in always]
    others = int(found.valid.sum()) - total
    entries = "1 entry" if found.items == 1 else f"{found.items} entries"
    click.echo(f"{described.name}: {', '.join(texts)} of {entries} of {printable(found.source)}")
    if others:
        click.echo(
            f"not taken because the set holds {_held(described)}: {others} of another kind; read the list into another "
            "set too, with --take",
            err=True,
        )


def _held(described: "ReferenceSet") -> str:
    from reference_sets.hash_lists.sets import PDQ, kinds_in  # noqa: PLC0415 (--help should not wait for it)

    return "PDQ hashes" if kinds_in(described) == PDQ else "digests of files"


def print_references(some: "Iterable[Listed]", state: str | None, limit: int | None, *, as_json: bool) -> None:
    """Print references as they are read: a table on a terminal, tab-separated lines elsewhere, or a JSON list.

    Args:
        some: ids and what is stored.
        state: "active" or "disabled": only these.
        limit: the most; None: as many as are read at once on a terminal, else all.
        as_json: print JSON.
    """
    now, terminal = time.time(), sys.stdout.isatty() and not as_json
    chosen = (one for one in some if state in (None, "active" if one[1].facts.in_use(now) else DISABLED))
    most = limit or (ON_A_TERMINAL if terminal else None)
    if as_json:
        _print_json(islice(chosen, most), now)
    elif not terminal:
        for one in islice(chosen, most):
            click.echo("\t".join(printable(cell) for cell in _cells(one, now)))
    else:
        _table(list(islice(chosen, most)), now)
        if limit is None and next(chosen, None):
            click.echo(f"only the first {most} are shown: --limit shows more", err=True)


def _print_json(some: "Iterator[Listed]", now: float) -> None:
    click.echo("[", nl=False)
    for number, (id_, stored) in enumerate(some):
        facts = stored.facts
        shown: dict[str, Any] = {"id": id_, "label": stored.label, "state": _state(facts, now), **facts._asdict()}
        shown |= {"state": _state(facts, now).split()[0], "digest": stored.digest, "version": stored.version}
        shown |= {"ceiling": facts.ceiling.removesuffix(BY_BREAKER), "breaker": facts.ceiling.endswith(BY_BREAKER)}
        click.echo(f"{',' if number else ''}\n  {json.dumps(shown, ensure_ascii=False)}", nl=False)
    click.echo("\n]")


def _cells(one: Listed, now: float) -> tuple[str, ...]:
    id_, (label, _, version, facts) = one
    words = " ".join(facts.tags)
    return (id_, label, _state(facts, now), facts.ceiling, facts.source, facts.source_id, words, str(version))


def _state(facts: ReferenceFacts, now: float) -> str:
    if facts.in_use(now):
        return "active"
    if not facts.disabled_until:
        return "disabled"
    return f"disabled until {datetime.fromtimestamp(facts.disabled_until, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _table(some: list[Listed], now: float) -> None:
    from rich.console import Console  # noqa: PLC0415 (0.2 s)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for one in some:
        table.add_row(*(Text(printable(cell)) for cell in _cells(one, now)))
    Console().print(table)
