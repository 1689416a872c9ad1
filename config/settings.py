"""One frozen value for all settings: types, limits and impossible combinations.

default.toml holds every default and its reason, so the models have no defaults. A test checks that both have the same
keys. `config.load.load()` builds the value.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator

BATCH_SPARE = 700_000  # bytes of a record beside its image: attributes at their limit, headers, a little more
ENCODER_NAME = re.compile(r"(?!.*__)[a-z][a-z0-9_]{0,31}")
NAMES_OF_ENCODERS = "1-32 small letters, digits and single _, a letter first, and not exact"
BUILT_IN = ("words", "pdq", "relatives")  # encoders that are there without being named
NEEDED: dict[str, tuple[str, ...]] = {
    "openclip": ("model", "checkpoint"),
    "timm": ("model", "checkpoint"),
    "onnx": ("checkpoint",),
}
NO_CHOICE: tuple[object, ...] = ("", "auto", "cpu", {})  # values that are true of any encoder
# What a kind does not use. It is refused: who sets it expects that it has an effect.
NOT_USED: dict[str, tuple[str, ...]] = {
    "words": ("model", "checkpoint", "device", "input"),
    "pdq": ("model", "checkpoint", "device", "precision", "input"),
    "relatives": ("model", "checkpoint", "input"),
    "openclip": ("input",),
    "timm": ("input",),
    "onnx": ("model", "precision"),
}
Topic = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")  # Kafka's own rule for names of topics


class Section(BaseModel):
    """A table of the file; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Kafka(Section):
    """Brokers, topics, and our identity in the consumer group."""

    bootstrap_servers: str = Field(min_length=1)
    group: str = Field(min_length=1)
    instance: str = Field(pattern=r"^[A-Za-z0-9._-]*$")
    images_topic: str = Topic
    verdicts_topic: str = Topic
    metrics_topic: str = Topic
    alerts_topic: str = Field(pattern=r"^[A-Za-z0-9._-]{0,249}$")
    jobs_topic: str = Topic
    start: Literal["earliest", "latest"]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    sasl_username: str
    sasl_password: SecretStr
    ssl_cafile: str
    ssl_certfile: str
    ssl_keyfile: str
    ssl_key_password: SecretStr
    session_timeout_s: float = Field(ge=6, le=1800)
    max_poll_interval_s: float = Field(ge=10)
    transaction_timeout_s: float = Field(ge=5, le=900)
    max_batch_bytes: int = Field(ge=1_048_576, le=2_000_000_000)


class Batch(Section):
    """When a batch closes, and how many are in progress at a time."""

    images: int = Field(ge=1, le=16_384)
    bytes: int = Field(ge=1)
    wait_ms: int = Field(ge=0, le=60_000)
    depth: int = Field(ge=1, le=16)
    workers: int = Field(ge=0, le=1024)


class Images(Section):
    """What may be fetched and decoded."""

    max_bytes: int = Field(ge=1, le=500_000_000)
    max_pixels: int = Field(ge=1, le=1_000_000_000)
    max_views: int = Field(ge=1, le=256)
    unseen: Literal["allow", "review", "unscannable"]
    reduce_jpegs: bool
    recent_bytes: int = Field(ge=0)
    roots: tuple[Path, ...]
    hosts: tuple[str, ...]
    allow_http: bool
    fetch_timeout_s: float = Field(gt=0, le=300)
    max_attributes_bytes: int = Field(ge=0, le=500_000)


class Decode(Section):
    """What decoding one image may take, in a process of its own."""

    cpu_s: float = Field(gt=0, le=3600)
    wall_s: float = Field(ge=1, le=3600)
    memory_bytes: int = Field(ge=1 << 29, le=1 << 40)


class Encoder(Section):
    """How vectors are made of pictures: a table [encoders.NAME]. Only here, the models have defaults: of new tables."""

    kind: Literal["words", "pdq", "relatives", "openclip", "timm", "onnx"]
    model: str = ""
    checkpoint: str = ""
    projection: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    input: dict[str, JsonValue] = {}


class Milvus(Section):
    """Where the sets are."""

    uri: str = Field(min_length=1)
    token: SecretStr
    database: str
    timeout_s: float = Field(gt=0, le=600)
    ready_s: float = Field(ge=0, le=86400)


class Sets(Section):
    """Which sets are matched, and how."""

    use: tuple[str, ...]
    default_encoder: str
    top_k: int = Field(ge=2, le=100)
    shortlist: int = Field(ge=2, le=1000)
    parts: bool
    keep_bytes: int = Field(ge=0)
    keep_on_disk_bytes: int = Field(ge=0)
    keep_folder: str = Field(min_length=1)
    cache_dir: str
    refresh_s: float = Field(ge=0)


class Waiting(Section):
    """How long we wait for a dependency that is away."""

    give_up_s: float = Field(gt=0)


