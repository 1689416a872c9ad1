"""Notices when the client goes on at another offset than the next one: retention has deleted what it would read.

The client does that by itself, without an error, for example after a batch has waited for Milvus for hours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kafka import TopicPartition


class Jumps:
    """Partitions in which the client's next offset was out of range."""

    def __init__(self) -> None:
        self._left: dict[TopicPartition, int] = {}  # the offset that was not there

    def watch(self, consumer: Any) -> None:
        """Watch a consumer with `auto_offset_reset`."""
        states = consumer._subscription  # noqa: SLF001 (the public way is an error that ends every poll)
        reset = states.request_offset_reset

        def noted(partition: TopicPartition, *strategy: Any) -> None:
            position = states.assignment[partition].position
            reset(partition, *strategy)  # from now on there is no position, until the new one is known
            if position is not None:
                self._left[partition] = int(position.offset)

        states.request_offset_reset = noted

    def forget(self) -> None:
        """Reading begins elsewhere."""
        self._left.clear()

    def ended(
        self, polled: Mapping[TopicPartition, Sequence[Any]], positions: Callable[[], Mapping[TopicPartition, int]]
    ) -> Iterator[tuple[TopicPartition, int, int]]:
        """Jumps whose end is known: partition, offset that was not there, and the next one that is.

        Args:
            polled: records of the newest poll.
            positions: asks for the offsets of the records that come next.
        """
        known = dict(self._left)
        now = positions() if known else {}  # after `known`: the positions are not those before the jump
        for at, left in known.items():
            offsets = [each.offset for each in polled.get(at, ()) if each.offset > left]
            if offsets or at in now:
                del self._left[at]
                yield at, left, offsets[0] if offsets else now[at]
