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

from consumer import kafka_errors, loop, predecessors, topics
from consumer.batch import Batch
from consumer.clients import (
    NO_FAST_CHECKSUMS,
    Connection,
    GroupSettings,
    build_consumer,
    build_producer,
    has_fast_checksums,
    images_topic,
    positions,
)
from consumer.group import GroupClient
from consumer.http_server import serve
from consumer.intake import Intake, Limits
from consumer.jumps import Jumps
from consumer.lifecycle import CannotStart, Watchdog, slot
from consumer.metrics import Metrics
from consumer.monitor import Monitor
from consumer.offsets import Offsets
from consumer.otlp.switch import sending
from consumer.progress import Progress
from consumer.publish import Names, Outlet
from consumer.raised import Raised
from consumer.sets_watch import watching
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
    alerts_topic: str
    heartbeat_s: float
    transaction_timeout_s: float
    depth: int
    fetch_timeout_s: float
    decode_timeout_s: float
    give_up_s: float
    http_host: str
    http_port: int
    otlp_endpoint: str = ""


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
    started, progress = time.monotonic(), Progress(_longest_step_s(plan))
    with ExitStack() as stack:
        address = stack.enter_context(serve(metrics, progress, plan.http_host, plan.http_port))
        instance = stack.enter_context(slot(plan.group.name, plan.instance))
        log.info("starting", extra={"fields": {"instance": instance, "http": address}})
        if not has_fast_checksums():
            log.warning(NO_FAST_CHECKSUMS)
        trace = stack.enter_context(sending(plan.otlp_endpoint, metrics, plan.group.name, instance))
        judge = start(Patience(plan.give_up_s, stopping, partial(metrics.set_waiting, "milvus")))
        stack.callback(judge.close)
        parts = _Parts(plan, instance, metrics, progress, stopping)
        publisher = parts.publisher()
        stack.callback(publisher.discard)
        parts.patience.call(lambda: _require_topics(plan), _is_away, "kafka")
        # Before we join the group, what a killed process of our name left: its transaction, then its membership.
        publisher.renew()
        predecessors.remove(partial(topics.admin, plan.connection), plan.group.name, parts.name)
        stack.enter_context(parts.monitor().running())
        raised = Raised(plan.group.name, instance, plan.alerts_topic, metrics)
        # Opened last, closed first: others get our partitions at once.
        intake = stack.enter_context(parts.intake(raised.expired))
        names = Names(plan.group.name, instance, plan.verdicts_topic, plan.metrics_topic)
        outlet = Outlet(
            publisher,
            metrics=metrics,
            names=names,
            raised=raised,
            progress=progress,
            heartbeat_s=plan.heartbeat_s,
            trace=trace,
        )
        metrics.set_waiting("start", None)
        stack.enter_context(watching(judge.sets, metrics, stopping))
        stack.callback(stopping.set)  # however the loop ends, workers that wait for Milvus stop too
        seconds = round(time.monotonic() - started, 1)
        log.info("ready", extra={"fields": {"topic": plan.images_topic, "group": plan.group.name, "seconds": seconds}})
        work = partial(_judge, judge, plan, metrics, stopping)
        loop.run(intake, work, outlet, depth=plan.depth, stopping=stopping, idle=judge.idle)
    log.info("stopped", extra={"fields": {"instance": instance}})


class _Parts:
    """What the service is made of, built from its plan."""

    def __init__(
        self, plan: Plan, instance: str, metrics: Metrics, progress: Progress, stopping: threading.Event
    ) -> None:
        self._plan = plan
        self._metrics = metrics
        self._progress = progress
        self._stopping = stopping
        self.name = f"{plan.group.name}-{instance}"  # of our producer, and of our member of the group
        self._explain = partial(kafka_errors.sentence, servers=plan.connection.bootstrap_servers)
        on_wait = partial(metrics.set_waiting, "kafka")
        self.patience = Patience(plan.give_up_s, stopping, on_wait, on_try=progress.turn, explain=self._explain)

    def publisher(self) -> Publisher:
        plan = self._plan
        return Publisher(
            lambda: build_producer(plan.connection, self.name, plan.transaction_timeout_s),
            transaction_timeout_s=plan.transaction_timeout_s,
            limit=Watchdog().limit,
            patience=self.patience,
            give_up_s=plan.give_up_s,
            stopping=self._stopping,
            on_wait=partial(self._metrics.set_waiting, "transactions"),
        )

    def monitor(self) -> Monitor:
        plan = self._plan
        group = GroupClient(plan.connection, plan.group.name, plan.images_topic, plan.group.start)
        return Monitor(group, self._progress, self._metrics, plan.connection.bootstrap_servers)

    def intake(self, on_expired: Callable[[TopicPartition, int, int], None]) -> Intake:
        plan = self._plan
        consumer = self.patience.call(self._consumer, _is_away, "kafka")
        jumps, topic = Jumps(), images_topic(consumer, plan.images_topic)
        jumps.watch(consumer)
        return Intake(
            consumer,
            topic=topic,
            offsets=Offsets(consumer, topic, plan.group.start, self._high_water, on_expired, turn=self._progress.turn),
            members=self._members,
            limits=plan.limits,
            patience=self.patience,
            stopping=self._stopping,
            give_up_s=plan.give_up_s,
            on_wait=self._metrics.set_waiting,
            progress=self._progress,
            positions=partial(positions, consumer),
            jumps=jumps,
            explain=self._explain,
        )

    def _consumer(self) -> KafkaConsumer:
        plan = self._plan
        images, size = plan.limits.images, plan.limits.size
        return build_consumer(
            plan.connection, plan.images_topic, plan.group, images=images, size=size, client_id=self.name
        )

    def _high_water(self, at: TopicPartition) -> int:
        with topics.admin(self._plan.connection) as client:
            return topics.end(client, at)

    def _members(self) -> set[str]:
        with topics.admin(self._plan.connection) as client:
            return topics.members(client, self._plan.group.name)


def _longest_step_s(plan: Plan) -> float:
    """Seconds that one step of the loop can take: starting a producer takes four time-outs of a transaction at most."""
    return 4 * plan.transaction_timeout_s + plan.limits.wait_s + _SPARE_S


def _require_topics(plan: Plan) -> None:
    with topics.admin(plan.connection) as client:
        names = (plan.images_topic, plan.verdicts_topic, plan.metrics_topic, plan.alerts_topic)
        missing = topics.missing(client, [name for name in names if name])
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
