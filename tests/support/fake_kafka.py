"""A model of Kafka for the loop: one group, generations, transactions, and random trouble, from a seed, at every call.

The worker under test is one member. The other is simulated: at each rebalance it gets some partitions, judges some of
their events and commits them. The model refuses and accepts calls according to KIP-447 and the bugs that
docs/delivery.md lists.
"""

import random
import threading
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import IllegalGenerationError, InvalidProducerEpochError, KafkaTimeoutError
from kafka.structs import MemberState

TOPIC = "images"
POLLS = 4_000  # a correct run needs a few hundred


class NoProgressError(Exception):
    """The worker keeps polling, and nothing is committed."""


@dataclass
class FakeBroker:
    """The topic, the group and the published verdicts."""

    rng: random.Random
    partitions: int = 3
    events: int = 60
    trouble: float = 0.03  # probability of a rebalance, a lost record or a failing commit at each call
    generation: int = 0
    committed: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)  # the metadata of each committed offset
    published: list = field(default_factory=list)  # (partition, offset) of committed verdicts
    ours: set = field(default_factory=set)
    epoch: int = 0
    rebalances: int = 0
    ended: int = 0  # processes that judged an event that ends them
    given_up: list = field(default_factory=list)  # (partition, offset) and reason
    gates: deque = field(default_factory=deque)  # of batches that are being judged: a poll opens some of them

    def __post_init__(self):
        self.all = [TopicPartition(TOPIC, number) for number in range(self.partitions)]
        self.ours = set(self.all)

    def gate(self):
        """A judge waits here until a later poll opens it, so that batches are under way across polls."""
        gate = threading.Event()
        self.gates.append(gate)
        return gate

    def open_gates(self):
        for _ in range(self.rng.randrange(0, 3)):
            if self.gates:
                self.gates.popleft().set()

    def maybe_rebalance(self):
        if self.rng.random() < self.trouble:
            self.rebalance()

    def rebalance(self):
        self.rebalances += 1
        self.generation += 1
        self.ours = {at for at in self.all if self.rng.random() < 0.7}
        for at in set(self.all) - self.ours:
            self._other_member_judges(at, self.rng.randrange(0, 12))

    def _other_member_judges(self, at, count):
        start = self.committed.get(at, 0)
        end = min(start + count, self.events)
        self.published += [(at.partition, offset) for offset in range(start, end)]
        self.committed[at] = end
        self.notes[at] = ""

    def done(self):
        return all(self.committed.get(at, 0) == self.events for at in self.all)

    def faults(self):
        """What is wrong with the published verdicts: lost, twice, out of order."""
        expected = {(at.partition, offset) for at in self.all for offset in range(self.events)}
        order = [[offset for partition, offset in self.published if partition == at.partition] for at in self.all]
        return {
            "lost": len(expected - set(self.published)),
            "twice": len(self.published) - len(set(self.published)),
            "out_of_order": sum(offsets != sorted(offsets) for offsets in order),
        }


class FakeConsumer:
    """The part of kafka-python's consumer that the intake uses."""

    state = MemberState.STABLE

    def __init__(self, broker, stopping, name="us"):
        self.broker, self.stopping, self.polls, self.name = broker, stopping, 0, name
        self.generation, self.member, self.positions, self.paused = -1, "", {}, set()

    def poll(self, timeout_ms, max_records):  # noqa: ARG002 (kafka-python's signature)
        self.polls += 1
        if self.polls > POLLS:
            raise NoProgressError
        self.broker.open_gates()
        if self.broker.done():
            self.stopping.set()
        self.broker.maybe_rebalance()
        if self.generation != self.broker.generation:
            self.generation, self.member = self.broker.generation, self.name
            self.positions = {at: self.broker.committed.get(at, 0) for at in self.broker.ours}
        polled = {}
        for at in sorted(self.positions):
            room = max_records - sum(map(len, polled.values()))
            end = min(self.positions[at] + self.broker.rng.randrange(0, 9), self.broker.events)
            if at in self.paused or room <= 0 or end == self.positions[at]:
                continue
            polled[at] = [record(at, offset) for offset in range(self.positions[at], end)][:room]
            self.positions[at] += len(polled[at])
        return polled

    def group_metadata(self):
        return SimpleNamespace(generation_id=self.generation, member_id=self.member, state=self.state)

    def assignment(self):
        return set(self.positions)

    def pause(self, *partitions):
        self.paused |= set(partitions)

    def resume(self, *partitions):
        self.paused -= set(partitions)

    def committed(self, at, *, metadata, timeout_ms):  # noqa: ARG002
        if self.broker.rng.random() < self.broker.trouble:
            raise KafkaTimeoutError
        return OffsetAndMetadata(self.broker.committed.get(at, 0), self.broker.notes.get(at, ""), -1)

    def seek(self, at, offset):
        self.positions[at] = offset

    def position(self, at, timeout_ms):  # noqa: ARG002
        return self.positions[at]

    def beginning_offsets(self, partitions, timeout_ms):  # noqa: ARG002
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions, timeout_ms):  # noqa: ARG002
        return dict.fromkeys(partitions, self.broker.events)

    def highwater(self, at):  # noqa: ARG002
        return self.broker.events


class FakeTopic:
    """The images topic, which is there, and stays the same."""

    name, id, missing = TOPIC, "first", False

    def ask(self):
        """Nothing changes."""

    def refresh(self, timeout_s):
        """Nothing changes."""


class FakeFuture:
    """The future of a sent record."""

    def __init__(self, lost):
        self.lost = lost

    def get(self, timeout):  # noqa: ARG002
        if self.lost:
            raise KafkaTimeoutError


class FakeProducer:
    """The part of kafka-python's producer that the publisher uses. Like it, it commits even if records are lost."""

    def __init__(self, broker):
        self.broker, self.records, self.offsets = broker, [], {}
        self.epoch = None

    def init_transactions(self):
        self.broker.epoch += 1
        self.epoch = self.broker.epoch

    def partitions_for(self, topic):  # noqa: ARG002
        return set(range(self.broker.partitions))

    def begin_transaction(self):
        self.records, self.offsets = [], {}

    def send(self, topic, value, key, headers, partition):  # noqa: ARG002
        lost = self.broker.rng.random() < self.broker.trouble / 10
        if topic == "verdicts" and not lost:
            name = dict(headers)["ce_id"].decode().split("/")
            self.records.append((int(name[1]), int(name[2])))
        return FakeFuture(lost)

    def flush(self, timeout):
        """Everything is sent at once."""

    def send_offsets_to_transaction(self, offsets, membership):
        self.broker.maybe_rebalance()
        if membership.generation_id != self.broker.generation:
            raise IllegalGenerationError
        self.offsets = dict(offsets)

    def commit_transaction(self):
        luck = self.broker.rng.random()
        if luck < self.broker.trouble / 2 or self.epoch != self.broker.epoch:
            raise InvalidProducerEpochError
        self.broker.published += self.records
        self.broker.committed |= {at: each.offset for at, each in self.offsets.items()}
        self.broker.notes |= {at: each.metadata for at, each in self.offsets.items()}
        if luck < self.broker.trouble:
            raise KafkaTimeoutError  # it succeeded, but the client does not know

    def close(self, timeout):
        """Nothing to do."""


def record(at, offset):
    """An event of the fake topic: a few bytes that are never decoded."""
    return SimpleNamespace(
        topic=at.topic,
        partition=at.partition,
        offset=offset,
        key=b"k",
        value=b"picture",
        headers=[],
        timestamp=0,
    )
