"""The guided demo, step by step. What is started last is stopped first, whatever happens."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from demo import sets
from demo.kafka_io import Sender, metrics_sum, verdicts
from demo.overlays import overlays
from demo.pdq_alone import found_by_pdq
from demo.pictures import SAMPLES, DemoError, Role, of
from demo.report import Facts, report
from demo.setup import Stage, fresh, set_up
from demo.show import Show
from demo.stream import reported, stream
from demo.summary import sentences
from demo.terminal import View, totals
from demo.thumbnails import reference_faces
from harness.readers import committed

REPORTED = 3  # events that show the reported picture, once before and once after the set changes


@dataclass(frozen=True, slots=True)
class Options:
    """What the visitor chose.

    Attributes:
        folder: everything is written below it.
        pictures: events in the stream.
        seed: decides what is left to chance.
        per_second: events sent in a second.
    """

    folder: Path
    pictures: int
    seed: int
    per_second: float


def tour(options: Options, console: Console) -> Path:
    """Shows everything once; returns the report's path.

    Raises:
        DemoError: something went wrong; the message names the log and its last lines.
    """
    began, view = time.monotonic(), View(console)

    def say(text: str) -> None:
        view.say(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {text}")

    work = fresh(options.folder)
    with ExitStack() as house:
        stage = set_up(house, work, say)
        sender = Sender(stage.bootstrap, stage.topics.images)
        house.callback(sender.close)
        arrivals = house.enter_context(verdicts(stage.bootstrap, stage.topics.verdicts))
        show = Show(sender, arrivals, view, stage.service)
        say(f"{options.pictures} events go to the topic {stage.topics.images}\n")
        with view.table():
            changed_at, version = _perform(show, stage, options, view)
        view.say("")
        asked = time.monotonic()
        stage.service.stop()
        say(f"the service stopped {time.monotonic() - asked:.1f} s after SIGTERM, with all done that it had taken")
        facts = Facts(
            seed=options.seed,
            finished=datetime.now().astimezone(),
            service_ready_s=stage.ready_s,
            first_verdict_s=show.first_at - began,
            verdicts=sum(1 for _ in committed(stage.bootstrap, stage.topics.verdicts)),
            metrics_sum=metrics_sum(stage.bootstrap, stage.topics.metrics),
            set_change_s=show.version_seen_at(sets.KNOWN.name, version) - changed_at,
            hashed=found_by_pdq(show.seen),
        )
        path = options.folder.resolve() / "report.html"
        page = report(show.seen, reference_faces(SAMPLES), overlays(show.seen, stage.store), facts)
        path.write_text(page, encoding="utf-8")
    _conclude(view, show, facts, path)
    return path


def _perform(show: Show, stage: Stage, options: Options, view: View) -> tuple[float, int]:
    """The stream, and in its middle a change of the set; returns when that was (time.monotonic), and the version."""
    inbox, rate = stage.work / "inbox", options.per_second
    events = stream(REPORTED + 1, options.pictures - 2 * REPORTED, options.seed, inbox)
    show.send(reported(1, options.seed, inbox), rate, known=False)
    show.send(islice(events, options.pictures // 2), rate)
    show.settle()
    sets.add(stage.store, sets.KNOWN, of(Role.REPORTED), stage.encoder, stage.settings)
    changed_at, version = time.monotonic(), stage.store.describe(sets.KNOWN.name).version
    view.say(f"[bold]{sets.KNOWN.name} holds one more picture and is version {version} now[/bold]")
    show.send(events, rate)
    show.watch(changed_at + stage.settings.sets.refresh_s)  # from then on no look at the sets is older than the change
    show.send(reported(options.pictures - REPORTED + 1, options.seed, inbox), rate)
    show.settle()
    return changed_at, version


def _conclude(view: View, show: Show, facts: Facts, path: Path) -> None:
    """Prints the result.

    Raises:
        DemoError: verdicts do not add up.
    """
    view.say(f"\n[bold]first verdict after {facts.first_verdict_s:.1f} s[/bold]")
    view.say(f"{len(show.seen)} events, {facts.verdicts} verdicts: {totals(show.seen)}")
    view.say(f"the metrics topic adds up to {facts.metrics_sum} verdicts")
    view.say(f"the changed set was in force {facts.set_change_s:.1f} s after the change\n")
    for sentence in sentences(show.seen, facts.hashed):
        view.say(sentence)
    view.say(f"\nreport: [link={path.as_uri()}]{escape(str(path))}[/link]")
    if not len(show.seen) == facts.verdicts == facts.metrics_sum:
        raise DemoError("The verdicts do not add up: there should be exactly one for each event.")
