"""What `vigilens check` finds."""

from dataclasses import dataclass
from typing import Literal

import click

Outcome = Literal["ok", "warning", "failed"]
MARKS: dict[Outcome, str] = {"ok": "✓", "warning": "!", "failed": "✗"}
COLOURS: dict[Outcome, str] = {"ok": "green", "warning": "yellow", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of trying one part. Unless it is "ok", the sentence names the fix."""

    part: str
    outcome: Outcome
    sentence: str

    def __str__(self) -> str:
        return f"{click.style(MARKS[self.outcome], COLOURS[self.outcome])} {self.part:<9} {self.sentence}"
