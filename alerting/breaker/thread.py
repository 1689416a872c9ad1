"""Runs the breaker on a thread beside the service, whose work never depends on it."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer

from alerting.breaker.one_owner import OneOwner
from alerting.breaker.owner import MOST, Owner
from alerting.breaker.plan import Plan
from consumer import kafka_errors, kafka_patches, record_batches
from consumer.clients import build_producer, heartbeat_ms
from consumer.transaction import Publisher
from patience import Patience

log = logging.getLogger("vigilens.breaker")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
WELL_S = 600.0  # what failed after so long was well
FETCH_BYTES, FETCH_MS = 1_048_576, 250
END_S = 15.0  # for the last commit and for leaving the group


@dataclass(frozen=True, slots=True)
class Timing:
    """What the service uses too; times in seconds."""

    session_timeout_s: float
    max_poll_interval_s: float
    transaction_timeout_s: float
    give_up_s: float
    limits: record_batches.Limits


@contextmanager
def beside(plan: Plan, timing: Timing, stopping: threading.Event, on_failure: Callable[[], None]) -> Iterator[None]:
    """Run the breaker while the body runs. What goes wrong is logged, counted and tried again.

    Args:
        plan: names, and what is called.
        timing: of its clients.
        stopping: ends it; set at the end of the body.
        on_failure: called after each failure.
    """
    thread = threading.Thread(target=_run, args=(plan, timing, stopping, on_failure), name="breaker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(END_S)


def _run(plan: Plan, timing: Timing, stopping: threading.Event, on_failure: Callable[[], None]) -> None:
    pause = FIRST_PAUSE_S
    while not stopping.is_set():
        began = time.monotonic()
        try:
            _serve(plan, timing, stopping)
        except Exception as error:  # noqa: BLE001 (whatever it is, images are judged on)
            if stopping.is_set():
                return
            on_failure()
            why = kafka_errors.sentence(error, plan.connection.bootstrap_servers)
            log.error("the breaker failed and begins again", extra={"fields": {"why": why}})  # noqa: TRY400 (one line)
            if time.monotonic() - began > WELL_S:
                pause = FIRST_PAUSE_S
            # Jitter: all processes may have failed at the same moment.
            stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 (not a secret)
            pause = min(2 * pause, LONGEST_PAUSE_S)


def _serve(plan: Plan, timing: Timing, stopping: threading.Event) -> None:
    publisher = Publisher(
        # No instance can have this name: names of instances have no colon.
        lambda: build_producer(plan.connection, f"{plan.group}:breaker", timing.transaction_timeout_s),
        transaction_timeout_s=timing.transaction_timeout_s,
        limit=lambda _seconds, _what: nullcontext(),  # the process must not end because of the breaker
        patience=Patience(timing.give_up_s, stopping),
        give_up_s=timing.give_up_s,
        stopping=stopping,
        on_wait=lambda _: None,
    )
    consumer = _consumer(plan, timing)
    try:
        Owner(plan, consumer, publisher, stopping).run()
    finally:
        publisher.discard()
        consumer.close(autocommit=False, timeout_ms=5_000)


def _consumer(plan: Plan, timing: Timing) -> Any:
    kafka_patches.apply(timing.limits)
    return KafkaConsumer(
        plan.verdicts_topic,
        **plan.connection.options(),
        group_id=f"{plan.group}-breaker",
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        session_timeout_ms=int(timing.session_timeout_s * 1000),
        heartbeat_interval_ms=heartbeat_ms(timing.session_timeout_s),
        max_poll_interval_ms=int(timing.max_poll_interval_s * 1000),
        max_poll_records=MOST,
        # A broker answers when it has so much, or after so long: else each transaction of each process would be fetched
        # by itself, which takes 59 ms of processor time in a second with 40 of them; so it is 8, and 4 if it is idle.
        fetch_min_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_MS,
        allow_auto_create_topics=False,
        partition_assignment_strategy=(OneOwner(),),
    )
