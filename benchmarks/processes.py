"""Separate processes for the ways that `throughput` compares: the number of threads is set for a whole process."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Process:
    """A process that answers through a pipe; ends with the `with` block.

    Args:
        target: its function; gets a pipe, then the arguments.
        one_thread: one thread for each library, as the command line `vigilens` sets it, because the workers run in
            parallel; otherwise the libraries' default.
    """

    def __init__(self, target: Callable[..., None], *arguments: object, one_thread: bool) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        with threads(one_thread=one_thread):
            self._process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs, *arguments))
            self._process.start()
        theirs.close()

    def __enter__(self) -> Connection:
        return self._pipe

    def __exit__(self, *_: object) -> None:
        # Not terminate(): the loader's workers would keep running.
        self._pipe.close()
        self._process.join()


def answer(pipe: Connection, ways: dict[str, Callable[[Sequence[bytes]], Any]]) -> None:
    """Run in such a process: call the way that a message names and send its result, until the pipe is closed."""
    while True:
        try:
            way, files = pipe.recv()
        except EOFError:
            return
        pipe.send(ways[way](files))


def receive_first(pipe: Connection) -> Any:
    """The first message of such a process.

    Raises:
        SystemExit: it ended before.
    """
    try:
        return pipe.recv()
    except EOFError:
        raise SystemExit("a process of this benchmark ended before it was ready; its output is above") from None


@contextmanager
def threads(*, one_thread: bool) -> Iterator[None]:
    """The environment for processes started in the block: one thread for each library, or the libraries' default."""
    before: dict[str, Any] = {name: os.environ.pop(name, None) for name in _THREADS}
    if one_thread:
        os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
