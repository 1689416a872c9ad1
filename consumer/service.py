"""The wiring of the service: start in order, stop in reverse."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError, KafkaError, UnsupportedVersionError

from consumer import loop, topics
from consumer.batch import Batch
from consumer.clients import (
    NO_FAST_CHECKSUMS,
    Connection,
    GroupSettings,
    build_consumer,
    build_producer,
    has_fast_checksums,
    images_topic,
)
from consumer.http_server import serve
from consumer.intake import Intake, Limits
from consumer.lifecycle import CannotStart, Watchdog, slot
from consumer.metrics import Metrics
from consumer.offsets import Offsets
from consumer.publish import Names, Outlet
from consumer.transaction import Publisher
from matcher.judge import Judge, Judged
from patience import Away, Patience
from reference_sets.in_force import SetsUnfit

log = logging.getLogger("vigilens.service")

_SPARE_S = 60.0
_SETS_S = 1.0  # between two tries while the sets cannot be judged by


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of the service; times in seconds. config/default.toml explains each."""

    connection: Connection
    group: GroupSettings
    limits: Limits
    instance: str
    images_topic: str
    verdicts_topic: str
    metrics_topic: str
    transaction_timeout_s: float
    depth: int
    fetch_timeout_s: float
    decode_timeout_s: float
    give_up_s: float
    http_host: str
    http_port: int


def run(plan: Plan, start: Callable[[Patience], Judge], metrics: Metrics, stopping: threading.Event) -> None:
    """Serve until `stopping` is set.

    Args:
        plan: the settings of the service.
        start: makes the judge; called once the HTTP port is open, so that probes get an answer while we start.
        metrics: what the HTTP port shows.
        stopping: set by any thread, e.g. after a signal.

    Raises:
        Away: a dependency stayed away for longer than `give_up_s`, or `stopping` was set while we waited for it.
        CannotStart: a topic does not exist, the port is taken.
        CannotPublish: Kafka refuses our records.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        address = stack.enter_context(serve(metrics, plan.http_host, plan.http_port))
        instance = stack.enter_context(slot(plan.group.name, plan.instance))
        log.info("starting", extra={"fields": {"instance": instance, "http": address}})
        if not has_fast_checksums():
            log.warning(NO_FAST_CHECKSUMS)
        judge = start(Patience(plan.give_up_s, stopping, lambda why: metrics.set_waiting("milvus", why)))
        stack.callback(judge.close)
        patience = Patience(plan.give_up_s, stopping, lambda why: metrics.set_waiting("kafka", why))
        publisher = Publisher(
            lambda: build_producer(plan.connection, f"{plan.group.name}-{instance}", plan.transaction_timeout_s),
            transaction_timeout_s=plan.transaction_timeout_s,
            limit=Watchdog().limit,
            patience=patience,
            give_up_s=plan.give_up_s,
            stopping=stopping,
            on_wait=partial(metrics.set_waiting, "transactions"),
        )
        stack.callback(publisher.discard)
        patience.call(lambda: _require_topics(plan), _is_away, "kafka")
        publisher.renew()  # before we join the group: settles what a killed process of our name left open
        # Opened last, closed first: others get our partitions at once.
        intake = stack.enter_context(_intake(plan, metrics, patience, stopping))
        names = Names(plan.group.name, instance, plan.verdicts_topic, plan.metrics_topic)
        outlet = Outlet(publisher, metrics, names)
        metrics.set_waiting("start", None)
        stack.callback(stopping.set)  # however the loop ends, workers that wait for Milvus stop too
        seconds = round(time.monotonic() - started, 1)
        log.info("ready", extra={"fields": {"topic": plan.images_topic, "group": plan.group.name, "seconds": seconds}})
        work = partial(_judge, judge, plan, metrics, stopping)
        loop.run(intake, work, outlet, depth=plan.depth, stopping=stopping, idle=judge.idle)
    log.info("stopped", extra={"fields": {"instance": instance}})


def _intake(plan: Plan, metrics: Metrics, patience: Patience, stopping: threading.Event) -> Intake:
    def build() -> KafkaConsumer:
        limits = plan.limits
        return build_consumer(plan.connection, plan.images_topic, plan.group, images=limits.images, size=limits.size)

    def high_water(at: TopicPartition) -> int:
        with topics.admin(plan.connection) as client:
            return topics.end(client, at)

    def members() -> set[str]:
        with topics.admin(plan.connection) as client:
            return topics.members(client, plan.group.name)

    consumer = patience.call(build, _is_away, "kafka")
    topic = images_topic(consumer, plan.images_topic)
    return Intake(
        consumer,
        topic=topic,
        offsets=Offsets(consumer, topic, plan.group.start, high_water),
        members=members,
        limits=plan.limits,
        patience=patience,
        stopping=stopping,
        give_up_s=plan.give_up_s,
        on_wait=metrics.set_waiting,
    )


def _require_topics(plan: Plan) -> None:
    with topics.admin(plan.connection) as client:
        missing = topics.missing(client, (plan.images_topic, plan.verdicts_topic, plan.metrics_topic))
    if missing:
        raise CannotStart(
            f"there is no topic {' and no topic '.join(missing)}; `vigilens check --create-topics` makes them"
        )


def _is_away(error: Exception) -> bool:
    final = AuthorizationError | UnsupportedVersionError
    return isinstance(error, KafkaError | topics.NoAnswer) and not isinstance(error, final)


def _judge(judge: Judge, plan: Plan, metrics: Metrics, stopping: threading.Event, batch: Batch) -> Judged:
    """Judge a batch. While the sets cannot be judged by, wait: nothing is allowed because we could not look.

    The process ends if judging takes longer than all its time limits together, for example when a network disk hangs.
    The wait for the sets has no limit: an operator must repair them.
    """
    # Older batches are served first, and one worker may have to do all the work.
    images = len(batch.events) + (plan.depth - 1) * plan.limits.images
    bound_s = images * (plan.fetch_timeout_s + plan.decode_timeout_s) + plan.give_up_s + _SPARE_S
    while True:
        try:
            with Watchdog().limit(bound_s, "judging a batch"):
                judged = judge.judge([event.image for event in batch.events])
        except SetsUnfit as error:
            metrics.set_waiting("sets", str(error))
            if stopping.wait(_SETS_S):
                raise Away(f"the process is stopping: {error}") from error
        else:
            metrics.set_waiting("sets", None)
            return judged
