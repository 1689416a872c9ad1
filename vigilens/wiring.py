"""Builds the service's parts from the settings, the only place that does so. Each function imports what it needs."""

# ruff: noqa: PLC0415 (late imports are intended: `vigilens sets list` should not wait for torch)

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alerting.breaker.plan import Limit
    from config.settings import Settings
    from consumer.clients import Connection
    from consumer.metrics import Metrics
    from embedding.encoders import Encoders
    from embedding.fetch.fetcher import Fetcher
    from embedding.processes.decoders import Decoders
    from matcher.judge import Judge
    from matcher.search import Searcher
    from patience import Patience
    from reference_sets.in_force import SetsInForce
    from reference_sets.store import Store


def connection(settings: "Settings") -> "Connection":
    """Kafka's addresses and our credentials."""
    from consumer.clients import Connection

    kafka = settings.kafka
    return Connection(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism,
        sasl_username=kafka.sasl_username,
        sasl_password=kafka.sasl_password.get_secret_value(),
        ssl_cafile=kafka.ssl_cafile,
        ssl_certfile=kafka.ssl_certfile,
        ssl_keyfile=kafka.ssl_keyfile,
        ssl_key_password=kafka.ssl_key_password.get_secret_value(),
    )


def encoders(settings: "Settings") -> "Encoders":
    """The encoders that the settings name; each is loaded when it is first needed."""
    from embedding.choose import Configured
    from embedding.encoders import Encoders

    configured = {name: Configured(**dict(each)) for name, each in settings.encoders.items()}
    return Encoders(configured, settings.sets.default_encoder)


def store(settings: "Settings", patience: "Patience | None" = None) -> "Store":
    """The store of sets in Milvus. Without `patience` a call that fails is not repeated."""
    from reference_sets.store import Store

    milvus = settings.milvus
    return Store(
        milvus.uri,
        token=milvus.token.get_secret_value(),
        database=milvus.database,
        timeout_s=milvus.timeout_s,
        patience=patience,
    )


def sets_in_force(settings: "Settings", store: "Store", encoders: "Encoders") -> "SetsInForce":
    """Reads the sets to judge by; each reading is a consistent snapshot of versions, thresholds and kinds."""
    from reference_sets.in_force import SetsInForce, fits

    return SetsInForce(store, settings.sets.use, fits(encoders), settings.sets.refresh_s)


def fetcher(settings: "Settings") -> "Fetcher":
    """Fetches an image's bytes, within the operator's limits.

    Raises:
        config.load.SettingsError: an entry of images.hosts is not a host.
    """
    from config.load import SettingsError
    from embedding.fetch.fetcher import Fetcher, FetchRules

    images = settings.images
    rules = FetchRules(
        max_bytes=images.max_bytes,
        roots=images.roots,
        hosts=images.hosts,
        allow_http=images.allow_http,
        timeout_s=images.fetch_timeout_s,
    )
    try:
        return Fetcher(rules)
    except ValueError as error:
        raise SettingsError(str(error)) from error  # it names the key


def judge(settings: "Settings", encoders: "Encoders", store: "Store", sets: "SetsInForce") -> "Judge":
    """Judges images: fetches, decodes, embeds, searches, checks and decides."""
    from matcher.embed import Embedder
    from matcher.judge import Judge
    from matcher.workers import Workers

    images, workers = settings.images, Workers(settings.batch.workers)
    embedder = Embedder(
        encoders,
        fetcher(settings),
        decoders(settings),
        max_pixels=images.max_pixels,
        max_views=images.max_views,
        reduce=images.reduce_jpegs,
        recent_bytes=images.recent_bytes,
    )
    return Judge(
        embedder=embedder, searcher=searcher(settings, store), sets=sets, workers=workers, unseen=images.unseen
    )


def decoders(settings: "Settings") -> "Decoders":
    """Processes that open untrusted files, one per worker.

    Raises:
        embedding.processes.decoders.NoDecoder: they cannot be started.
    """
    from embedding.processes.decoders import Decoders, ProcessLimits
    from matcher.workers import cores

    decode = settings.decode
    return Decoders(settings.batch.workers or cores(), ProcessLimits(decode.cpu_s, decode.wall_s, decode.memory_bytes))


def searcher(settings: "Settings", store: "Store") -> "Searcher":
    """Searches the sets and checks the candidates that it finds."""
    from matcher.keypoint_file import KeypointFile
    from matcher.search import Searcher
    from reference_sets.in_memory.on_disk import OnDisk
    from vectors.connection import is_file, place

    sets = settings.sets
    uri = settings.milvus.uri
    where = str(Path(uri).expanduser().resolve()) if is_file(uri) else place(uri)
    return Searcher(
        store,
        top_k=sets.top_k,
        shortlist=sets.shortlist,
        keep_bytes=sets.keep_bytes,
        keep_file=KeypointFile(Path(sets.keep_folder), sets.keep_on_disk_bytes),
        parts=sets.parts,
        on_disk=OnDisk(Path(sets.cache_dir).expanduser(), f"{where} {settings.milvus.database}")
        if sets.cache_dir
        else None,
    )


@contextmanager
def breaker(settings: "Settings", metrics: "Metrics") -> "Iterator[None]":
    """The breaker, which runs beside the service while the context is open. It connects with Milvus when it must."""
    import socket
    import threading
    from functools import cache

    from alerting.breaker.counts import Rules
    from alerting.breaker.plan import Plan
    from alerting.breaker.thread import Timing, beside
    from consumer.record_batches import Limits
    from patience import Patience

    kafka, stopping, give_up_s = settings.kafka, threading.Event(), settings.waiting.give_up_s
    opened = cache(lambda: store(settings, Patience(give_up_s, stopping)))
    plan = Plan(
        connection=connection(settings),
        group=kafka.group,
        instance=kafka.instance or socket.gethostname(),
        verdicts_topic=kafka.verdicts_topic,
        alerts_topic=kafka.alerts_topic,
        jobs_topic=kafka.jobs_topic,
        rules=Rules(**dict(settings.breaker)),
        limit=limiter(opened),
        on_trip=metrics.tripped,
        on_alert=metrics.alerted,
    )
    timing = Timing(
        kafka.session_timeout_s,
        kafka.max_poll_interval_s,
        kafka.transaction_timeout_s,
        give_up_s,
        Limits(kafka.max_batch_bytes, settings.batch.bytes),
    )
    with beside(plan, timing, stopping, metrics.breaker_failed):
        yield
    if opened.cache_info().currsize:
        opened().close()


def limiter(opened: "Callable[[], Store]") -> "Limit":
    """Limits references in their sets for the breaker."""
    from alerting.breaker.counts import Burst
    from alerting.breaker.plan import Answer
    from reference_sets.restrict import limit
    from reference_sets.store import StoreError, UnknownSet

    def call(burst: Burst, may: bool) -> Answer:  # noqa: FBT001 (the breaker's only question)
        last = burst.last
        try:
            done = limit(opened(), last.set, last.reference, last.at, really=may)
        except UnknownSet:
            return Answer(there=False)
        except StoreError as error:
            return Answer(why=f"its set cannot be changed ({error})")
        return Answer(done.there, done.version, done.at, done.quiet_until)

    return call
