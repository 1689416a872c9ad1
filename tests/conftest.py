"""What all tests share: a real Kafka broker, fresh topics, and a seed that is printed."""

import random
import secrets
import signal
from collections.abc import Callable, Iterator

import pytest
from run import SEED, SEED_VARIABLE, Topics, missing

from harness.broker import Cluster, NoKafka, kafka

pytest_plugins = ["service_fixtures"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's `make test &`: our programs would ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"seed: {SEED} (repeat with {SEED_VARIABLE}={SEED})"


@pytest.fixture
def seed() -> int:
    """The run's seed: in the report's header, and repeatable by the environment."""
    return SEED


@pytest.fixture
def rng(seed: int) -> random.Random:
    """Random numbers from the run's seed, the same for a test whatever ran before it."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One Kafka node for the whole run. Take fresh topics from `topics`; never stop or stall it."""
    try:
        with kafka(tmp_path_factory.mktemp("kafka")) as cluster:
            yield cluster
    except NoKafka as why:
        missing(str(why))


@pytest.fixture(scope="session")
def make_topics(kafka_cluster: Cluster) -> Callable[..., Topics]:
    """Makes fresh topics; `make_topics(partitions=6)` where the default of 3 does not fit."""

    def make(partitions: int = 3) -> Topics:
        tag = secrets.token_hex(4)
        made = Topics(f"images-{tag}", f"verdicts-{tag}", f"metrics-{tag}", f"group-{tag}", f"alerts-{tag}")
        kafka_cluster.make_topics(
            dict.fromkeys((made.images, made.verdicts, made.metrics), partitions) | {made.alerts: 1}
        )
        return made

    return make


@pytest.fixture
def topics(make_topics: Callable[..., Topics]) -> Topics:
    """Three fresh topics of 3 partitions each, and one for alerts."""
    return make_topics()
