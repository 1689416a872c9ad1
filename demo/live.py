"""What is to be seen meanwhile: a live table on a terminal, one plain line for each verdict elsewhere."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from demo.summary import DECISIONS, Seen, came_to, decisions, nearest_set

ROWS = 14
STYLES = {"block": "bold white on red", "review": "black on yellow", "allow": "green", "unscannable": "magenta"}
_COLUMNS = ("event", "what was done to it", "sent as", "decision", "score", "nearest", "set", "came to", "ms")


class View:
    """Shows what happens. On a terminal the last ROWS verdicts and the counts are redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: list[Seen] = []
        self._last: deque[tuple[str, ...]] = deque(maxlen=ROWS)
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """A step of the tour. The text is ours; what strangers wrote is escaped by who calls."""
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
            widths = (11, 37, 23, 12, 6, 19, 22, 14, 5)
            line = " ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            self._console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)

    def _drawn(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in _COLUMNS:
            right = name in {"score", "ms"}
            table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
        for row in self._last:
            table.add_row(*row[:3], Text(row[3], STYLES[row[3]]), *map(escape, row[4:]))
        return Group(table, Text(), _counts(self._seen))


def _row(seen: Seen) -> tuple[str, ...]:
    verdict = seen.verdict
    known, _ = nearest_set(verdict) or (None, None)
    near = known.nearest if known else None
    return (
        seen.incoming.key.decode(),
        seen.incoming.edit,
        seen.incoming.wire or "",
        verdict.decision,
        f"{near.score:.3f}" if near else "",
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
