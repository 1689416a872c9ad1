"""The service as an operator runs it: `vigilens run` with its own vigilens.toml, in a separate process."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from config.load import PREFIX
from harness.processes import Leash, Program, ProgramFailed

READY_TIMEOUT_S = 90.0  # 3 s on an idle machine: torch, pymilvus, the group's first rebalance
STOP_TIMEOUT_S = 20.0


class Service(Program):
    """`vigilens run` as a process."""

    def wait_until_ready(self) -> float:
        """Wait until /ready answers 200; returns the seconds since its start.

        Raises:
            ProgramFailed: it has ended, or is not ready in time.
        """
        why = "it has not opened its port"
        while time.monotonic() - self.started_at < READY_TIMEOUT_S:
            self.check()
            address = address_in(self.log)
            if address and not (why := _waiting_for(address)):
                return time.monotonic() - self.started_at
            time.sleep(0.05)
        raise ProgramFailed(f"{self.name} is not ready after {READY_TIMEOUT_S:.0f} s: {why}; {self.end_of_log()}")

    def stop(self) -> int:
        """As for any program.

        Raises:
            ProgramFailed: it does not stop, or its exit code is not 0.
        """
        if code := super().stop():
            raise ProgramFailed(f"{self.name} ended with code {code}; {self.end_of_log()}")
        return 0


@contextmanager
def service(folder: Path, settings_file: Path, leash: Leash, program: str = "vigilens.cli") -> Iterator[Service]:
    """Start the service; stop it by SIGTERM unless the body has done so.

    Args:
        folder: its working directory; its log is service.log in it.
        settings_file: its settings. It does not get this process's variables VIGILENS_….
        leash: kills it if this process dies.
        program: module with the command line.
    """
    log = folder / "service.log"
    command: list[str | Path] = [sys.executable, "-m", program, "--config", settings_file, "run"]
    env = plain_environment(os.environ)
    running = Service("the service", command, log, leash, env=env, folder=folder, stop_timeout_s=STOP_TIMEOUT_S)
    running.start()
    try:
        yield running
    except BaseException:
        with suppress(ProgramFailed):  # something else has gone wrong already
            running.stop()
        raise
    running.stop()


def plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings of Vigilens, so that the demo is the same everywhere; imports work as here."""
    kept = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    root = str(Path(__file__).parents[1])
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))}


def write_settings(file: Path, tables: Mapping[str, Mapping[str, object]]) -> None:
    """Write a vigilens.toml. Strings, numbers, booleans and lists of strings are written the same in TOML and JSON."""
    lines = ["# Written by `vigilens demo`."]
    for table, keys in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    file.write_text("\n".join(lines) + "\n")


def address_in(log: Path) -> str:
    """The address of the HTTP port, which is any free one: the first line of the log has it."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("{") and '"http"' in line:
            return str(json.loads(line)["http"])
    return ""


def _waiting_for(address: str) -> str:
    """What the service still waits for; empty when it is ready."""
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=2) as answer:  # noqa: S310 (our own loopback port)
            return "" if answer.status == 200 else "it is not ready"  # noqa: PLR2004 (HTTP OK)
    except OSError as error:  # also a time-out, while it imports what it needs
        return str(getattr(error, "read", lambda: b"")().decode() or error)
