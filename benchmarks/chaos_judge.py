"""Judges the events of the chaos once more, in a process that nothing disturbs.

`python -m benchmarks.chaos_judge TOPIC`, with the settings of a worker in its environment, prints a JSON list for each
event: partition, offset, and what its verdict rests on.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from confluent_kafka import Message

from harness.readers import committed, offset_of, partition_of

BATCH = 64


def grounds(verdict: Mapping[str, Any]) -> str:
    """What a verdict says and rests on, without times and positions."""
    matches = [(each["set"], each["version"], each["level"], each["reference"]["id"]) for each in verdict["matches"]]
    return json.dumps([verdict["decision"], verdict["reason"], verdict["decided_by"], sorted(matches)])


def undisturbed(environment: Mapping[str, str], topic: str) -> dict[tuple[int, int], str]:
    """Partition and offset of each event in `topic` → the grounds of its verdict.

    Args:
        environment: of a worker.
        topic: the input topic.

    Raises:
        subprocess.CalledProcessError: it failed; its errors are on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.chaos_judge", topic]
    done = subprocess.run(command, env=dict(environment), stdout=subprocess.PIPE, text=True, check=True)
    lines = map(json.loads, done.stdout.splitlines())
    return {(partition, offset): text for partition, offset, text in lines}


def main() -> None:
    """Judge all events of the topic that the first argument names."""
    from config.load import load  # noqa: PLC0415 (here, because it is slow)
    from consumer.events import read  # noqa: PLC0415
    from vigilens import wiring  # noqa: PLC0415

    settings = load()
    encoders = wiring.encoders(settings)
    with wiring.store(settings) as store:
        judge = wiring.judge(settings, encoders, store, wiring.sets_in_force(settings, store, encoders))
        for records in _batches(committed(settings.kafka.bootstrap_servers, sys.argv[1])):
            events = [read(_as_polled(each), settings.images.max_attributes_bytes) for each in records]
            for event, verdict in zip(events, judge.judge([each.image for each in events]).verdicts, strict=True):
                said = grounds(verdict.model_dump(mode="json"))
                print(json.dumps([event.partition.partition, event.offset, said]))
        judge.close()


def _batches(records: Iterator[Message]) -> Iterator[list[Message]]:
    while batch := list(itertools.islice(records, BATCH)):
        yield batch


def _as_polled(message: Message) -> SimpleNamespace:
    """A record of librdkafka in the form of kafka-python's."""
    return SimpleNamespace(
        topic=message.topic(),
        partition=partition_of(message),
        offset=offset_of(message),
        key=message.key(),
        value=message.value(),
        headers=message.headers() or [],
        timestamp=message.timestamp()[1],
    )


if __name__ == "__main__":
    main()
