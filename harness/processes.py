"""Child processes that end when this one ends for any reason: an exception, Ctrl-C, even kill -9."""

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self


class Leash:
    """Starts programs in one process group, led by a shell that kills the group when this process ends.

    The shell reads from a pipe whose write end only this process holds, so it notices any kind of end.
    (PR_SET_PDEATHSIG would tie the children to the *thread* that started them.) In a separate group the children also
    do not get the terminal's Ctrl-C, so this process can stop them in the right order.

    Use it as a context manager; at the end all programs that still run are killed.
    """

    def __init__(self) -> None:
        self._leader = subprocess.Popen(
            ["/bin/sh", "-c", "read _; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0
        )
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program whose output, stdout and stderr, is appended to `log`.

        Args:
            command: the program and its arguments.
            log: file for the output.
            env: the whole environment; None: this process's.
            folder: working directory; None: this process's.
        """
        with log.open("ab") as out:
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=folder,
                process_group=self._leader.pid,
            )
        self._children.append(child)
        return child

    def close(self) -> None:
        """Kill all programs that still run and wait until they have ended."""
        if self._leader.stdin is not None:
            self._leader.stdin.close()
        self._leader.wait()
        for child in self._children:
            child.wait()
        self._children.clear()


class ProgramFailed(Exception):  # noqa: N818 (named after what happened)
    """A program ended, does not answer in time, or does not stop; the message holds the end of its log."""


class Program:
    """A program on a leash that can be started, ended and stalled again and again. Several threads may use it at once.

    Args:
        name: for messages.
        command: the program and its arguments.
        log: file for its output.
        leash: kills it if this process dies.
        env: its whole environment; None: this process's.
        folder: its working directory; None: this process's.
        stop_timeout_s: seconds that it may take to stop.

    Attributes:
        name: for messages.
        log: file for its output.
        started_at: time.monotonic of its newest start.
    """

    def __init__(  # noqa: PLR0913 (one for each thing that a process needs)
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        leash: Leash,
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stop_timeout_s: float = 30.0,
    ) -> None:
        self.name = name
        self.log = log
        self.started_at = 0.0
        self._begin = partial(leash.start, command, log, env=env, folder=folder)
        self._stop_timeout_s = stop_timeout_s
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None  # None: it should not run

    @property
    def pid(self) -> int | None:
        """The process's id; None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it, unless it runs already; returns at once."""
        with self._lock:
            if self.pid is None:
                self.started_at = time.monotonic()
                self._process = self._begin()

    def stop(self) -> int:
        """End it in an orderly way (SIGTERM) and wait; returns its exit code, 0 if it was not started.

        Raises:
            ProgramFailed: it did not stop in time, and was killed.
        """
        process = self._release()
        if process is None:
            return 0
        for number in (signal.SIGCONT, signal.SIGTERM):
            process.send_signal(number)
        try:
            return process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ProgramFailed(
                f"{self.name} did not stop within {self._stop_timeout_s:.0f} s; {self.end_of_log()}"
            ) from None

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL) and wait until it has ended."""
        process = self._release()
        if process is not None:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """Stall it (SIGSTOP): it keeps its connections but does not answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End the stall (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def check(self) -> None:
        """Raise ProgramFailed if it exited unexpectedly."""
        process = self._process
        if process is not None and process.poll() is not None:
            raise ProgramFailed(f"{self.name} ended with code {process.returncode}; {self.end_of_log()}")

    def end_of_log(self) -> str:
        """The last lines of its log, and the log's path."""
        return f"its log {self.log} ends with\n{tail(self.log)}"

    def _release(self) -> "subprocess.Popen[bytes] | None":
        """The process; from now on its end is expected."""
        with self._lock:
            process, self._process = self._process, None
            return process

    def _signal(self, number: int) -> None:
        process = self._process
        if process is not None:
            process.send_signal(number)  # does nothing if it has ended


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message; empty if there is no such file."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