class Http(Section):
    """The port for metrics and health checks."""

    host: str = Field(min_length=1)
    port: int = Field(ge=0, le=65_535)


class Metrics(Section):
    """The records of the metrics topic."""

    heartbeat_s: float = Field(ge=1, le=3600)


class Breaker(Section):
    """When a reference that matches too much is limited to review."""

    attribute: str
    least: int = Field(ge=1)
    factor: float = Field(ge=1)
    people: int = Field(ge=1, le=1000)
    below_severity: int = Field(ge=0, le=101)


class Notify(Section):
    """Where `vigilens notify` sends alerts."""

    url: SecretStr
    secret: SecretStr
    secret_file: str


class Otlp(Section):
    """Where metrics and traces are sent by OpenTelemetry's protocol."""

    endpoint: str = Field(pattern=r"^(https?://.+)?$")


class Log(Section):
    """Format and level of the log."""

    format: Literal["auto", "text", "json"]
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Settings(Section):
    """All settings."""

    kafka: Kafka
    batch: Batch
    images: Images
    decode: Decode
    encoders: dict[str, Encoder]
    milvus: Milvus
    sets: Sets
    waiting: Waiting
    http: Http
    metrics: Metrics
    breaker: Breaker
    notify: Notify
    otlp: Otlp
    log: Log

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if mistakes := list(contradictions(self)):
            raise ValueError("\n".join(mistakes))
        return self


def contradictions(settings: Settings) -> Iterator[str]:
    """Impossible combinations, one sentence each, with full keys: the loader uses them to name the sources."""
    kafka, waiting = settings.kafka, settings.waiting
    yield from _of_kafka(kafka, settings.images)
    yield from _of_encoders(settings.encoders, settings.sets.default_encoder)
    if re.match(r"\w+://[^/]*@", settings.milvus.uri):
        yield 'milvus.uri must not hold a password: put "user:password" into milvus.token, where it stays secret'
    if settings.notify.secret.get_secret_value() and settings.notify.secret_file:
        yield "notify.secret and notify.secret_file say the same: set one of them"
    if waiting.give_up_s >= kafka.max_poll_interval_s:
        yield (
            "waiting.give_up_s must be less than kafka.max_poll_interval_s, "
            "or Kafka assigns the partitions to another process while we wait"
        )
    if settings.milvus.timeout_s > waiting.give_up_s:
        yield "milvus.timeout_s must not be more than waiting.give_up_s"


def _of_encoders(encoders: Mapping[str, Encoder], default: str) -> Iterator[str]:
    for name, each in encoders.items():
        here = f"encoders.{name}"
        if not ENCODER_NAME.fullmatch(name) or name == "exact":
            yield f'{here}.kind: "{name}" cannot name an encoder: take {NAMES_OF_ENCODERS}'
        if name in BUILT_IN and each.kind != name:
            yield f"{here}.kind must be {name}, which is built in: take another name for another encoder"
        for key in NEEDED.get(each.kind, ()):
            if not getattr(each, key):
                yield f"{here}.kind is {each.kind}, which needs {here}.{key} (nothing is downloaded)"
        for key in NOT_USED.get(each.kind, ()):
            if getattr(each, key) not in NO_CHOICE:
                yield f"{here}.{key} has no effect, because {here}.kind is {each.kind}: remove it"
    if default not in encoders:
        yield f"sets.default_encoder is {default}, but the encoders are {', '.join(sorted(encoders))}"


def _of_kafka(kafka: Kafka, images: Images) -> Iterator[str]:
    sasl = kafka.security_protocol.startswith("SASL")
    if sasl and not (kafka.sasl_mechanism and kafka.sasl_username and kafka.sasl_password.get_secret_value()):
        yield (
            f"kafka.security_protocol is {kafka.security_protocol}, which needs "
            "kafka.sasl_mechanism, kafka.sasl_username and kafka.sasl_password"
        )
    if kafka.sasl_mechanism and not sasl:
        yield "kafka.sasl_mechanism is set, so kafka.security_protocol must be SASL_SSL or SASL_PLAINTEXT"
    if bool(kafka.ssl_certfile) != bool(kafka.ssl_keyfile):
        yield "kafka.ssl_certfile and kafka.ssl_keyfile go together: set both or none"
    topics = [kafka.images_topic, kafka.verdicts_topic, kafka.metrics_topic, kafka.alerts_topic, kafka.jobs_topic]
    if len(set(topics)) < len(topics):
        keys = "kafka.images_topic, kafka.verdicts_topic, kafka.metrics_topic, kafka.alerts_topic and kafka.jobs_topic"
        yield f"{keys} must be different topics"
    if kafka.max_batch_bytes < (least := images.max_bytes * 4 // 3 + BATCH_SPARE):
        yield (
            f"kafka.max_batch_bytes must be at least {least}, "
            "or an image of images.max_bytes in base64 is refused with its record batch"
        )
