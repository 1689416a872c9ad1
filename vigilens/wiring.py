"""Settings become parts: the only place that reads values of the settings into the rooms. Each imports when called."""

# ruff: noqa: PLC0415 (late imports are this file's purpose: `vigilens sets list` should not wait for torch)

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.settings import Settings
    from consumer.clients import Connection
    from embedding.encoder import Encoder
    from embedding.fetch.fetcher import Fetcher
    from matcher.judge import Judge
    from matcher.search import Examiner
    from patience import Patience
    from reference_sets.in_force import Watch
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store


def connection(settings: "Settings") -> "Connection":
    """How to reach Kafka, and as whom."""
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


def encoder(settings: "Settings") -> "Encoder":
    """The encoder that the settings name.

    Raises:
        embedding.choose.EncoderError: weights that are missing or wrong, a device that is not there.
    """
    from embedding.choose import choose

    chosen = settings.encoder
    return choose(
        chosen.name,
        model=chosen.model,
        checkpoint=chosen.checkpoint,
        device=chosen.device,
        precision=chosen.precision,
    )


def store(settings: "Settings", patience: "Patience | None" = None) -> "Store":
    """The sets in Milvus. Without `patience` a call that fails is not repeated."""
    from reference_sets.store import Store

    milvus = settings.milvus
    return Store(
        milvus.uri,
        token=milvus.token.get_secret_value(),
        database=milvus.database,
        timeout_s=milvus.timeout_s,
        patience=patience,
    )


def watch(settings: "Settings", store: "Store", encoder: "Encoder") -> "Watch":
    """The sets as a judge sees them: one moment's versions, thresholds and kinds."""
    from reference_sets.in_force import Watch

    return Watch(store, settings.sets.use, encoder.fingerprint, settings.sets.refresh_s)


def fetcher(settings: "Settings") -> "Fetcher":
    """What brings an image's bytes, within the operator's limits.

    Raises:
        config.load.SettingsError: a host that is not one.
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


def judge(settings: "Settings", encoder: "Encoder", store: "Store", watch: "Watch") -> "Judge":
    """The straight line from images to verdicts."""
    from matcher.embed import Embedder
    from matcher.judge import Judge
    from matcher.workers import Workers

    images = settings.images
    embedder = Embedder(
        encoder,
        fetcher(settings),
        max_pixels=images.max_pixels,
        reduce=images.reduce_jpegs,
        recent_bytes=images.recent_bytes,
    )
    return Judge(
        embedder=embedder,
        examiner=examiner(settings, store),
        watch=watch,
        workers=Workers(settings.batch.workers),
    )


def examiner(settings: "Settings", store: "Store") -> "Examiner":
    """What searches the sets and checks what it finds."""
    from matcher.search import Examiner

    sets = settings.sets
    return Examiner(store, top_k=sets.top_k, shortlist=sets.shortlist, keep_bytes=sets.keep_bytes)


def prove(encoder: "Encoder", sets: "Iterable[ReferenceSet]") -> None:
    """Check that the encoder gives the packaged probe picture the vector that each set recorded when it was made.

    The fingerprint says that the encoder is the same; this says that it still counts the same here, on this machine.

    Raises:
        embedding.choose.EncoderError: naming the sets for which it does not.
    """
    from embedding.encoder import EncoderError
    from embedding.probe import agrees_with, probe_vector

    vector = probe_vector(encoder)
    strangers = [known.name for known in sets if not agrees_with(vector, known.probe)]
    if strangers:
        raise EncoderError(
            f"the encoder {encoder.fingerprint} sees the packaged probe picture differently than it did when these "
            f"sets were made: {', '.join(strangers)}; use the device, precision and library versions of that time, "
            "or make the sets again with `vigilens sets create` and `vigilens sets add`"
        )
