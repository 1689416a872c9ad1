"""Verdicts, metrics and offsets in one transaction: all of them, or none.

Each step works around a bug of the client that broke exactly-once when the step was left out; docs/delivery.md has the
bugs, with counts. The slow work is done before: here we wait for Kafka only.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import (
    AuthorizationError,
    InvalidProducerEpochError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    UnsupportedVersionError,
)

from consumer.batch import Fenced
from consumer.records import Record
from patience import FIRST_PAUSE_S, LONGEST_PAUSE_S, Patience

log = logging.getLogger("vigilens.publish")


class CannotPublish(Exception):  # noqa: N818 (named after the reaction: the process ends, the work is redone)
    """Kafka refuses our records for good, or has refused them for longer than we may wait."""


class Publisher:
    """Publishes batches in transactions, and builds a new producer after any error: a used one is never trusted again.

    Args:
        build: makes a producer that is not yet initialised.
        transaction_timeout_s: seconds after which the broker aborts a transaction.
        limit: `limit(seconds, what)` ends the process when its body takes longer.
        patience: for building a producer while brokers are away.
        give_up_s: seconds for which all transactions may fail before we give up.
        stopping: ends the pause after a failure.
        on_wait: called with the reason when transactions fail one after the other, and with None when one succeeds.
    """

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        build: Callable[[], Any],
        *,
        transaction_timeout_s: float,
        limit: Callable[[float, str], AbstractContextManager[None]],
        patience: Patience,
        give_up_s: float,
        stopping: threading.Event,
        on_wait: Callable[[str | None], None],
    ) -> None:
        self._build = build
        self._timeout_s = transaction_timeout_s
        self._limit = limit
        self._patience = patience
        self._give_up_s = give_up_s
        self._stopping = stopping
        self._on_wait = on_wait
        self._failing_since: float | None = None
        self._failed_at = 0.0
        self._failures = 0  # in a row
        self._producer: Any = None

    def renew(self) -> None:
        """Make sure that there is a healthy producer. A new one settles the transaction that the last one left open.

        Raises:
            Away: no broker for longer than we may wait.
            CannotPublish: we are not permitted.
        """
        if self._producer is None:
            try:
                self._producer = self._patience.call(self._start, _is_transient, "kafka")
            except (AuthorizationError, UnsupportedVersionError) as error:
                raise CannotPublish(f"Kafka refuses the transactional producer: {error!r}") from error

    def partitions(self, topic: str) -> int:
        """Number of partitions of `topic`.

        Raises:
            Fenced: no broker answers.
        """
        self.renew()
        try:
            return len(self._producer.partitions_for(topic))
        except KafkaError as error:
            self.discard()
            self._pause(error)
            raise Fenced(f"kafka does not say how many partitions {topic} has: {error!r}") from error

    def publish(
        self, records: Collection[Record], offsets: Mapping[TopicPartition, OffsetAndMetadata], membership: Any
    ) -> None:
        """Publish `records` and commit `offsets` as one transaction; without offsets it is not bound to the group.

        Raises:
            Fenced: it failed, or we cannot know; the committed offsets show which. Drop, and rewind.
            CannotPublish: it will never succeed.
        """
        self.renew()
        try:
            # A commit can block for ever. Then the process ends, and the next one settles the outcome.
            with self._limit(2 * self._timeout_s, "publishing a transaction"):
                self._transaction(records, offsets, membership)
        except KafkaError as error:
            self.discard()
            if isinstance(error, AuthorizationError | MessageSizeTooLargeError):
                raise CannotPublish(f"Kafka refuses our records: {error!r}. `vigilens check` says why") from error
            if self._fails_too_long():
                raise CannotPublish(
                    f"all transactions failed for {self._give_up_s:.0f} s; the last because {explain(error)}"
                ) from error
            self._pause(error)
            raise Fenced(f"the transaction failed: {error!r}") from error
        if records:  # without records a transaction may succeed although all others fail
            self._failing_since, self._failures = None, 0
            self._on_wait(None)

    def attempt(self, records: Collection[Record]) -> str:
        """Publish records on which no verdict depends, in a transaction of their own. One try: nobody waits for it.

        Returns:
            Why it failed; empty: it did not.
        """
        try:
            if self._producer is None:
                self._producer = self._start()
            with self._limit(2 * self._timeout_s, "publishing a heartbeat"):
                self._transaction(records, {}, None)
        except KafkaError as error:
            self.discard()
            return explain(error)
        return ""

    def _pause(self, error: KafkaError) -> None:
        """After a failure that follows another: say why, and wait, longer each time. A single one is not unusual."""
        self._failures += 1
        if self._failures == 1:
            return
        why = explain(error)
        log.error("transactions fail", extra={"fields": {"in_a_row": self._failures, "why": why}})
        self._on_wait(f"kafka: {self._failures} transactions in a row failed: {why}")
        # Jitter: two processes that fence each other should not do so at the same moments.
        pause = min(FIRST_PAUSE_S * 2.0 ** min(self._failures - 2, 16), LONGEST_PAUSE_S)
        self._stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 (not a secret)
        self._failed_at = time.monotonic()  # a pause is not a quiet time

    def _fails_too_long(self) -> bool:
        """Have all transactions failed for `give_up_s`? Quiet times between two failures do not count."""
        now = time.monotonic()
        if self._failing_since is None or now - self._failed_at > self._give_up_s / 2:
            self._failing_since = now
        self._failed_at = now
        return now - self._failing_since > self._give_up_s

    def discard(self) -> None:
        """Close the producer, if there is one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._close(producer)

    def _close(self, producer: Any) -> None:
        try:
            producer.close(timeout=self._timeout_s)  # longer than a delivery, so that deliveries end
        except KafkaError as error:
            log.debug("closing a failed producer: %r", error)

    def _start(self) -> Any:
        producer = self._build()
        try:
            with self._limit(4 * self._timeout_s, "starting a producer"):
                producer.init_transactions()
        except KafkaError:
            self._close(producer)
            raise
        return producer

    def _transaction(
        self, records: Collection[Record], offsets: Mapping[TopicPartition, OffsetAndMetadata], membership: Any
    ) -> None:
        self._producer.begin_transaction()
        futures = [
            self._producer.send(
                each.topic, value=each.value, key=each.key, headers=each.headers, partition=each.partition
            )
            for each in records
        ]
        self._producer.flush(timeout=self._timeout_s)
        check(futures)
        if offsets:
            self._producer.send_offsets_to_transaction(dict(offsets), membership)
        self._producer.commit_transaction()


def explain(error: KafkaError) -> str:
    """Why a transaction failed, and what to do if it fails again and again."""
    # The client wraps the first error into a second one when it refuses to send more.
    for each in (error, *error.args):
        if isinstance(each, InvalidTimestampError):
            now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
            return f"Kafka refuses the time of our records; correct this host's clock, which says {now} ({each!r})"
        if isinstance(each, ProducerFencedError | InvalidProducerEpochError):
            return f"another process publishes under our name; give each process its own kafka.instance ({each!r})"
    return repr(error)


def check(futures: Sequence[Any]) -> None:
    """Check that every record was acknowledged. Without it a commit succeeds although a record was lost.

    Raises:
        KafkaError: of the first record that was not acknowledged.
    """
    for future in futures:
        future.get(timeout=0)


def _is_transient(error: Exception) -> bool:
    """May another try succeed?"""
    return isinstance(error, KafkaError) and not isinstance(error, AuthorizationError | UnsupportedVersionError)
