"""`vigilens check`: tries everything that the service needs, one line for each part, and goes on after a failure."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from vigilens.commands.check_ops import ops
from vigilens.commands.findings import Finding

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from config.settings import Settings
    from embedding.encoders import Encoders
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store

# ruff: noqa: PLC0415 (each part is imported when it is tried: a missing one must not keep the others from being tried)


@dataclass(frozen=True, slots=True)
class NewTopics:
    """How to create missing topics. Replication -1 stands for the brokers' default."""

    partitions: int
    replication: int


@click.command(short_help="Check settings, Kafka, topics, Milvus, encoder and sets.")
@click.option("--create-topics", is_flag=True, help="Create missing topics, with fitting limits on record size.")
@click.option("--partitions", type=click.IntRange(1), default=6, show_default=True, help="Of each new topic.")
@click.option("--replication", type=click.IntRange(1), help="Copies of each new topic. [default: the brokers']")
@click.option("--json", "as_json", is_flag=True, help='Print JSON: [{"part": …, "outcome": …, "sentence": …}, …].')
@click.pass_obj
def command(
    settings: "Callable[[], Settings]", *, create_topics: bool, partitions: int, replication: int | None, as_json: bool
) -> None:
    """Check settings, Kafka, topics, Milvus, encoder and sets. Prints one line for each, with the fix if one is needed.

    \b
    ✓  fine
    !  works, but read the line
    ✗  the service would not start, or would lose something; the exit code is 1

    As many processes can share the work as the images topic has partitions. Topics that exist are never changed.

    \b
    Example:
      vigilens check --create-topics --partitions 12 --replication 3
    """
    new = NewTopics(partitions, replication or -1) if create_topics else None
    findings = []
    for finding in check(settings, new):
        findings.append(finding)
        if not as_json:
            click.echo(str(finding))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    if any(finding.outcome == "failed" for finding in findings):
        raise click.exceptions.Exit(1)


def check(load: "Callable[[], Settings]", new: NewTopics | None = None) -> Iterator[Finding]:
    """Try all parts and yield the findings.

    Args:
        load: reads the settings.
        new: how to create missing topics. None: they are only reported.
    """
    from config.load import SettingsError

    try:
        settings = load()
    except SettingsError as error:
        yield from (Finding("settings", "failed", line) for line in str(error).splitlines())
        return
    yield from _settings(settings)
    yield from _kafka(settings, new)
    yield from _matching(settings)


def _settings(settings: "Settings") -> Iterator[Finding]:
    from config.load import SettingsError
    from consumer.otlp import switch
    from vigilens import wiring

    try:
        wiring.fetcher(settings)  # only the fetcher checks the names of hosts
        yield Finding("settings", "ok", "understood; `vigilens config` prints them")
    except SettingsError as error:
        yield Finding("settings", "failed", str(error))
    yield from _formats()
    if settings.otlp.endpoint and not switch.installed():
        yield Finding("settings", "failed", switch.MISSING)
    for root in settings.images.roots:
        if not root.is_dir():
            yield Finding("settings", "warning", f"{root}, one of images.roots, is not a folder on this machine")


def _formats() -> Iterator[Finding]:
    from embedding.extras import missing

    for name, extra in missing().items():
        yield Finding("formats", "warning", f"{name} pictures are unscannable: pip install 'vigilens[{extra}]'")
    if not missing():
        yield Finding("formats", "ok", "HEIC and JPEG XL are decoded too")


def _kafka(settings: "Settings", new: NewTopics | None) -> Iterator[Finding]:
    from kafka.errors import KafkaError

    from consumer import topics
    from consumer.clients import NO_FAST_CHECKSUMS, has_fast_checksums
    from vigilens import wiring

    if not has_fast_checksums():
        yield Finding("kafka", "warning", NO_FAST_CHECKSUMS)
    try:
        with topics.admin(wiring.connection(settings)) as client:
            brokers = len(client.describe_cluster()["brokers"])
            answers = "1 broker answers" if brokers == 1 else f"{brokers} brokers answer"
            yield Finding("kafka", "ok", f"{answers} at {settings.kafka.bootstrap_servers}")
            yield from _takeover(settings, client)
            yield from _topics(settings, client, new)
            yield from ops(settings, client)
    except topics.NoAnswer as error:
        yield Finding("kafka", "failed", f"{error}; start Kafka, or correct kafka.bootstrap_servers and credentials")
    except KafkaError as error:
        yield Finding("topics", "failed", str(error))


