"""The wiring of the service: start in order, stop in reverse."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from kafka import KafkaConsumer
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
)
from consumer.http_server import serve
from consumer.intake import Intake, Limits
from consumer.lifecycle import CannotStart, Watchdog, slot
from consumer.metrics import Metrics
from consumer.publish import Names, Outlet
from consumer.transaction import Publisher
from matcher.judge import Judge, Judged
from patience import Away, Patience
from reference_sets.in_force import SetsUnfit

log = logging.getLogger("vigilens.service")

_PICTURE_S = 10.0  # the worst picture of the default limits decodes in 6 s on one core
_SPARE_S = 60.0
_SETS_S = 1.0  # between two looks whether the sets can be judged by again


@dataclass(frozen=True, slots=True)
class Plan:
    """What the service is to do; times in seconds, see config/default.toml for each."""

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
    give_up_s: float
    http_host: str
    http_port: int


def run(plan: Plan, start: Callable[[Patience], Judge], metrics: Metrics, stopping: threading.Event) -> None:
    """Serve until `stopping` is set.

    Args:
        plan: what to do.
        start: makes the judge; called once the port is open, so that watchers see us start.
        metrics: what the port shows.
        stopping: set from anywhere, e.g. by a signal.

    Raises:
        Away: a dependency stayed away for longer than `give_up_s`, or we were asked to stop meanwhile.
        CannotStart: a topic does not exist, the port is taken.
        CannotPublish: Kafka refuses our records.
    """
    started = time.monotonic()
    with ExitStack() as house:
        address = house.enter_context(serve(metrics, plan.http_host, plan.http_port))
        instance = house.enter_context(slot(plan.group.name, plan.instance))
        log.info("starting", extra={"fields": {"instance": instance, "http": address}})
        if not has_fast_checksums():
            log.warning(NO_FAST_CHECKSUMS)
        judge = start(Patience(plan.give_up_s, stopping, lambda why: metrics.wait("milvus", why)))
        house.callback(judge.close)
        patience = Patience(plan.give_up_s, stopping, lambda why: metrics.wait("kafka", why))
        publisher = Publisher(
            lambda: build_producer(plan.connection, f"{plan.group.name}-{instance}", plan.transaction_timeout_s),
            transaction_timeout_s=plan.transaction_timeout_s,
            limit=Watchdog().limit,
            patience=patience,
            give_up_s=plan.give_up_s,
        )
        house.callback(publisher.discard)
        patience.call(lambda: _look_for_topics(plan), _is_away, "kafka")
        publisher.renew()  # before we join: what a killed process of our name left open is settled now
        intake = _intake(plan, metrics, patience, stopping)
        house.callback(intake.close)  # the last to come is the first to go: others have our partitions at once
        names = Names(plan.group.name, instance, plan.verdicts_topic, plan.metrics_topic)
        outlet = Outlet(publisher, metrics, names)
        metrics.wait("start", None)
        house.callback(stopping.set)  # however the loop ends, judges that wait for Milvus end too
        seconds = round(time.monotonic() - started, 1)
        log.info("ready", extra={"fields": {"topic": plan.images_topic, "group": plan.group.name, "seconds": seconds}})
        work = partial(_judge, judge, plan, metrics, stopping)
        loop.run(intake, work, outlet, depth=plan.depth, stopping=stopping, idle=judge.idle)
    log.info("stopped", extra={"fields": {"instance": instance}})


def _intake(plan: Plan, metrics: Metrics, patience: Patience, stopping: threading.Event) -> Intake:
    def build() -> KafkaConsumer:
        limits = plan.limits
        return build_consumer(plan.connection, plan.images_topic, plan.group, images=limits.images, size=limits.size)

    consumer = patience.call(build, _is_away, "kafka")
    return Intake(
        consumer,
        start=plan.group.start,
        limits=plan.limits,
        patience=patience,
        stopping=stopping,
        give_up_s=plan.give_up_s,
        on_wait=lambda why: metrics.wait("kafka", why),
    )


def _look_for_topics(plan: Plan) -> None:
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

    The process ends if judging outlasts every time limit on its way, as on a network disk that hangs. Waiting for the
    sets has no limit: someone must put them right.
    """
    # Older batches are served first, and one worker may have to do it all.
    images = len(batch.events) + (plan.depth - 1) * plan.limits.images
    bound_s = images * (plan.fetch_timeout_s + _PICTURE_S) + plan.give_up_s + _SPARE_S
    while True:
        try:
            with Watchdog().limit(bound_s, "judging a batch"):
                judged = judge.judge([event.image for event in batch.events])
        except SetsUnfit as error:
            metrics.wait("sets", str(error))
            if stopping.wait(_SETS_S):
                raise Away(f"the process is stopping: {error}") from error
        else:
            metrics.wait("sets", None)
            return judged
