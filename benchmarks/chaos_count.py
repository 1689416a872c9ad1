"""Counts the verdicts of the chaos. They are read by librdkafka, which shares no code with the service's client."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from confluent_kafka import IsolationLevel, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # exported, but not for type checkers

from benchmarks.chaos_events import ID_HEADER
from benchmarks.chaos_judge import grounds
from harness.readers import committed, offset_of, partition_of

RPC_S = 20.0

Place = tuple[int, int]  # partition and offset in the input topic


@dataclass(frozen=True, slots=True)
class Published:
    """One committed verdict: its partition, its event, and what it says and rests on."""

    partition: int
    about: Place
    event_id: str
    decision: str
    grounds: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What is wrong; all zeros is exactly-once.

    Attributes:
        lost: events that the group has committed and that have no verdict.
        twice: verdicts beyond the first for one event.
        out_of_order: verdicts that come after the verdict of a later event in the same input partition (so, of the same
            key).
        metrics_difference: verdicts by the sum of the metrics topic, less the verdicts in the verdicts topic.
        unexpected: verdicts for no event of the input, or with the id of another event.
        unfinished: events that the group has not committed and that have no verdict: there was no time, they are not
            lost.
        ahead: events that the group has not committed, but that have a verdict.
        different: verdicts that a judge whom nothing disturbs does not give.
    """

    lost: int
    twice: int
    out_of_order: int
    metrics_difference: int
    unexpected: int
    unfinished: int
    ahead: int
    different: int

    def wrong(self) -> bool:
        """Is a promise broken? Unfinished events prove neither yes nor no."""
        return any(value for name, value in asdict(self).items() if name != "unfinished")


def count(  # noqa: PLR0913, PLR0917 (all that is compared)
    topic: str,
    inputs: Mapping[Place, str],
    committed: Mapping[int, int],
    verdicts: Iterable[Published],
    metrics: Iterable[Mapping[str, int]],
    expected: Mapping[Place, str],
) -> Counts:
    """Compare input and output.

    Args:
        topic: the input topic's name, which is part of the ids of events without an id.
        inputs: place and id of each event.
        committed: the group's offset per input partition.
        verdicts: in the order of each output partition.
        metrics: decision → number, one mapping per record.
        expected: the grounds of the right verdict on each event.
    """
    times: Counter[Place] = Counter()
    newest: dict[int, tuple[int, int]] = {}  # input partition → output partition and offset of its newest verdict
    out_of_order = unexpected = different = 0
    for each in verdicts:
        partition, offset = each.about
        if each.event_id not in {inputs.get(each.about), f"{topic}/{partition}/{offset}"} or each.about not in inputs:
            unexpected += 1
            continue
        times[each.about] += 1
        different += each.grounds != expected.get(each.about)
        home, before = newest.setdefault(partition, (each.partition, -1))
        out_of_order += home != each.partition or (offset < before and times[each.about] == 1)
        newest[partition] = (home, max(before, offset))
    missing = [place for place in inputs if not times[place]]
    lost = sum(offset < committed.get(partition, 0) for partition, offset in missing)
    return Counts(
        lost=lost,
        twice=sum(number - 1 for number in times.values() if number > 1),
        out_of_order=out_of_order,
        metrics_difference=sum(sum(each.values()) for each in metrics) - times.total() - unexpected,
        unexpected=unexpected,
        unfinished=len(missing) - lost,
        ahead=sum(1 for partition, offset in times if offset >= committed.get(partition, 0)),
        different=different,
    )


def read_inputs(bootstrap: str, topic: str) -> dict[Place, str]:
    """Place in the input topic and id of each event."""
    return {(partition_of(record), offset_of(record)): _id(record) for record in committed(bootstrap, topic)}


def read_verdicts(bootstrap: str, topic: str) -> Iterator[Published]:
    """Every committed verdict."""
    for record in committed(bootstrap, topic):
        said = json.loads(record.value() or b"")
        about = (said["position"]["partition"], said["position"]["offset"])
        yield Published(partition_of(record), about, said["event_id"], said["decision"], grounds(said))


def read_metrics(bootstrap: str, topic: str) -> Iterator[dict[str, int]]:
    """The decisions of every committed metrics record."""
    for record in committed(bootstrap, topic):
        said = json.loads(record.value() or b"")
        if said["verdicts"] != sum(said["decisions"].values()):
            raise ValueError(f"a metrics record contradicts itself: {said}")
        yield said["decisions"]


def ends(admin: AdminClient, topic: str, *, stable: bool = False) -> dict[int, int]:
    """The end offset of each partition; with `stable`, that for a read-committed reader."""
    numbers = admin.list_topics(topic, RPC_S).topics[topic].partitions
    level = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # it is not annotated
    asked = dict.fromkeys((TopicPartition(topic, number) for number in numbers), latest)
    answers = admin.list_offsets(asked, isolation_level=level, request_timeout=RPC_S)
    return {at.partition: answer.result(RPC_S).offset for at, answer in answers.items()}


def wait_settled(admin: AdminClient, topic: str, timeout_s: float) -> bool:
    """Wait until no transaction is open in `topic`, so that everything can be read. False: one is still open."""
    deadline = time.monotonic() + timeout_s
    while ends(admin, topic) != ends(admin, topic, stable=True):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _id(record: Message) -> str:
    value = dict(record.headers() or ())[ID_HEADER]
    return value.decode() if isinstance(value, bytes) else str(value)
