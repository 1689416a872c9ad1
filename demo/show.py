"""Events out, verdicts in, each shown as it comes."""

import queue
import time
from collections.abc import Iterable

from demo.kafka_io import Arrived, Sender
from demo.pictures import DemoError
from demo.stream import Incoming
from demo.summary import Seen
from demo.terminal import View
from harness.service import Service

QUIET_TIMEOUT_S = 60.0  # without any verdict while some are due


class Show:
    """What was sent and what came back.

    Args:
        sender: sends events.
        arrivals: verdicts as they can be read.
        view: where they are shown.
        service: is asked whether it still runs, while we wait.

    Attributes:
        seen: events with their verdicts, as they came.
        first_at: time.monotonic at which the first verdict could be read.
    """

    def __init__(
        self, sender: Sender, arrivals: "queue.SimpleQueue[Arrived | Exception]", view: View, service: Service
    ) -> None:
        self.seen: list[Seen] = []
        self.first_at = 0.0
        self._sender = sender
        self._arrivals = arrivals
        self._view = view
        self._service = service
        self._due: dict[bytes, tuple[Incoming, bool]] = {}
        self._versions: dict[tuple[str, int], float] = {}

    def send(self, events: Iterable[Incoming], per_second: float, *, known: bool = True) -> None:
        """Sends events at a pace and shows verdicts meanwhile.

        Args:
            events: in this order.
            per_second: how many; making the pictures may take longer.
            known: whether a picture to be found is in its set now.
        """
        for incoming in events:
            next_at = time.monotonic() + 1 / per_second
            self._due[incoming.key] = (incoming, known)
            self._sender.send(incoming)
            self.watch(next_at)

    def watch(self, until: float) -> None:
        """Shows verdicts until then (time.monotonic)."""
        while (left := until - time.monotonic()) > 0:
            self._receive(left)

    def settle(self) -> None:
        """Waits until each event has its verdict.

        Raises:
            DemoError: the service ended, or says nothing any more.
        """
        quiet_since = time.monotonic()
        while self._due:
            if self._receive(0.5):
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_TIMEOUT_S:
                raise DemoError(
                    f"{len(self._due)} events have no verdict after {QUIET_TIMEOUT_S:.0f} s without one; "
                    f"{self._service.end_of_log()}"
                )

    def version_seen_at(self, name: str, version: int) -> float:
        """time.monotonic at which the first verdict could be read that names this version of a set; 0: none has."""
        return self._versions.get((name, version), 0.0)

    def _receive(self, timeout_s: float) -> bool:
        """Takes one verdict, if one comes in time."""
        try:
            arrived = self._arrivals.get(timeout=timeout_s)
        except queue.Empty:
            self._service.check()
            return False
        if isinstance(arrived, Exception):
            raise DemoError(f"the verdicts cannot be read: {arrived}") from arrived
        self.first_at = self.first_at or arrived.at
        for known in arrived.verdict.sets:
            self._versions.setdefault((known.set, known.version), arrived.at)
        if arrived.key not in self._due:  # a second verdict; the count at the end will tell
            return True
        incoming, is_known = self._due.pop(arrived.key)
        seen = Seen(incoming, arrived.verdict, arrived.at - self._sender.sent[arrived.key], is_known)
        self.seen.append(seen)
        self._view.show(seen)
        return True
