"""Processes of their own for the ways that `throughput` compares: threads are set for a whole process."""

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
        one_thread: for each library, as the command line `vigilens` sets it, for the workers are the parallelism; else
            as many as the libraries take by themselves.
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
        # Not terminate(): it would leave the loader's workers behind.
        self._pipe.close()
        self._process.join()


def answer(pipe: Connection, ways: dict[str, Callable[[Sequence[bytes]], Any]]) -> None:
    """In such a process: calls the way that is asked for and sends what it returns, until the pipe is closed."""
    while True:
        try:
            way, files = pipe.recv()
        except EOFError:
            return
        pipe.send(ways[way](files))


def first_word(pipe: Connection) -> Any:
    """What such a process says first.

    Raises:
        SystemExit: it ended instead.
    """
    try:
        return pipe.recv()
    except EOFError:
        raise SystemExit("a process of this benchmark ended before it was ready; what it says is above") from None


@contextmanager
def threads(*, one_thread: bool) -> Iterator[None]:
    """The environment of a process that is started in the block: one thread for each library, or its own number."""
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
