"""How far the loop is, as plain numbers: its thread writes them, the monitor and the HTTP port read them."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kafka import TopicPartition


@dataclass(frozen=True, slots=True)
class Reading:
    """What the consumer reads at a moment.

    Attributes:
        owned: partitions of the images topic that are ours.
        positions: partition → offset of the next record that a poll can return. One that is missing is not read yet.
        taken: partition → events that were polled and have no committed verdict yet.
    """

    owned: frozenset[int] = frozenset()
    positions: Mapping[int, int] = field(default_factory=dict)
    taken: Mapping[int, int] = field(default_factory=dict)


class Progress:
    """Written by the loop's thread. Each value is replaced as a whole, so readers need no lock.

    Args:
        bound_s: seconds that the longest step of the loop can take, until something else ends it.

    Attributes:
        reading: see `Reading`.
        committed_at: when a batch was last committed, in seconds since 1970; at first, when this process began.
    """

    def __init__(self, bound_s: float = float("inf")) -> None:
        self.reading = Reading()
        self.committed_at = time.time()
        self._taken: Counter[int] = Counter()
        self._bound_s = bound_s
        self._turned_at: float | None = None  # the loop has not begun

    def took(self, at: TopicPartition, events: int) -> None:
        """So many events of a partition were polled."""
        self._taken[at.partition] += events

    def reads(self, owned: Iterable[TopicPartition], positions: Mapping[TopicPartition, int]) -> None:
        """What is read now, as a whole: lag must count no record twice, and miss none."""
        self.reading = Reading(
            frozenset(at.partition for at in owned),
            {at.partition: offset for at, offset in positions.items()},
            dict(self._taken),
        )

    def committed(self, of: Iterable[TopicPartition]) -> None:
        """The verdicts of events were committed; `of`: the partition of each."""
        self._taken.subtract(at.partition for at in of)
        self.reading = replace(self.reading, taken=dict(self._taken))
        self.committed_at = time.time()

    def rewound(self, owned: Iterable[TopicPartition]) -> None:
        """What was polled is forgotten. It is read again from the committed offsets, which are yet to be found."""
        self._taken.clear()
        self.reads(owned, {})

    def turn(self) -> None:
        """The loop is alive: it goes round, or tries again."""
        self._turned_at = time.monotonic()

    def stuck(self) -> str:
        """Why this process should be ended: the loop has stood still for longer than it may. Else an empty string."""
        if self._turned_at is None or (stood := time.monotonic() - self._turned_at) <= self._bound_s:
            return ""
        return f"the loop has stood still for {stood:.0f} s, and no step of it may take more than {self._bound_s:.0f} s"
