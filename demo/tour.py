"""The guided demo, step by step. What is started last is stopped first, whatever happens."""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from config.load import PREFIX, load
from config.settings import Settings
from consumer import topics as kafka_topics
from consumer.connect import Connection
from demo import sets
from demo.broker import Cluster, kafka
from demo.leash import Leash
from demo.live import View, totals
from demo.pictures import SAMPLES, DemoError, Role, of
from demo.report import Facts, report
from demo.service import Service, service, write_settings
from demo.show import Show
from demo.stream import reported, stream
from demo.summary import sentences
from demo.thumbs import reference_thumbs
from demo.wire import Sender, Topics, metrics_sum, verdicts
from embedding.encoder import Encoder
from reference_sets.lite_server import lite_server
from reference_sets.store import Store
from vigilens import wiring

PARTITIONS = 4
MAX_BYTES, MAX_ATTRIBUTES_BYTES = 20_971_520, 16_384  # [images] of default.toml
REPORTED = 3  # events that show the reported picture, once before and once after the set changes
OURS = ".vigilens-demo"  # marks the folder that the next run may remove


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


@dataclass(frozen=True, slots=True)
class Stage:
    """All that runs.

    Attributes:
        work: folder of this run.
        ready_s: seconds from the service's start until it was ready.
    """

    work: Path
    bootstrap: str
    topics: Topics
    encoder: Encoder
    store: Store
    settings: Settings
    service: Service
    ready_s: float


def tour(options: Options, console: Console) -> Path:
    """Shows everything once; returns the report's path.

    Raises:
        DemoError: something did not go as promised; the message names the log and its last lines.
    """
    began, view = time.monotonic(), View(console)

    def say(text: str) -> None:
        view.say(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {text}")

    work = _fresh(options.folder)
    with ExitStack() as house:
        stage = _set_up(house, work, say)
        sender = Sender(stage.bootstrap, stage.topics.images)
        house.callback(sender.close)
        arrivals = house.enter_context(verdicts(stage.bootstrap, stage.topics.verdicts))
        show = Show(sender, arrivals, view, stage.service)
        say(f"{options.pictures} events go to the topic {stage.topics.images}\n")
        with view.table():
            changed_at, version = _perform(show, stage, options, view)
        view.say("")
        say(f"the service stopped {stage.service.stop():.1f} s after SIGTERM, with all done that it had taken")
        facts = Facts(
            seed=options.seed,
            finished=datetime.now().astimezone(),
            service_ready_s=stage.ready_s,
            first_verdict_s=show.first_at - began,
            metrics_sum=metrics_sum(stage.bootstrap, stage.topics.metrics),
            set_change_s=show.version_seen_at(sets.KNOWN.name, version) - changed_at,
        )
        path = options.folder.resolve() / "report.html"
        path.write_text(report(show.seen, reference_thumbs(SAMPLES), facts), encoding="utf-8")
    _conclude(view, show, facts, path)
    return path


def _set_up(house: ExitStack, work: Path, say: Callable[[str], None]) -> Stage:
    """Broker and Milvus at the same time; then topics, sets and service, of which each needs those before it."""
    with ThreadPoolExecutor(1) as aside:
        milvus = aside.submit(house.enter_context, lite_server(work / "sets.db"))
        cluster = house.enter_context(kafka(work, say=lambda text: say(escape(text))))
    topics, uri = house.enter_context(_topics(cluster)), milvus.result()
    say(f"Kafka answers at {cluster.bootstrap}")
    settings = _settings(work, cluster.bootstrap, topics, uri)
    encoder = wiring.encoder(settings)
    store = house.enter_context(wiring.store(settings))
    made = sets.make(store, encoder, settings)
    say("Milvus Lite holds " + ", ".join(f"{each.name} ({each.kind})" for each in made))
    running = house.enter_context(service(work, work / "vigilens.toml", house.enter_context(Leash())))
    ready_s = running.wait_until_ready()
    say(f"the service is ready, {ready_s:.1f} s after its start; its log is {running.log}")
    return Stage(work, cluster.bootstrap, topics, encoder, store, settings, running, ready_s)


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
    show.send(reported(options.pictures - REPORTED + 1, options.seed, inbox), rate)
    show.settle()
    return changed_at, version


def _conclude(view: View, show: Show, facts: Facts, path: Path) -> None:
    """Says what came of it.

    Raises:
        DemoError: verdicts do not add up.
    """
    view.say(f"\n[bold]first verdict after {facts.first_verdict_s:.1f} s[/bold]")
    view.say(f"{len(show.seen)} events, {len(show.seen)} verdicts: {totals(show.seen)}")
    view.say(f"the metrics topic adds up to {facts.metrics_sum} verdicts; verdicts that came twice: {show.twice}")
    view.say(f"the changed set was in force {facts.set_change_s:.1f} s after the change\n")
    for sentence in sentences(show.seen):
        view.say(sentence)
    view.say(f"\nreport: [link={path.as_uri()}]{escape(str(path))}[/link]")
    if show.twice or facts.metrics_sum != len(show.seen):
        raise DemoError("The verdicts do not add up: there should be exactly one for each event.")


def _fresh(folder: Path) -> Path:
    """An empty folder `run` below the visitor's. Only what an earlier demo wrote is removed."""
    work = folder.resolve() / "run"
    if work.exists():
        if not (work / OURS).exists():
            raise DemoError(f"{work} was not written by the demo; choose another --folder")
        shutil.rmtree(work)
    (work / "inbox").mkdir(parents=True)
    (work / OURS).touch()
    return work


@contextmanager
def _topics(cluster: Cluster) -> Iterator[Topics]:
    """The three topics, made as `vigilens check --create-topics` makes them.

    On other people's brokers they get names of their own, and are removed at the end.
    """
    prefix = "vigilens" if cluster.nodes else f"vigilens-demo-{uuid.uuid4().hex[:8]}"
    topics = Topics(f"{prefix}.images", f"{prefix}.verdicts", f"{prefix}.metrics")
    names = [topics.images, topics.verdicts, topics.metrics]
    with kafka_topics.admin(Connection(cluster.bootstrap)) as admin:
        needs = kafka_topics.needs(topics.images, topics.verdicts, topics.metrics, MAX_BYTES, MAX_ATTRIBUTES_BYTES)
        kafka_topics.create(admin, needs, PARTITIONS, -1)
    try:
        yield topics
    finally:
        if not cluster.nodes:
            with kafka_topics.admin(Connection(cluster.bootstrap)) as admin:
                admin.delete_topics(names)


def _settings(work: Path, bootstrap: str, topics: Topics, uri: str) -> Settings:
    """Writes the service's vigilens.toml and reads it, without what this shell may have set for another service."""
    write_settings(
        work / "vigilens.toml",
        {
            "kafka": {
                "bootstrap_servers": bootstrap,
                "group": topics.images.replace(".images", "-demo"),
                "instance": "demo",
                "images_topic": topics.images,
                "verdicts_topic": topics.verdicts,
                "metrics_topic": topics.metrics,
            },
            "images": {"roots": [str(work / "inbox")]},
            "milvus": {"uri": uri},
            "sets": {"use": [plan.name for plan in sets.ALL]},
            "http": {"port": 0},
            "log": {"format": "json"},
        },
    )
    put_aside = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    try:
        return load(work / "vigilens.toml")
    finally:
        os.environ.update(put_aside)
