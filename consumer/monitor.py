"""Measures what waits, on a timer and with a client of its own, whatever the loop does.

The loop cannot measure it: while it waits for Milvus it publishes nothing, and its consumer belongs to its thread. Lag
is the records after the consumer's position and those that were polled and have no verdict yet. The difference between
end and committed offset would count the markers of transactions too.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from kafka.errors import KafkaError

from consumer.group import GroupState
from consumer.kafka_errors import sentence
from consumer.metrics import Lag, Metrics
from consumer.progress import Progress, Reading
from consumer.topics import NoAnswer

log = logging.getLogger("vigilens.monitor")

EVERY_S = 2.0  # one look costs 3 ms of processor time with 3 partitions
_SAY_AFTER = 2  # failures in a row: a group that is new has no coordinator for a moment
_STOP_S = 10.0  # a request takes no longer


class Group(Protocol):
    """Where the group stands; see consumer/group.py."""

    def state(self) -> GroupState: ...  # noqa: D102 (documented there)
    def close(self) -> None: ...  # noqa: D102 (documented there)


class Monitor:
    """Tells the metrics about lag and group.

    Args:
        group: asks the brokers; belongs to the monitor's thread.
        progress: of the loop.
        metrics: get the numbers.
        servers: the brokers' addresses, for messages.
    """

    def __init__(self, group: Group, progress: Progress, metrics: Metrics, servers: str) -> None:
        self._group = group
        self._progress = progress
        self._metrics = metrics
        self._servers = servers
        self._stands: dict[int, tuple[int, float]] = {}  # partition → committed offset, and since when it is that
        self._lag: dict[int, int] = {}
        self._failures = 0  # in a row

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look every EVERY_S seconds while the body runs."""
        stopping = threading.Event()
        thread = threading.Thread(target=self._run, args=(stopping,), name="monitor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(_STOP_S)

    def _run(self, stopping: threading.Event) -> None:
        while True:
            self.look()
            if stopping.wait(EVERY_S):
                self._group.close()
                return

    def look(self) -> None:
        """Measure once. Whatever goes wrong is logged once: the service can do without."""
        reading = self._progress.reading
        try:
            state = self._group.state()
        except Exception as error:  # noqa: BLE001 (a number that is missing must not end the service)
            self._failed(error)
        else:
            self._failures = 0
            self._lag = lags(reading, state)
            self._note_standing(state)
            self._metrics.measured(state, time.time())
        now = time.monotonic()
        self._metrics.waits(
            {
                partition: Lag(events, now - self._stands[partition][1] if events else 0.0)
                for partition, events in self._lag.items()
            },
            owned=len(reading.owned),
            committed_at=self._progress.committed_at,
        )

    def _failed(self, error: Exception) -> None:
        known = isinstance(error, KafkaError | NoAnswer)
        why = sentence(error, self._servers) if known else repr(error)
        self._failures += 1
        if self._failures == _SAY_AFTER:
            log.warning("lag is not known", extra={"fields": {"why": why}}, exc_info=None if known else error)
        try:
            self._group.close()
        except Exception as second:  # noqa: BLE001 (as above; a client that has failed may fail again)
            log.debug("closing a client that failed: %r", second)

    def _note_standing(self, state: GroupState) -> None:
        """Since when does each committed offset stand? A partition in which nothing waits begins anew.

        One of another process too: what lies after its offset may be markers and aborted records, which only its reader
        can tell from events. Else a quiet partition that changes its owner would seem to have waited for hours.
        """
        now, before = time.monotonic(), self._stands
        self._stands = {}
        for partition, offset in state.committed.items():
            was, since = before.get(partition, (offset, now))
            stands = was == offset and self._lag.get(partition, 0) > 0
            self._stands[partition] = (offset, since if stands else now)


def lags(reading: Reading, state: GroupState) -> dict[int, int]:
    """Partition → events that wait, for those that are ours and those that nobody has.

    What we own but do not read yet, and what nobody reads, is counted from the committed offset: markers count too.
    """
    nobodys = state.ends.keys() - state.owned if state.members is not None else frozenset()
    found = {}
    for partition in sorted((reading.owned | nobodys) & state.ends.keys()):
        end, position = state.ends[partition], reading.positions.get(partition)
        if partition in reading.owned and position is not None:
            found[partition] = max(0, end - position) + reading.taken.get(partition, 0)
        else:
            found[partition] = max(0, end - state.committed[partition])
    return found
