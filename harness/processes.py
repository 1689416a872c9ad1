"""Child processes that die with this one, whatever ends it: an exception, Ctrl-C, even kill -9."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Leash:
    """Starts programs in one process group, led by a shell that kills the group when this process is gone.

    The shell waits at the read end of a pipe whose write end only this process holds, so it learns of any kind of
    death. (PR_SET_PDEATHSIG would tie the children to the *thread* that started them.) A group of their own also
    keeps the terminal's Ctrl-C from the children: who holds the leash stops them in the right order.

    Use it as a context manager; on leaving, all that still runs is killed.
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
        """Starts a program whose output, stdout and stderr, is appended to `log`.

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
        """Kills all that still runs and waits until it is gone."""
        if self._leader.stdin is not None:
            self._leader.stdin.close()
        self._leader.wait()
        for child in self._children:
            child.wait()
        self._children.clear()


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message; empty if there is no such file."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
