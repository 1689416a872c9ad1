"""Prints what the demo does: a live table on a terminal, otherwise one plain line for each verdict."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.summary import DECISIONS, Result, deciding_score, decisions, nearest_set, outcome_of
from matcher.explain import nearest

ROWS = 14
STYLES = {"block": "bold white on red", "review": "black on yellow", "allow": "green", "unscannable": "magenta"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        width: characters in the live table; fixed, so that the columns do not move when rows change.
        wide: characters in a plain line; longer text is not cut off.
        least: width of the terminal, in characters, from which this column is shown.
    """

    name: str
    width: int
    wide: int
    least: int = 0


_COLUMNS = (
    Column("event", 10, 11),
    Column("what was done", 16, 37),
    Column("sent as", 22, 23, least=129),
    Column("decision", 13, 12),
    Column("score", 5, 6),
    Column("nearest", 17, 19, least=80),
    Column("set", 19, 20, least=106),
    Column("outcome", 13, 14),
    Column("ms", 5, 5, least=86),
)


class Screen:
    """Prints what happens. On a terminal, the last ROWS verdicts and the counts are redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._results: list[Result] = []
        self._last: deque[tuple[str, ...]] = deque(maxlen=ROWS)
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Prints a step of the demo. `text` is markup for rich: the caller escapes foreign text."""
        self._console.print(text, highlight=False, soft_wrap=True)

    @contextmanager
    def table(self) -> Iterator[None]:
        """Shows the table while the body runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self._drawn(), console=self._console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def show(self, result: Result) -> None:
        """Shows a verdict that has arrived."""
        self._results.append(result)
        row = _row(result)
        self._last.append(row)
        if self._live:
            self._live.update(self._drawn())
        elif not self._console.is_terminal:
            line = " ".join(f"{cell:<{column.wide}}" for cell, column in zip(row, _COLUMNS, strict=True))
            self._console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)

    def _drawn(self) -> RenderableType:
        columns = [(place, one) for place, one in enumerate(_COLUMNS) if self._console.width >= one.least]
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
        for _, column in columns:
            right = column.name in {"score", "ms"}
            table.add_column(column.name, justify="right" if right else "left", width=column.width, no_wrap=True)
        for row in self._last:
            decision = Text.assemble((f" {row[3]} ", STYLES[row[3]]))
            table.add_row(*(decision if column.name == "decision" else Text(row[place]) for place, column in columns))
        return Group(table, Text(), _counts(self._results))


def _row(result: Result) -> tuple[str, ...]:
    verdict = result.verdict
    known, match = nearest_set(verdict) or (None, None)
    near = nearest(known, match) if known else None
    score = deciding_score(known, match) if known else None
    return (
        result.incoming.key.decode(),
        result.incoming.edit,
        result.incoming.wire or "",
        verdict.decision,
        f"{score:.3f}" if score is not None else "",
        near.label if near else (verdict.reason.value if verdict.reason else ""),
        f"{known.set} v{known.version}" if known and near else "",
        outcome_of(result).value,
        f"{1000 * result.latency_s:.0f}",
    )


def _counts(results: list[Result]) -> Text:
    text = Text(f"{len(results)} verdicts  ")
    for name, amount in decisions(results).items():
        text.append(f" {name} {amount} ", STYLES[name])
        text.append("  ")
    return text


def totals(results: list[Result]) -> str:
    """Returns the number of verdicts by decision, as one line."""
    counts = decisions(results)
    return ", ".join(f"{counts[name]} {name}" for name in DECISIONS)
