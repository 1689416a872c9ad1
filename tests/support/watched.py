"""Two processes of the service under a real Prometheus, through load, an outage and a death; see tests/ops."""

import re
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from click.testing import CliRunner
from detailed import cropped, detailed
from drawn import drawn
from kafka import KafkaAdminClient
from PIL import Image
from run import missing
from running_service import Service, produce
from service_fixtures import KNOWN, UNRELATED, event, make_set, reference, settings

from consumer.batch import Batch
from consumer.http_server import serve
from consumer.metrics import Metrics
from consumer.progress import Progress
from consumer.records import metrics_of
from harness.prometheus import NoPrometheus, program, prometheus
from matcher.judge import Judged
from reference_sets.canary import Recall
from reference_sets.in_force import Snapshot
from reference_sets.model import Kind
from reference_sets.store import Store
from vectors.lite_server import LiteServer
from vigilens.cli import main

PATIENCE_S = 60.0
WAITING = 300  # events that are sent while Milvus is away


def in_seconds(text):
    """Rules or a query with seconds for minutes; an offset that stands for five minutes has stood for three seconds."""
    text = re.sub(r"\b(\d+)m\b", r"\1s", text).replace("1h", "60s")
    return text.replace("vigilens_oldest_waiting_seconds) > 300", "vigilens_oldest_waiting_seconds) > 3")


class Watched:
    """What was seen.

    Attributes:
        began, ended: seconds since 1970.
        fired: alerts that fired, with their labels, by the phase that waited for them.
    """

    def __init__(self, prometheus):
        self.prometheus = prometheus
        self.began = time.time()
        self.ended = 0.0
        self.fired = {}

    def until(self, expr):
        """Ask until the query has a series; returns the series."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := self.prometheus.query(expr):
                return found
            threading.Event().wait(0.1)
        raise AssertionError(f"nothing for {expr}")

    def until_fires(self, *alerts):
        """Wait until all of them fire."""
        for alert in alerts:
            found = self.until(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')
            self.fired[alert] = [each["metric"] for each in found]

    def series(self, expr):
        """All numbers that a query had in this time."""
        found = self.prometheus.query_range(expr, self.began, self.ended or time.time())
        return [float(value) for each in found for _, value in each["values"]]


@contextmanager
def rare_facts():
    """The page of a process with an approximate index, a damaged reference and a tripped breaker; yields its address.

    The first is measured once a minute, and the others need a broken database and a flood.
    """
    metrics = Metrics()
    judged = Judged((), {}, Snapshot((), (), {}), 0, {"known": 3}, {"known": Recall(0.96, 0.95)})
    metrics.published(Batch((), None, {}), judged, metrics_of(Batch((), None, {}), judged, "group", "rare"))
    metrics.tripped("known")
    metrics.alerted("recall_low")
    metrics.otlp_lost("traces", 1)
    with serve(metrics, Progress(), "127.0.0.1", 0) as address:
        yield address.removeprefix("http://")


def fill(store, uri, encoder, folder):
    """A set of hashes, and one whose matches are checked."""
    make_set(store, encoder, "known", Kind.HARMFUL, [reference(encoder, drawn(KNOWN), "known-1")])
    Image.fromarray(detailed(1)).save(folder / "known.png")
    for words in (("create", "copies", "--encoder", "words"), ("add", "copies", str(folder / "known.png"))):
        done = CliRunner().invoke(main, ["sets", *words], env={"VIGILENS_MILVUS__URI": uri})
        assert done.exit_code == 0, done.output


def load(number):
    """Twelve events: copies, a crop, strangers, the same bytes again, and what is no picture."""
    crop = Image.fromarray(cropped(detailed(1), 0.0, 0.1, 0.7, 0.9))
    pictures = [drawn(KNOWN), drawn(KNOWN), crop, drawn(UNRELATED), drawn(100 + number), Image.fromarray(detailed(2))]
    events = [event(f"{number} {place}", picture) for place, picture in enumerate(pictures)]
    return events + [(f"{number} x{place}".encode(), b"no event", [], None) for place in range(6)]


def send(cluster, topics, events):
    produce(cluster.bootstrap, topics.images, events)
    return len(events)


def work(seen, cluster, topics, store):
    """Three rounds of load; after the first one there is a set that no process can compare."""
    seen.until("max(vigilens_group_members) == 2 and sum(vigilens_partitions_owned) == 3")
    sent = 0
    for number in range(3):
        sent += send(cluster, topics, load(number))
        seen.until(f"sum(vigilens_verdicts_total) == {sent}")
        if number == 0:
            store.create(replace(store.describe("known"), name="foreign", encoder="words:another", version=1))
    seen.until_fires("VigilensSetNotComparable")


def lose_milvus_and_a_process(seen, cluster, topics, server, service):
    """Events wait while Milvus is away; in the middle of it one process is killed, and a partition is added.

    Nobody reads that one until the survivor takes over. A dead process owns its partitions until the broker notices.
    """
    server.stop()
    send(cluster, topics, [event(f"w{number}", drawn(KNOWN)) for number in range(WAITING)])
    seen.until(f"sum(max by (partition) (vigilens_consumer_lag)) == {WAITING}")
    service.process.kill()
    with closing(KafkaAdminClient(bootstrap_servers=cluster.bootstrap)) as client:
        client.create_partitions({topics.images: 4})
    seen.until_fires("VigilensPartitionsUnowned", "VigilensNoneReady", "VigilensOldestWaiting", "VigilensNoVerdicts")
    seen.until_fires("VigilensTargetDown")
    seen.until("max(vigilens_group_members) == 1 and max(vigilens_group_unowned_partitions) == 0")


@contextmanager
def services(run, number):
    """So many services, started at once; they are killed at the end."""
    started = [Service(run) for _ in range(number)]
    try:
        yield [each.ready() for each in started]
    finally:
        for each in started:
            each.process.kill()
            each.end()
            each.process.stderr.close()


@contextmanager
def watched(cluster, topics, encoder, rules, folder):
    """The whole story, from two processes to none; yields what was seen, while Prometheus still runs."""
    try:
        program("prometheus")
    except NoPrometheus as why:
        missing(str(why))
    (folder / "rules.yml").write_text(in_seconds(rules.read_text()))
    with ExitStack() as stack, ExitStack() as running:
        server = stack.enter_context(LiteServer(folder / "sets.db"))
        store = stack.enter_context(Store(server.uri))
        fill(store, server.uri, encoder, folder)
        run = settings(cluster, topics, server.uri, VIGILENS_SETS__REFRESH_S="0")
        both = running.enter_context(services(run, 2))
        rare = running.enter_context(rare_facts())
        targets = [rare, *(each.address.removeprefix("http://") for each in both)]
        seen = Watched(stack.enter_context(prometheus(folder, targets, [folder / "rules.yml"])))
        work(seen, cluster, topics, store)
        lose_milvus_and_a_process(seen, cluster, topics, server, both[1])
        running.close()
        seen.until_fires("VigilensNoProcess")
        seen.ended = time.time()
        yield seen
