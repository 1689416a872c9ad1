"""Runs the guided demo, step by step. Whatever happens, everything that was started is stopped, in reverse order."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from demo import sets
from demo.exchange import Exchange
from demo.kafka_io import Sender, metrics_sum, verdicts
from demo.overlays import overlays
from demo.pdq_alone import found_by_pdq
from demo.pictures import SAMPLES, DemoError, Role, of
from demo.report import Facts, report
from demo.setup import Services, fresh, set_up
from demo.stream import reported, stream
from demo.summary import sentences
from demo.terminal import Screen, totals
from demo.thumbnails import reference_thumbnails
from harness.readers import committed

REPORTED = 3  # events with the reported picture, sent once before and once after the set changes


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `vigilens demo`.

    Attributes:
        folder: everything is written below it.
        pictures: events in the stream.
        seed: of all random choices.
        per_second: events sent in a second.
    """

    folder: Path
    pictures: int
    seed: int
    per_second: float


def tour(options: Options, console: Console) -> Path:
    """Runs the whole demo; returns the report's path.

    Raises:
        DemoError: something did not work as it should.
        ProgramFailed: the broker or the service ended or is not ready in time; the message has the end of its log.
        NoKafka: Kafka or Java cannot be found.
    """
    began, screen = time.monotonic(), Screen(console)

    def say(text: str) -> None:
        screen.say(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {text}")

    work = fresh(options.folder)
    with ExitStack() as stack:
        services = set_up(stack, work, say)
        sender = Sender(services.bootstrap, services.topics.images)
        stack.callback(sender.close)
        arrivals = stack.enter_context(verdicts(services.bootstrap, services.topics.verdicts))
        exchange = Exchange(sender, arrivals, screen, services.service)
        say(f"{options.pictures} events go to the topic {services.topics.images}\n")
        with screen.table():
            changed_at, version = _run(exchange, services, options, screen)
        screen.say("")
        asked = time.monotonic()
        services.service.stop()
        stopped_s = time.monotonic() - asked
        say(f"the service finished the events that it had taken, and stopped {stopped_s:.1f} s after SIGTERM")
        facts = Facts(
            seed=options.seed,
            finished=datetime.now().astimezone(),
            service_ready_s=services.ready_s,
            first_verdict_s=exchange.first_at - began,
            verdicts=sum(1 for _ in committed(services.bootstrap, services.topics.verdicts)),
            metrics_sum=metrics_sum(services.bootstrap, services.topics.metrics),
            set_change_s=exchange.first_verdict_at(sets.KNOWN.name, version) - changed_at,
            hashed=found_by_pdq(exchange.results),
        )
        path = options.folder.resolve() / "report.html"
        drawings = overlays(exchange.results, services.store)
        page = report(exchange.results, reference_thumbnails(SAMPLES), drawings, facts)
        path.write_text(page, encoding="utf-8")
    _conclude(screen, exchange, facts, path)
    return path


def _run(exchange: Exchange, services: Services, options: Options, screen: Screen) -> tuple[float, int]:
    """Sends the stream and changes a set halfway.

    Returns:
        The time when the set was changed (time.monotonic), and its new version.
    """
    inbox, rate = services.work / "inbox", options.per_second
    events = stream(REPORTED + 1, options.pictures - 2 * REPORTED, options.seed, inbox)
    exchange.send(reported(1, options.seed, inbox), rate, known=False)
    exchange.send(islice(events, options.pictures // 2), rate)
    exchange.settle()
    sets.add(services.store, sets.KNOWN, of(Role.REPORTED), services.encoders, services.settings)
    changed_at, version = time.monotonic(), services.store.describe(sets.KNOWN.name).version
    screen.say(f"[bold]{sets.KNOWN.name} holds one more picture now; it is version {version}[/bold]")
    exchange.send(events, rate)
    exchange.receive_until(changed_at + services.settings.sets.refresh_s)  # by then the service has reloaded the sets
    exchange.send(reported(options.pictures - REPORTED + 1, options.seed, inbox), rate)
    exchange.settle()
    return changed_at, version


def _conclude(screen: Screen, exchange: Exchange, facts: Facts, path: Path) -> None:
    """Prints the results.

    Raises:
        DemoError: there is not exactly one verdict for each event.
    """
    screen.say(f"\n[bold]first verdict after {facts.first_verdict_s:.1f} s[/bold]")
    screen.say(f"{len(exchange.results)} events, {facts.verdicts} verdicts: {totals(exchange.results)}")
    screen.say(f"the metrics topic adds up to {facts.metrics_sum} verdicts")
    screen.say(f"the changed set was in force {facts.set_change_s:.1f} s after the change\n")
    for sentence in sentences(exchange.results, facts.hashed):
        screen.say(sentence)
    screen.say(f"\nreport: [link={path.as_uri()}]{escape(str(path))}[/link]")
    if not len(exchange.results) == facts.verdicts == facts.metrics_sum:
        raise DemoError("The verdicts do not add up: there should be exactly one for each event.")
