"""A real Prometheus on this machine: from the PATH, or from where `make prometheus` put it."""

import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.ports import free_ports
from harness.processes import Leash, tail

FOLDER = Path(__file__).parents[1] / ".cache/prometheus/usr/bin"
START_TIMEOUT_S = 30.0
_CALL_TIMEOUT_S = 10.0


class NoPrometheus(Exception):  # noqa: N818 (named after what is missing)
    """The program is not installed; the message says how to install it."""


def program(name: str) -> Path:
    """Path of `prometheus`, `promtool`, `amtool` or `prometheus-alertmanager`.

    Raises:
        NoPrometheus: it is not installed.
    """
    path = shutil.which(name) or shutil.which(FOLDER / name)
    if path is None:
        raise NoPrometheus(f"{name} is not installed: run `make prometheus`, or install Debian's package")
    return Path(path)


class Prometheus:
    """A running Prometheus.

    Attributes:
        address: of its HTTP port.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **arguments: str | float) -> Any:
        """What `data` of an answer of its API holds.

        Raises:
            ValueError: it refuses the request, for example a query with a mistake; the message is its own.
        """
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=_CALL_TIMEOUT_S) as answer:  # noqa: S310 (our own port)
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{error.read().decode()} for {arguments}") from None

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Its series now: `metric` and `value` of each."""
        found: list[dict[str, Any]] = self.get("query", query=expr)["result"]
        return found

    def query_range(self, expr: str, start: float, end: float, step: float = 1.0) -> list[dict[str, Any]]:
        """Its series between two times, seconds since 1970: `metric` and `values` of each."""
        found: list[dict[str, Any]] = self.get("query_range", query=expr, start=start, end=end, step=step)["result"]
        return found

    def scraped(self) -> Mapping[str, str]:
        """Target (host:port) → "up", "down" or "unknown"."""
        return {each["labels"]["instance"]: each["health"] for each in self.get("targets")["activeTargets"]}


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], rules: Sequence[Path] = (), *, interval_s: int = 1
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `targets` as the job "vigilens", until the body ends.

    Args:
        folder: for its data and its log; must exist.
        targets: host:port of each.
        rules: files of rules, evaluated as often as it scrapes.
        interval_s: seconds between two scrapes.

    Raises:
        NoPrometheus: it is not installed.
        TimeoutError: it did not become ready; the message holds the end of its log.
    """
    every = f"{interval_s}s"
    settings = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(path.resolve()) for path in rules],
        "scrape_configs": [{"job_name": "vigilens", "static_configs": [{"targets": list(targets)}]}],
    }
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_text(json.dumps(settings))  # JSON is YAML
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command: list[str | Path] = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
    ]
    with Leash() as leash:
        leash.start(command, log)
        _wait(f"http://{address}", log)
        yield Prometheus(f"http://{address}")


def _wait(address: str, log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/-/ready", timeout=1):  # noqa: S310 (our own port)
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"Prometheus did not become ready; its log ends with\n{tail(log)}")
