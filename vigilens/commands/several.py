"""`vigilens run --processes N`: several processes of the service on one machine, started and stopped together.

They share the work as members of one consumer group, exactly like processes on several machines. If one ends, the
others are stopped too, and the exit code is its own: whoever supervises this command starts all of them again.
"""

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from config.settings import Settings

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def run(settings: "Settings", number: int, file: str | None) -> int:
    """Run the processes until a signal comes or one of them ends, and return the exit code.

    Args:
        settings: as read; each process reads them again, with its own share of workers, port and instance.
        number: of processes.
        file: the settings file that was named on the command line, if any.

    Raises:
        click.UsageError: a Milvus Lite file can be opened by one process only.
    """
    if "://" not in settings.milvus.uri:
        raise click.UsageError(
            f"--processes needs a Milvus server: {settings.milvus.uri} can be opened by one process only. `vigilens "
            "milvus` serves it to several; set milvus.uri to the address that it prints"
        )
    named = ["--config", file] if file else []
    command = [sys.executable, "-m", "vigilens.cli", *named, "run"]
    children = [subprocess.Popen(command, env=environment(settings, number, each)) for each in range(number)]
    asked = threading.Event()

    def stop(signal_: int, _: object) -> None:
        asked.set()
        _send(children, signal_)

    before = {each: signal.signal(each, stop) for each in _STOPPING}
    try:
        code = _first_to_end(children)
        if not asked.is_set():
            _send(children, signal.SIGTERM)
        codes = [child.wait() for child in children]
        return code or max(map(abs, codes))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def environment(settings: "Settings", number: int, index: int) -> Mapping[str, str]:
    """Return the environment of one process: its share of the workers, its own port and instance."""
    from matcher.workers import cores  # noqa: PLC0415 (--help should not wait for it)

    own = {"VIGILENS_BATCH__WORKERS": str(math.ceil((settings.batch.workers or cores()) / number))}
    if settings.http.port:
        own["VIGILENS_HTTP__PORT"] = str(settings.http.port + index)
    if settings.kafka.instance:
        own["VIGILENS_KAFKA__INSTANCE"] = f"{settings.kafka.instance}-{index}"
    return {**os.environ, **own}


def _first_to_end(children: Sequence["subprocess.Popen[bytes]"]) -> int:
    """Wait until one of the processes ends, and return its exit code."""
    pid, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    for child in children:
        if child.pid == pid:
            child.returncode = code
    return abs(code)


def _send(children: Sequence["subprocess.Popen[bytes]"], number: int) -> None:
    for child in children:
        with suppress(ProcessLookupError):
            child.send_signal(number)
