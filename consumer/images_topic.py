"""The images topic as the brokers last described it: whether it is there, and whether it is still the same one."""

import base64
import threading
from typing import Any

from kafka.errors import KafkaTimeoutError


class ImagesTopic:
    """The images topic in the consumer's metadata, which the client keeps up to date in the background.

    Args:
        manager: kafka-python's KafkaConnectionManager of the consumer.
        name: of the topic.
    """

    def __init__(self, manager: Any, name: str) -> None:
        self.name = name
        self._manager = manager
        self._cluster = manager.cluster
        self._described = False

    @property
    def id(self) -> str:
        """As Kafka's own tools print it: another one after the topic was deleted and made again.

        Empty if the topic is missing, or the brokers do not say it (before Kafka 2.8).
        """
        known = self._cluster.topic_id(self.name)
        return "" if known is None else base64.urlsafe_b64encode(known.bytes).decode().rstrip("=")

    @property
    def missing(self) -> bool:
        """Did the brokers say, when they were last asked, that there is no such topic?"""
        return self._described and self._cluster.partitions_for_topic(self.name) is None

    def ask(self) -> Any:
        """Ask the brokers in the background, which takes milliseconds; returns a future of kafka-python."""
        # Not `request_update`: that waits until 0.1 s after the last answer.
        return self._manager.call_soon(self._cluster.refresh_metadata)

    def refresh(self, timeout_s: float) -> None:
        """Ask the brokers, and wait for their answer.

        Raises:
            KafkaError: no answer within `timeout_s`.
        """
        answered, asked = threading.Event(), self.ask()
        asked.add_both(lambda _: answered.set())
        if not answered.wait(timeout_s):
            raise KafkaTimeoutError(f"no broker describes the topic {self.name}")
        if asked.exception is not None:
            raise asked.exception
        self._described = True
