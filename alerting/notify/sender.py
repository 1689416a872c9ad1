"""Reads the alerts topic, sends each alert to a webhook, and commits when it has arrived: at least once.

While a receiver does not answer, alerts wait in their order. One that it refuses is passed over after a few tries, and
one that it has not taken for `give_up_s` too: it would keep all later ones waiting.
"""

import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import MemberState

from alerting.notify.alert import Received, received
from alerting.notify.bodies import TEMPLATES
from alerting.notify.webhook import Webhook
from consumer import kafka_patches
from consumer.clients import Connection, heartbeat_ms

log = logging.getLogger("vigilens.notify")

POLL_MS = 500
TIMEOUT_MS = 10_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
REFUSALS = 3  # tries, a few seconds apart: a receiver that is being updated may refuse what it takes later
REMEMBERED = 10_000  # ids: several processes may write the same alert


class _Moved(Exception):  # noqa: N818 (names the situation)
    """The partitions changed, or the process stops: what was not committed is sent by whoever reads it again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent. `kinds` empty: all; `least`: rank of the least severe."""

    connection: Connection
    topic: str
    group: str
    template: str = "plain"
    kinds: Collection[str] = ()
    least: int = 0
    give_up_s: float = 86_400.0
    session_timeout_s: float = 10.0
    pauses: Callable[[int], float] = lambda failures: min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_S)


@dataclass(slots=True)
class Sent:
    """How many alerts were delivered, left out because nobody asked for them, and passed over."""

    delivered: int = 0
    left_out: int = 0
    passed_over: int = 0


@dataclass(slots=True)
class Sender:
    """Sends alerts until `stopping` is set.

    Args:
        plan: what is sent.
        webhook: where to.
        stopping: set by any thread.
    """

    plan: Plan
    webhook: Webhook
    stopping: threading.Event
    sent: Sent = field(default_factory=Sent)
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def run(self, *, once: bool = False) -> Sent:
        """Send alerts; with `once` until there are no more. While Kafka is away, wait.

        Raises:
            KafkaError: we may not read; or no broker answers, at the start or with `once`.
        """
        moved = False
        with closing(_consumer(self.plan)) as consumer:
            while not self.stopping.is_set():
                try:
                    if moved:
                        _rewind(consumer)
                        moved = False
                    polled = consumer.poll(timeout_ms=POLL_MS, max_records=100)
                    for at, records in polled.items():
                        self._send_all(consumer, at, records)
                    if once and not polled and _caught_up(consumer):
                        break
                except _Moved:
                    moved = True
                except KafkaError as error:
                    if once or not error.retriable:
                        raise
                    log.warning("waiting for Kafka", extra={"fields": {"why": repr(error)}})
                    moved = True
                    self.stopping.wait(FIRST_PAUSE_S)
        return self.sent

    def _send_all(self, consumer: Any, at: TopicPartition, records: Sequence[Any]) -> None:
        for record in records:
            place = f"{at.topic}/{at.partition}/{record.offset}"
            self._send(consumer, received(record.value, record.headers, place), place)
            try:
                consumer.commit({at: OffsetAndMetadata(record.offset + 1, "", -1)}, timeout_ms=TIMEOUT_MS)
            except KafkaError as error:
                log.warning("an alert may be sent twice", extra={"fields": {"place": place, "why": repr(error)}})
                raise _Moved from error

    def _send(self, consumer: Any, alert: Received | None, place: str) -> None:
        if alert is None:
            self.sent.passed_over += 1
            log.error("a record is no alert", extra={"fields": {"place": place}})
            return
        wanted = alert.rank >= self.plan.least and (not self.plan.kinds or alert.kind in self.plan.kinds)
        if not wanted or alert.id in self._known:
            self.sent.left_out += 1
            return
        if self._deliver(consumer, alert):
            self.sent.delivered += 1
            self._known[alert.id] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self.sent.passed_over += 1

    def _deliver(self, consumer: Any, alert: Received) -> bool:
        """Try until it arrives; False if it is passed over."""
        body, headers = TEMPLATES[self.plan.template](alert)
        failures, refusals, until = 0, 0, time.monotonic() + self.plan.give_up_s
        while True:
            outcome = self.webhook.post(alert.id, body, headers)
            fields = {"id": alert.id, "kind": alert.kind, "why": outcome.why}
            if outcome.result == "delivered":
                log.info("delivered", extra={"fields": fields})
                return True
            failures += 1
            refusals += outcome.result == "refused"
            if refusals >= REFUSALS or time.monotonic() > until:
                log.error("an alert is passed over", extra={"fields": fields})
                return False
            log.warning("an alert was not taken", extra={"fields": fields | {"tries": failures}})
            pause = self.plan.pauses(failures) * random.uniform(0.5, 1.0)  # noqa: S311 (not a secret)
            self._wait(consumer, max(pause, outcome.after_s))

    def _wait(self, consumer: Any, seconds: float) -> None:
        """Wait, and stay in the group meanwhile."""
        until = time.monotonic() + seconds
        ours = consumer.assignment()
        consumer.pause(*ours)
        try:
            while (left := until - time.monotonic()) > 0:
                polled = consumer.poll(timeout_ms=min(POLL_MS, int(left * 1000) + 1), max_records=1)
                if self.stopping.is_set() or polled or consumer.assignment() != ours:
                    raise _Moved
        finally:
            consumer.resume(*(ours & consumer.assignment()))


def _caught_up(consumer: Any) -> bool:
    if consumer.group_metadata().state != MemberState.STABLE:
        return False
    ours = sorted(consumer.assignment())
    ends = consumer.end_offsets(ours, timeout_ms=TIMEOUT_MS) if ours else {}
    return all(consumer.position(at, timeout_ms=TIMEOUT_MS) >= ends[at] for at in ours)


def _rewind(consumer: Any) -> None:
    """Go back to what is committed: of what was polled, something may be lost."""
    for at in consumer.assignment():
        committed = consumer.committed(at, timeout_ms=TIMEOUT_MS)
        if committed is None:
            consumer.seek_to_beginning(at)
        else:
            consumer.seek(at, committed)


def _consumer(plan: Plan) -> Any:
    kafka_patches.apply()
    return KafkaConsumer(
        plan.topic,
        **plan.connection.options(),
        group_id=plan.group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        session_timeout_ms=int(plan.session_timeout_s * 1000),
        heartbeat_interval_ms=heartbeat_ms(plan.session_timeout_s),
        allow_auto_create_topics=False,
    )
