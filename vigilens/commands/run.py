"""`vigilens run`: runs the service."""

import gc
import logging
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings
    from consumer.service import Plan
    from matcher.judge import Judge


log = logging.getLogger("vigilens.service")


@click.command(short_help="Run the service: judge images from Kafka until stopped.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Run N processes on this machine, each with its share of the workers. The HTTP ports count up from http.port.",
)
@click.pass_context
def command(context: click.Context, *, processes: int) -> None:
    """Run the service: take image events from Kafka, judge them, publish verdicts and metrics.

    Every event gets exactly one verdict. Start more processes with the same kafka.group to share the work; they all
    need the same Milvus server (`vigilens milvus` on one machine). On one machine --processes starts several: a process
    per core judges a little more than one process with a worker per core, and takes more memory.

    While it runs, `vigilens sets` and `vigilens scan` of the same user run in a process that it keeps ready for them
    (milvus.ready_s). So they start in a blink, and also reach a Milvus Lite file that this service has open.

    On SIGTERM or Ctrl-C it finishes the events that it has taken and stops within seconds; on a second signal it ends
    at once. Nothing is lost either way. If Kafka or Milvus is away for longer than waiting.give_up_s, the process ends
    with code 1, and the next process redoes the work: run it under a supervisor that restarts it. The last line of the
    log says why it ended.

    \b
    Example:
      vigilens check --create-topics
      vigilens sets create known --kind harmful --category spam --severity 50
      vigilens sets add known pictures/
      vigilens run
    """
    from consumer import logs  # noqa: PLC0415 (as for all imports below: --help should not wait for them)

    settings: Callable[[], Settings] = context.obj
    logs.set_up("auto", "INFO")  # until the settings are read, because a mistake in them is logged too
    if processes > 1:
        from vigilens.commands import several  # noqa: PLC0415

        file = context.find_root().params.get("file")
        raise click.exceptions.Exit(several.run(settings(), processes, str(file) if file else None))
    try:
        serve(settings())
    except Exception as error:  # any error: the last line of the log says why the process ends
        say_why(error)
        raise click.exceptions.Exit(1) from error


def say_why(error: Exception) -> None:
    """Write the last line of the log: the error's class and message, and a traceback if the error was not expected."""
    from vigilens.errors import expected  # noqa: PLC0415

    fields = {"error": type(error).__name__, "why": str(error)}
    if isinstance(error, expected()):
        log.error("ended", extra={"fields": fields})
    else:
        log.critical("ended", extra={"fields": fields}, exc_info=error)


def serve(settings: "Settings") -> None:
    """Run the service with `settings` until a signal comes."""
    from consumer import logs, service  # noqa: PLC0415
    from consumer.lifecycle import stop_signals  # noqa: PLC0415
    from consumer.metrics import Metrics  # noqa: PLC0415
    from patience import Away, Patience  # noqa: PLC0415
    from vectors import lite  # noqa: PLC0415
    from vigilens import wiring  # noqa: PLC0415
    from vigilens.answers.keep import answering  # noqa: PLC0415

    logs.set_up(settings.log.format, settings.log.level)
    metrics, stopping = Metrics(), threading.Event()

    def start(patience: Patience) -> "Judge":
        started = time.monotonic()
        encoders = wiring.encoders(settings)
        store = wiring.store(settings, patience)
        in_force = wiring.sets_in_force(settings, store, encoders)
        sets = in_force.read().sets
        log.info("sets", extra={"fields": {"sets": len(sets), "seconds": round(time.monotonic() - started, 1)}})
        judge = wiring.judge(settings, encoders, store, in_force)
        milvus = settings.milvus
        at_end.enter_context(answering([milvus.uri], lite.address(milvus.uri), milvus.ready_s))
        if settings.breaker.attribute:
            at_end.enter_context(wiring.breaker(settings, metrics))
        # Objects that the libraries made while they were imported are never freed. Searching them for garbage stopped
        # all threads for 0.2 s, once in every one or two thousand images.
        gc.collect()
        gc.freeze()
        return judge

    with ExitStack() as at_end, stop_signals(stopping) as asked:
        try:
            service.run(plan(settings), start, metrics, stopping)
        except Away:
            if not asked:  # a stop while waiting is no error: nothing was committed
                raise
        finally:
            gc.unfreeze()  # otherwise torch's libraries report "leaked" objects behind the last line of the log


def plan(settings: "Settings") -> "Plan":
    """Return the service's plan, made from the settings."""
    from consumer.clients import GroupSettings  # noqa: PLC0415
    from consumer.intake import Limits  # noqa: PLC0415
    from consumer.service import Plan  # noqa: PLC0415
    from vigilens import wiring  # noqa: PLC0415

    kafka, batch = settings.kafka, settings.batch
    return Plan(
        connection=wiring.connection(settings),
        group=GroupSettings(
            kafka.group, kafka.start, kafka.session_timeout_s, kafka.max_poll_interval_s, kafka.max_batch_bytes
        ),
        limits=Limits(batch.images, batch.bytes, batch.wait_ms / 1000, settings.images.max_attributes_bytes),
        instance=kafka.instance,
        images_topic=kafka.images_topic,
        verdicts_topic=kafka.verdicts_topic,
        metrics_topic=kafka.metrics_topic,
        alerts_topic=kafka.alerts_topic,
        heartbeat_s=settings.metrics.heartbeat_s,
        transaction_timeout_s=kafka.transaction_timeout_s,
        depth=batch.depth,
        fetch_timeout_s=settings.images.fetch_timeout_s,
        decode_timeout_s=2 * settings.decode.wall_s,  # a picture is tried twice
        give_up_s=settings.waiting.give_up_s,
        http_host=settings.http.host,
        http_port=settings.http.port,
        otlp_endpoint=settings.otlp.endpoint,
    )
