"""Runs of the real loop, intake and publisher on the model of Kafka."""

import random
import threading
from contextlib import nullcontext, suppress

from fake_kafka import FakeBroker, FakeConsumer, FakeProducer, FakeTopic, NoProgressError
from made_verdicts import verdict

from consumer import loop
from consumer.intake import Intake, Limits
from consumer.metrics import Metrics
from consumer.offsets import Offsets
from consumer.progress import Progress
from consumer.publish import Names, Outlet
from consumer.raised import Raised
from consumer.transaction import Publisher
from matcher.judge import Judged
from matcher.verdict import Position
from patience import Patience
from reference_sets.in_force import Snapshot

NOTHING_KNOWN = Snapshot(sets=(), sizes=(), skipped={})
ALLOWED = verdict(decision="allow", decided_by=None, matches=(), sets=())


def allow_images(images):
    """A judge that knows nothing: one verdict for each image."""
    verdicts = tuple(
        ALLOWED.model_copy(
            update={
                "event_id": image.event_id,
                "image_id": image.image_id,
                "position": Position(**image.position._asdict()),
                **({"decision": "unscannable", "reason": image.problem.reason} if image.problem else {}),
            }
        )
        for image in images
    )
    return Judged(verdicts, {}, NOTHING_KNOWN, 0, {})


def allow(batch):
    """The same for a batch."""
    return allow_images([event.image for event in batch.events])


class EndedError(Exception):
    """The process ends, without any time to do something."""


def run_once(seed, *, trouble=0.03, killing=()):
    """Run one process after the other on a fake Kafka until all is committed; returns its broker.

    Args:
        trouble: see `FakeBroker`.
        killing: (partition, offset) of events that end the process that judges them.
    """
    broker = FakeBroker(random.Random(seed), trouble=trouble)
    for broker.ended in range(100):
        with suppress(EndedError):
            run_process(broker, f"process-{broker.ended}", seed, killing)
            return broker
    raise NoProgressError


def run_process(broker, name, seed, killing):
    """Run the real loop, intake and publisher."""
    stopping = threading.Event()
    patience = Patience(60.0, stopping)
    publisher = Publisher(
        lambda: FakeProducer(broker),
        transaction_timeout_s=20.0,
        limit=lambda _seconds, _what: nullcontext(),
        patience=patience,
        give_up_s=60.0,
        stopping=stopping,
        on_wait=lambda _why: None,
    )
    consumer, topic = FakeConsumer(broker, stopping, name), FakeTopic()
    intake = Intake(
        consumer,
        topic=topic,
        offsets=Offsets(consumer, topic, "earliest", None),
        members=list,
        limits=Limits(images=16, size=10_000, wait_s=0.0, max_attributes_bytes=1000),
        patience=patience,
        stopping=stopping,
        give_up_s=60.0,
    )
    metrics = Metrics()
    outlet = Outlet(
        publisher,
        metrics=metrics,
        names=Names("g", "i", "verdicts", "metrics"),
        raised=Raised("g", "i", "", metrics),
        progress=Progress(),
        heartbeat_s=0.01,
    )

    def judge(batch):
        assert broker.gate().wait(30)
        for event in batch.events:
            place = (event.partition.partition, event.offset)
            if event.image.problem is not None:
                broker.given_up.append((place, event.image.problem.reason))
            elif place in killing:
                raise EndedError
        return allow(batch)

    publisher.renew()
    now_and_then = random.Random(seed)
    loop.run(intake, judge, outlet, depth=3, stopping=stopping, idle=lambda: now_and_then.random() < 0.75)
