"""Addresses → bytes: configured hosts only, each redirect checked, one deadline and one byte limit for everything.

A connection serves one request. Proxies, cookies and stored passwords are never used: the environment and .netrc are
not read for them. Certificates are checked against the system's authorities (SSL_CERT_FILE).
"""

import contextlib
import io
import socket
import ssl
from collections.abc import Iterable
from functools import partial
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from embedding.fetch.address import Address, Permitted, Refused
from embedding.fetch.connect import Deadline, connect
from embedding.fetch.failures import explained
from embedding.fetch.resources import lacking
from embedding.image import Reason, Unreadable

MAX_REDIRECTS = 5  # enough for http → https → CDN; a loop ends soon
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_OK = 200
_CHUNK_BYTES = 65_536
# Beyond the image's own bytes: headers of six answers (http.client takes 100 lines of 64 KiB of each), and the sizes of
# chunks, which are an eighth of the body with chunks of 50 bytes.
_SPARE_BYTES = 1_048_576
_SPARE_SHARE = 8
_HEADERS = {"Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "vigilens"}


class _Allowance:
    """The bytes that may still be received for one image, headers and redirects included.

    It is kept where both HTTP parsers read, so it holds whatever they believe: `http.client` takes a chunk of -1 bytes
    for all that comes.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    @property
    def spent(self) -> bool:
        """Whether more was sent than is allowed."""
        return self.left < 0


class _Metered(io.RawIOBase):
    """What a connection sends, as far as the allowance permits."""

    def __init__(self, connection: io.RawIOBase, allowance: _Allowance) -> None:
        self._connection, self._allowance = connection, allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read at most what is left and one byte.

        Raises:
            OSError: more was sent than is allowed.
        """
        received: int | None = self._connection.readinto(memoryview(buffer)[: self._allowance.left + 1])
        self._allowance.left -= received or 0
        if self._allowance.spent:
            raise OSError("more bytes than an image may have")
        return received

    def close(self) -> None:
        super().close()
        self._connection.close()


class _Response(HTTPResponse):
    """http.client's response, reading through an allowance."""

    def __init__(self, connection: socket.socket, *args: Any, allowance: _Allowance, **options: Any) -> None:
        super().__init__(connection, *args, **options)
        self.fp = io.BufferedReader(_Metered(self.fp.detach(), allowance))


class _Http(HTTPConnection):
    """urllib3's connection over our own socket."""

    def __init__(self, address: Address, deadline: Deadline, allowance: _Allowance, **options: Any) -> None:
        super().__init__(address.host, address.port, timeout=deadline.remaining(), **options)
        self._address, self._deadline = address, deadline
        self.response_class = partial(_Response, allowance=allowance)  # type: ignore[assignment]  # it is called only

    def _new_conn(self) -> socket.socket:
        return connect(self._address.host, self._address.port, self._deadline)


class _Https(_Http, HTTPSConnection):
    """The same with TLS; the certificate must be valid for the host."""


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
        """The body at `url`; it may exceed the cap, which the caller refuses.

        Raises:
            Exception: this process lacks resources (see `lacking`).
        """
        timed_out = Unreadable(Reason.FETCH_TIMED_OUT, f"not received within {self._timeout_s:g} seconds")
        allowance = _Allowance(self._max_bytes + self._max_bytes // _SPARE_SHARE + _SPARE_BYTES)
        with Deadline(self._timeout_s) as deadline:
            try:
                found = self._follow(url, deadline, allowance)
            except Refused as refusal:
                return Unreadable(Reason.SOURCE_NOT_ALLOWED, str(refusal))
            except Exception as error:
                if lacking(error):
                    raise
                if allowance.spent:
                    return Unreadable(Reason.TOO_MANY_BYTES, f"more than {self._max_bytes} bytes")
                if deadline.passed or isinstance(error, TimeoutError):
                    return timed_out
                return Unreadable(Reason.FETCH_FAILED, explained(error))
            # A body without a length ends where the connection ends, so one that was cut looks complete.
            return timed_out if deadline.passed else found

    def _follow(self, url: str, deadline: Deadline, allowance: _Allowance) -> bytes | Unreadable:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._request(self._permitted.address(url), deadline, allowance)
            if not isinstance(answer, str):
                return answer
            url = urljoin(url, answer)
        return Unreadable(Reason.FETCH_FAILED, f"more than {MAX_REDIRECTS} redirects")

    def _request(self, address: Address, deadline: Deadline, allowance: _Allowance) -> bytes | Unreadable | str:
        """The body, a refusal, or the address that a redirect names."""
        if address.scheme == "https":
            connection: _Http = _Https(address, deadline, allowance, ssl_context=self._tls)
        else:
            connection = _Http(address, deadline, allowance)
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
