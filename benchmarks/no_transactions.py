"""`vigilens run` without transactions, to measure their cost: `python -m benchmarks.no_transactions run`.

Records are sent and acknowledged, then the consumer commits the offsets: at-least-once instead of exactly-once. The
service has no switch for this; this module replaces its parts.
"""

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition

from consumer import clients, service
from consumer.clients import Connection
from consumer.records import Record
from consumer.transaction import Publisher, check
from vigilens.cli import main

_consumers: list[Any] = []


class _Plain(Publisher):
    """Publishes without a transaction."""

    def publish(
        self,
        records: Collection[Record],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        membership: Any,  # noqa: ARG002 (only a transaction needs it)
    ) -> None:
        """Send, wait, commit."""
        self.renew()
        futures = [
            self._producer.send(
                each.topic, value=each.value, key=each.key, headers=each.headers, partition=each.partition
            )
            for each in records
        ]
        self._producer.flush()
        check(futures)
        _consumers[-1].commit(dict(offsets))


def _consumer(*what: Any, **more: Any) -> Any:
    _consumers.append(clients.build_consumer(*what, **more))
    return _consumers[-1]


def _producer(connection: Connection, _id: str, transaction_timeout_s: float) -> KafkaProducer:
    made = KafkaProducer(
        **connection.options(),
        client_id=f"vigilens-{uuid.uuid4().hex[:8]}",
        delivery_timeout_ms=int(transaction_timeout_s * 500),
        request_timeout_ms=int(transaction_timeout_s * 500) - 100,
        batch_size=262_144,
        allow_auto_create_topics=False,
    )
    made.init_transactions = lambda: None
    return made


if __name__ == "__main__":
    vars(service).update(build_consumer=_consumer, build_producer=_producer, Publisher=_Plain)
    main()
