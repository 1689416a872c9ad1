"""No event has come for a while: is the topic quiet, are the brokers away, or has the client stalled?"""

import time
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaError

from patience import Away

QUIET_S = 5.0  # when no record has come for so long, check that the brokers answer
_TIMEOUT_MS = 5_000  # limit for one request about offsets


class Silence:
    """Notices when events do not come although there are some. The client does not report it.

    Args:
        consumer: a member of the group.
        give_up_s: seconds for which events may not come.
        on_wait: see `Intake`.
        explain: see `Intake`.
    """

    def __init__(
        self,
        consumer: Any,
        give_up_s: float,
        on_wait: Callable[[str, str | None], None],
        explain: Callable[[Exception], str],
    ) -> None:
        self._consumer = consumer
        self._give_up_s = give_up_s
        self._on_wait = on_wait
        self._explain = explain
        self._heard_at = time.monotonic()  # the last record, or the last check of the brokers
        self._unread_since: float | None = None

    def heard(self) -> None:
        """Records have come."""
        self._heard_at, self._unread_since = time.monotonic(), None
        self._on_wait("kafka", None)

    def forget(self) -> None:
        """Reading begins elsewhere: events may take their time."""
        self._unread_since = None

    def check(self, *, polled: int, full: bool) -> None:
        """Ask the brokers, if it is time to.

        Args:
            polled: events that wait for the next batch.
            full: while a full batch waits, nothing is fetched.

        Raises:
            Away: there are events, and none of them came for longer than we may wait.
        """
        if time.monotonic() - self._heard_at <= QUIET_S:
            return
        self._heard_at = time.monotonic()
        try:
            ends = self._consumer.end_offsets(sorted(self._consumer.assignment()), timeout_ms=_TIMEOUT_MS)
            positions = {at: self._consumer.position(at, timeout_ms=_TIMEOUT_MS) for at in ends}
        except KafkaError as error:
            self._unread_since = None
            self._on_wait("kafka", f"kafka: {self._explain(error)}")
            return
        behind = [at for at, position in positions.items() if position is not None and position < ends[at]]
        unread = [] if full else behind
        if not unread or self._unread_since is None:
            self._unread_since = self._heard_at if unread else None  # the events may be on their way
            self._on_wait("kafka", None)
            if not behind and not polled:
                self._on_wait("transactions", None)  # what could not be published is read again, or others have it
            return
        # The client has stalled before without an error (consumer/kafka_patches.py). Only a new process helps.
        names = ", ".join(str(at.partition) for at in unread)
        self._on_wait("kafka", f"kafka: no events come from partition {names}, although there are some")
        if (waited := self._heard_at - self._unread_since) > self._give_up_s:
            raise Away(f"no events came from partition {names} for {waited:.0f} s, although there are some")
