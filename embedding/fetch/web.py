"""Addresses → bytes: configured hosts only, each redirect checked, one deadline for everything.

A connection serves one request. Proxies, cookies and stored passwords are not used: the environment and .netrc are not
read for them. Certificates are checked against the system's authorities (SSL_CERT_FILE).
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from embedding.fetch.address import Address, Permitted, Refused
from embedding.image import Reason, Unreadable

MAX_REDIRECTS = 5  # enough for http → https → CDN; a loop ends soon
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_OK = 200
_CHUNK_BYTES = 65_536
_HEADERS = {"Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "vigilens"}


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


def _connect(address: Address, deadline: Deadline) -> socket.socket:
    """A connection to the first of the host's IP addresses that answers, within the time that is left."""
    problem: OSError | None = None
    for family, kind, protocol, _, ip_address in socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM
    ):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(deadline.remaining())
            connection.connect(ip_address)
            deadline.cut_later(connection)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem or OSError("the host has no IP address")


class _Http(HTTPConnection):
    """urllib3's connection over our own socket."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        super().__init__(address.host, address.port, timeout=deadline.remaining())
        self._address, self._deadline = address, deadline

    def _new_conn(self) -> socket.socket:
        return _connect(self._address, self._deadline)


class _Https(HTTPSConnection):
    """The same with TLS; the certificate must be valid for the host."""

    def __init__(self, address: Address, deadline: Deadline, tls: ssl.SSLContext) -> None:
        super().__init__(address.host, address.port, timeout=deadline.remaining(), ssl_context=tls)
        self._address, self._deadline = address, deadline

    def _new_conn(self) -> socket.socket:
        return _connect(self._address, self._deadline)


class Web:
    """Fetches addresses. Safe to call from several threads.

    Args:
        hosts: see `Permitted`.
        allow_http: also permit http://, not only https://.
        max_bytes: cap on a body.
        timeout_s: seconds for one address, including redirects.
    """

    def __init__(self, hosts: Iterable[str], *, allow_http: bool, max_bytes: int, timeout_s: float) -> None:
        self._permitted = Permitted(hosts, allow_http=allow_http)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context()

    def fetch(self, url: str) -> bytes | Unreadable:
        """The body at `url`; it may exceed the cap, which the caller refuses."""
        timed_out = Unreadable(Reason.FETCH_TIMED_OUT, f"not received within {self._timeout_s:g} seconds")
        with Deadline(self._timeout_s) as deadline:
            try:
                found = self._follow(url, deadline)
            except Refused as refusal:
                return Unreadable(Reason.SOURCE_NOT_ALLOWED, str(refusal))
            except Exception as error:  # noqa: BLE001 (untrusted input: sockets, TLS and two HTTP parsers raise here)
                if deadline.passed or isinstance(error, TimeoutError):
                    return timed_out
                return Unreadable(Reason.FETCH_FAILED, f"the host did not answer properly ({type(error).__name__})")
            # A body without a length ends where the connection ends, so one that was cut looks complete.
            return timed_out if deadline.passed else found

    def _follow(self, url: str, deadline: Deadline) -> bytes | Unreadable:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._request(self._permitted.address(url), deadline)
            if not isinstance(answer, str):
                return answer
            url = urljoin(url, answer)
        return Unreadable(Reason.FETCH_FAILED, f"more than {MAX_REDIRECTS} redirects")

    def _request(self, address: Address, deadline: Deadline) -> bytes | Unreadable | str:
        """The body, a refusal, or the address that a redirect names."""
        secure = address.scheme == "https"
        connection = _Https(address, deadline, self._tls) if secure else _Http(address, deadline)
        with contextlib.closing(connection):
            connection.request("GET", address.target, headers=_HEADERS, preload_content=False, decode_content=False)
            response = connection.getresponse()
            place = response.headers.get("Location")
            if response.status in _REDIRECTS and place is not None:
                return place
            return self._body(response)

    def _body(self, response: BaseHTTPResponse) -> bytes | Unreadable:
        if response.status in _GONE:
            return Unreadable(Reason.NOT_FOUND, f"the host answered {response.status}")
        if response.status != _OK:
            return Unreadable(Reason.FETCH_FAILED, f"the host answered {response.status}")
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            return Unreadable(Reason.FETCH_FAILED, "the host sent compressed bytes, which we did not ask for")
        body = bytearray()
        while chunk := response.read(_CHUNK_BYTES, decode_content=False):
            body += chunk
            if len(body) > self._max_bytes:
                break
        return bytes(body)
