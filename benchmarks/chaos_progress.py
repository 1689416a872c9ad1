"""The group's progress, polled from outside during the faults."""

import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

POLL_S = 1.0  # between two polls
RPC_S = 5.0


class Progress:
    """Polls the group's committed offsets, in its own thread.

    It is a consumer that never subscribes, so it never joins the group. (The admin client's call for committed offsets
    crashes while the coordinator moves.)

    Attributes:
        committed: offset per input partition at the last poll that had an answer; 0 where the group has none.
        trouble: why the last poll had no answer; empty if it had one.
    """

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        options = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0}
        # read_committed: there is no answer while a transaction with these offsets is open.
        self._consumer = Consumer({**options, "isolation.level": "read_committed"})
        numbers = self._consumer.list_topics(topic, 4 * RPC_S).topics[topic].partitions
        self._places = [TopicPartition(topic, number) for number in numbers]
        self._stop = threading.Event()
        self.committed = dict.fromkeys(numbers, 0)
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    @property
    def total(self) -> int:
        """Events that the group has committed."""
        return sum(self.committed.values())

    def wait_for_more(self, timeout_s: float) -> None:
        """Wait until the group has committed more than now, or for `timeout_s`."""
        before, deadline = self.total, time.monotonic() + timeout_s
        while self.total == before and time.monotonic() < deadline and not self._stop.wait(POLL_S / 4):
            pass

    def close(self) -> None:
        """Stop polling."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                places = self._consumer.committed(self._places, timeout=RPC_S)
            except KafkaException as error:
                self.trouble = str(error)
            else:
                self.committed = {each.partition: max(0, each.offset) for each in places}
                self.trouble = ""
