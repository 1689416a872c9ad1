"""Verdicts, metrics and offsets in one transaction: all of them, or none.

Each step works around a bug of the client that broke exactly-once when the step was left out; docs/delivery.md has the
bugs, with counts. The slow work is done before: here we wait for Kafka only.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import AuthorizationError, KafkaError, MessageSizeTooLargeError, UnsupportedVersionError

from consumer.batch import Fenced
from consumer.records import Record
from patience import Patience

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
    """

    def __init__(
        self,
        build: Callable[[], Any],
        *,
        transaction_timeout_s: float,
        limit: Callable[[float, str], AbstractContextManager[None]],
        patience: Patience,
        give_up_s: float,
    ) -> None:
        self._build = build
        self._timeout_s = transaction_timeout_s
        self._limit = limit
        self._patience = patience
        self._give_up_s = give_up_s
        self._failing_since: float | None = None
        self._failed_at = 0.0
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
            raise Fenced(f"kafka does not say how many partitions {topic} has: {error!r}") from error

    def publish(
        self, records: Iterable[Record], offsets: Mapping[TopicPartition, OffsetAndMetadata], membership: Any
    ) -> None:
        """Publish `records` and commit `offsets` as one transaction.

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
                    f"all transactions failed for {self._give_up_s:.0f} s; the last with {error!r}"
                ) from error
            raise Fenced(f"the transaction failed: {error!r}") from error
        self._failing_since = None

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
        self, records: Iterable[Record], offsets: Mapping[TopicPartition, OffsetAndMetadata], membership: Any
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
        self._producer.send_offsets_to_transaction(dict(offsets), membership)
        self._producer.commit_transaction()


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
