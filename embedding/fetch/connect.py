"""A connection to a host, under a deadline that also cuts it later."""

import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from embedding.fetch.resources import lacking

# A host's next address is tried so long after the one before (RFC 8305), and the earlier ones are still waited for.
HEAD_START_S = 0.25
_RESOLVE_AGAIN_S = 0.25


class Deadline:
    """Cuts the connection when the time is up, even if the other side keeps sending single bytes.

    A socket's own timeout starts again with each byte. This one does not: a timer shuts the socket down, and whatever
    waits for it (handshake, headers, body) wakes up. It cannot cut the resolving of a name; the resolver has its own
    limits (resolv.conf), and the names come from the operator.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.passed = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            self._release()

    def remaining(self) -> float:
        """Seconds left.

        Raises:
            TimeoutError: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0 or self.passed:
            self.passed = True
            raise TimeoutError
        return left

    def cut_later(self, connection: socket.socket) -> None:
        """Cut this connection when time is up, and no longer the one before.

        We keep a second descriptor: TLS takes over the first one, and its number could be reused for another file.
        """
        with self._lock:
            self._release()
            self._connection = connection.dup()
            if self.passed:
                self._shut_down()

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                self._connection.shutdown(socket.SHUT_RDWR)

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connection to that one of the host's IP addresses which accepts first; `deadline` cuts it.

    An address that does not answer (IPv6 is broken in many networks) delays the next one by a moment, and hides none.

    Raises:
        OSError: none accepts; TimeoutError: none accepts in time; gaierror: the name has no address.
    """
    addresses = deque(_resolve(host, port, deadline))
    attempts: list[socket.socket] = []
    problem: OSError | None = None
    try:
        while addresses or attempts:
            if addresses:
                try:
                    attempts.append(_begin(*addresses.popleft()))
                except OSError as error:
                    if lacking(error):
                        raise
                    problem = error  # such as: this machine has no IPv6
                    continue
            wait_s = min(HEAD_START_S, deadline.remaining()) if addresses else deadline.remaining()
            for ended in _ended(attempts, wait_s):
                number = ended.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number == 0:
                    deadline.cut_later(ended)
                    ended.settimeout(deadline.remaining())
                    attempts.remove(ended)
                    return ended
                attempts.remove(ended)
                ended.close()
                problem = OSError(number, os.strerror(number))
    finally:
        for attempt in attempts:
            attempt.close()
    raise problem or OSError("the host has no IP address")


def _resolve(host: str, port: int, deadline: Deadline) -> list[tuple[Any, ...]]:
    """The host's addresses as (family, kind, protocol, address). A name server that is away is asked again."""
    while True:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            # The resolver calls a name unknown if it cannot open its files: then this raises the true error.
            os.close(os.open(os.devnull, os.O_RDONLY))
            if error.errno != socket.EAI_AGAIN or deadline.remaining() <= _RESOLVE_AGAIN_S:
                raise
            time.sleep(_RESOLVE_AGAIN_S)
        else:
            return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _begin(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    """A socket that connects to the address, without waiting for it."""
    attempt = socket.socket(family, kind, protocol)
    attempt.setblocking(False)
    try:
        attempt.connect(address)
    except BlockingIOError:
        pass
    except BaseException:
        attempt.close()
        raise
    return attempt


def _ended(attempts: list[socket.socket], wait_s: float) -> list[socket.socket]:
    """The attempts that have ended, in success or not, as soon as there is one."""
    poll = select.poll()  # unlike epoll it needs no descriptor of its own
    for attempt in attempts:
        poll.register(attempt, select.POLLOUT)
    ready = {number for number, _ in poll.poll(wait_s * 1000)}
    return [attempt for attempt in attempts if attempt.fileno() in ready]