def _takeover(settings: "Settings", client: "KafkaAdminClient") -> Iterator[Finding]:
    from consumer import broker_limits, topics

    session_s, transaction_s = settings.kafka.session_timeout_s, settings.kafka.transaction_timeout_s
    try:
        limits = broker_limits.read(client)
    except topics.NoAnswer as error:
        yield Finding("takeover", "warning", f"how soon others take over is not known: {error}")
        return
    faults = list(broker_limits.faults(limits, session_s, transaction_s))
    yield from (Finding("takeover", "failed" if each.fatal else "warning", each.sentence) for each in faults)
    if not faults:
        yield Finding("takeover", "ok", limits.taken_over(session_s, transaction_s))


def _topics(settings: "Settings", client: "KafkaAdminClient", new: NewTopics | None) -> Iterator[Finding]:
    from consumer import topics

    kafka, images = settings.kafka, settings.images
    needs = topics.needs(
        kafka.images_topic,
        kafka.verdicts_topic,
        kafka.metrics_topic,
        images.max_bytes,
        images.max_attributes_bytes,
        alerts=kafka.alerts_topic,
        jobs=kafka.jobs_topic if settings.breaker.attribute else "",
    )
    names = [need.name for need in needs]
    there = topics.describe(client, names)
    missing = [need for need in needs if there[need.name] is None]
    if new and missing:
        topics.create(client, missing, new.partitions, new.replication)
        there = topics.describe(client, names)
    for need in needs:
        topic = there[need.name]
        if topic is None:
            sentence = f"{need.name} does not exist: `vigilens check --create-topics` creates it"
            yield Finding("topic", "failed", sentence)
            continue
        created = "created: " if need in missing else ""
        yield Finding("topic", "ok", f"{need.name}: {created}{topic}")
        for fault in topics.faults(need, there, kafka.images_topic):
            yield Finding("topic", "failed" if fault.fatal else "warning", f"{need.name}: {fault.sentence}")


def _matching(settings: "Settings") -> Iterator[Finding]:
    """Try Milvus, the encoders that the sets need, or else the default one, and then the sets."""
    from patience import Away
    from reference_sets.store import StoreError
    from vigilens import wiring

    encoders, used = wiring.encoders(settings), {settings.sets.default_encoder}
    try:
        with wiring.store(settings) as store:
            sets = store.sets()
            named = [known for known in sets if not settings.sets.use or known.name in settings.sets.use]
            used = _names(encoders, named) or used
            yield from (_encoder(encoders, name) for name in sorted(used))
            number = f"{len(sets)} {'set' if len(sets) == 1 else 'sets'}"
            yield Finding("milvus", "ok", f"{number} in {settings.milvus.uri}")
            yield from _sets(settings, store, encoders)
    except (StoreError, Away) as error:
        yield from (_encoder(encoders, name) for name in sorted(used))
        yield Finding("milvus", "failed", str(error))


def _names(encoders: "Encoders", sets: "Sequence[ReferenceSet]") -> set[str]:
    """Return the names of the encoders that these sets need. Those that there are not are reported with the sets."""
    from embedding.encoder import EncoderError

    names = set()
    for known in sets:
        with suppress(EncoderError):
            names.add(encoders.with_fingerprint(known.encoder).name)
    return names


def _encoder(encoders: "Encoders", name: str) -> Finding:
    from embedding.encoder import EncoderError

    try:
        encoder = encoders.get(name)
    except EncoderError as error:
        return Finding("encoder", "failed", f"{name}: {error}")
    about = f"{name}, {encoder.dimension} values, {encoder.backend}, fingerprint {encoder.fingerprint}"
    return Finding("encoder", "ok", about)


def _sets(settings: "Settings", store: "Store", encoders: "Encoders") -> Iterator[Finding]:
    from reference_sets.in_force import SetsUnfit
    from vigilens import wiring

    try:
        sets = wiring.sets_in_force(settings, store, encoders).read().sets
    except SetsUnfit as error:
        yield Finding("sets", "failed", str(error))
        return
    if not any(known.kind == "harmful" for known in sets):
        yield Finding("sets", "warning", "no set is harmful, so every image that can be compared is allowed")
    for known in sets:
        count, limits = store.count(known.name), known.thresholds
        about = f"{known.name}: {known.kind}, version {known.version}, review {limits.review:g}, block {limits.block:g}"
        if count:
            yield Finding("set", "ok", f"{about}, {count:,} {'reference' if count == 1 else 'references'}")
        else:
            yield Finding("set", "warning", f"{about}, but empty: fill it with `vigilens sets add {known.name} PATH…`")
