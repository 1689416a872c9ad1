"""One frozen value from three places: default.toml, the operator's file, the environment (the later wins).

default.toml holds every default and its reason; the models here hold types, limits and impossible combinations.
"""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULTS = Path(__file__).with_name("default.toml")
PREFIX = "VIGILENS_"
FILE_VARIABLE = PREFIX + "CONFIG"


class SettingsError(Exception):
    """Something in the settings is wrong; the message lists all mistakes with their places."""


class Section(BaseModel):
    """A table of the file; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Section):
    """Brokers, topics, and who we are in the group."""

    bootstrap_servers: str = Field(min_length=1)
    group: str = Field(min_length=1)
    instance: str = Field(pattern=r"^[A-Za-z0-9._-]*$")
    images_topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    verdicts_topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    metrics_topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
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

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.sasl_mechanism and self.sasl_username):
            raise ValueError(f"{self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password")
        if len({self.images_topic, self.verdicts_topic, self.metrics_topic}) < 3:  # noqa: PLR2004 (three topics)
            raise ValueError("images_topic, verdicts_topic and metrics_topic must be three different topics")
        return self


class Batch(Section):
    """When a batch closes, and how many are under way."""

    images: int = Field(ge=1, le=16_384)
    bytes: int = Field(ge=1)
    wait_ms: int = Field(ge=0, le=60_000)
    depth: int = Field(ge=1, le=16)


class Images(Section):
    """What may be fetched and decoded."""

    max_bytes: int = Field(ge=1, le=500_000_000)
    max_pixels: int = Field(ge=1, le=1_000_000_000)
    roots: tuple[Path, ...]
    hosts: tuple[str, ...]
    allow_http: bool
    fetch_timeout_s: float = Field(gt=0, le=300)
    max_attributes_bytes: int = Field(ge=0, le=500_000)


class Encoder(Section):
    """What makes pictures comparable."""

    name: Literal["pdq", "openclip"]
    model: str
    checkpoint: str
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]

    @model_validator(mode="after")
    def _openclip_is_whole(self) -> Self:
        if self.name == "openclip" and not (self.model and self.checkpoint):
            raise ValueError('name = "openclip" needs model and checkpoint (a local file; nothing is downloaded)')
        return self


class Milvus(Section):
    """Where the sets are."""

    uri: str = Field(min_length=1)
    token: SecretStr
    database: str
    timeout_s: float = Field(gt=0, le=600)


class Sets(Section):
    """Which sets are matched, and how."""

    use: tuple[str, ...]
    top_k: int = Field(ge=2, le=100)
    refresh_s: float = Field(ge=0)


class Waiting(Section):
    """How long we wait for what is away."""

    give_up_s: float = Field(gt=0)


class Http(Section):
    """The port for machines that watch us."""

    host: str
    port: int = Field(ge=0, le=65_535)


class Log(Section):
    """Form and amount of the log."""

    format: Literal["auto", "text", "json"]
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Settings(BaseSettings):
    """All settings. Build it with `load()`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", nested_model_default_partial_update=True
    )

    kafka: Kafka
    batch: Batch
    images: Images
    encoder: Encoder
    milvus: Milvus
    sets: Sets
    waiting: Waiting
    http: Http
    log: Log

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if self.waiting.give_up_s >= self.kafka.max_poll_interval_s:
            raise ValueError(
                "waiting.give_up_s must be less than kafka.max_poll_interval_s, "
                "or Kafka gives the partitions away while we wait"
            )
        if self.milvus.timeout_s > self.waiting.give_up_s:
            raise ValueError("milvus.timeout_s must not be more than waiting.give_up_s")
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over the operator's file over default.toml."""
        file: Path | None = init_settings().get("file")  # type: ignore[assignment]
        files = [DEFAULTS] if file is None else [file, DEFAULTS]
        return (EnvSettingsSource(settings_cls), *(TomlConfigSettingsSource(settings_cls, path) for path in files))


def find_file(given: Path | None) -> Path | None:
    """The operator's file: as given, else $VIGILENS_CONFIG, else ./vigilens.toml if there is one."""
    if given is None and os.environ.get(FILE_VARIABLE):
        given = Path(os.environ[FILE_VARIABLE])
    if given is not None and not given.is_file():
        raise SettingsError(f"{given}: no such file")
    here = Path("vigilens.toml")
    return given or (here if here.is_file() else None)


def load(file: Path | None = None) -> Settings:
    """Settings in force. All mistakes are reported at once.

    Raises:
        SettingsError: with one line for each mistake, naming the key and where it was set.
    """
    raise NotImplementedError
