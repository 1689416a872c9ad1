"""What is to be seen meanwhile: a live table on a terminal, one plain line for each verdict elsewhere."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.summary import DECISIONS, Seen, came_to, decisions, nearest_set, shown_score

ROWS = 14
STYLES = {"block": "bold white on red", "review": "black on yellow", "allow": "green", "unscannable": "magenta"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        width: characters in the live table, so that it stands still while rows come and go.
        wide: characters in a plain line, where nothing is cut off.
        least: characters that the terminal must have for this column to be shown.
    """

    name: str
    width: int
    wide: int
    least: int = 0


_COLUMNS = (
    Column("event", 10, 11),
    Column("what was done", 16, 37),
    Column("sent as", 22, 23, least=127),
    Column("decision", 13, 12),
    Column("score", 5, 6),
    Column("nearest", 17, 19, least=80),
    Column("set", 17, 18, least=104),
    Column("came to", 13, 14),
    Column("ms", 5, 5, least=86),
)


class View:
    """Shows what happens. On a terminal the last ROWS verdicts and the counts are redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: list[Seen] = []
        self._last: deque[tuple[str, ...]] = deque(maxlen=ROWS)
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """A step of the tour. The text is ours; the caller escapes what others wrote."""
        self._console.print(text, highlight=False, soft_wrap=True)

    @contextmanager
    def table(self) -> Iterator[None]:
        """The table is shown while the body runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self._drawn(), console=self._console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def show(self, seen: Seen) -> None:
        """A verdict has come."""
        self._seen.append(seen)
        row = _row(seen)
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
        return Group(table, Text(), _counts(self._seen))


def _row(seen: Seen) -> tuple[str, ...]:
    verdict = seen.verdict
    known, match = nearest_set(verdict) or (None, None)
    near = known.nearest if known else None
    score = shown_score(known, match) if known else None
    return (
        seen.incoming.key.decode(),
        seen.incoming.edit,
        seen.incoming.wire or "",
        verdict.decision,
        f"{score:.3f}" if score is not None else "",
        near.label if near else (verdict.reason.value if verdict.reason else ""),
        f"{known.set} v{known.version}" if known and near else "",
        came_to(seen).value,
        f"{1000 * seen.latency_s:.0f}",
    )


def _counts(all_seen: list[Seen]) -> Text:
    text = Text(f"{len(all_seen)} verdicts  ")
    for name, amount in decisions(all_seen).items():
        text.append(f" {name} {amount} ", STYLES[name])
        text.append("  ")
    return text


def totals(all_seen: list[Seen]) -> str:
    """Verdicts by decision, on one line."""
    counts = decisions(all_seen)
    return ", ".join(f"{counts[name]} {name}" for name in DECISIONS)
