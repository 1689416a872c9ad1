"""Sends events, receives verdicts, and shows each verdict when it arrives."""

import queue
import time
from collections.abc import Iterable

from demo.kafka_io import Arrived, Sender
from demo.pictures import DemoError
from demo.stream import Incoming
from demo.summary import Result
from demo.terminal import Screen
from harness.service import Service

QUIET_TIMEOUT_S = 60.0  # the longest time without any verdict while events wait for theirs


class Exchange:
    """Sends events and pairs them with their verdicts.

    Args:
        sender: sends events.
        arrivals: verdicts, as soon as they can be read.
        screen: shows them.
        service: the service; while we wait, we check that it is running.

    Attributes:
        results: events with their verdicts, in the order of arrival.
        first_at: when the first verdict could be read (time.monotonic).
    """

    def __init__(
        self, sender: Sender, arrivals: "queue.SimpleQueue[Arrived | Exception]", screen: Screen, service: Service
    ) -> None:
        self.results: list[Result] = []
        self.first_at = 0.0
        self._sender = sender
        self._arrivals = arrivals
        self._screen = screen
        self._service = service
        self._due: dict[bytes, tuple[Incoming, bool]] = {}
        self._versions: dict[tuple[str, int], float] = {}

    def send(self, events: Iterable[Incoming], per_second: float, *, known: bool = True) -> None:
        """Sends events at a fixed rate and shows verdicts meanwhile.

        Args:
            events: sent in this order.
            per_second: the highest rate; it may take longer to make the pictures.
            known: whether the pictures that should be found are already in their set.
        """
        for incoming in events:
            next_at = time.monotonic() + 1 / per_second
            self._due[incoming.key] = (incoming, known)
            self._sender.send(incoming)
            self.receive_until(next_at)

    def receive_until(self, until: float) -> None:
        """Receives and shows verdicts until a time (time.monotonic)."""
        while (left := until - time.monotonic()) > 0:
            self._receive(left)

    def settle(self) -> None:
        """Waits until each event has its verdict.

        Raises:
            DemoError: no verdict came for QUIET_TIMEOUT_S, or the verdicts cannot be read.
            ProgramFailed: the service has ended.
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

    def first_verdict_at(self, name: str, version: int) -> float:
        """Returns when the first verdict that names this version of a set arrived (time.monotonic); 0 if none did."""
        return self._versions.get((name, version), 0.0)

    def _receive(self, timeout_s: float) -> bool:
        """Receives one verdict; returns False if none arrives in time."""
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
        if arrived.key not in self._due:  # a second verdict: the count at the end shows it
            return True
        incoming, is_known = self._due.pop(arrived.key)
        result = Result(incoming, arrived.verdict, arrived.at - self._sender.sent[arrived.key], is_known)
        self.results.append(result)
        self._screen.show(result)
        return True
