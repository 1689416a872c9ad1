"""One request to a webhook: signed as Standard Webhooks says, and what its answer means.

webhook-id           the same for each attempt at an alert, so that the receiver knows it again
webhook-timestamp    seconds since 1970, of this attempt
webhook-signature    v1,BASE64 of the HMAC-SHA256 of "ID.TIMESTAMP.BODY"
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Literal
from urllib.parse import unquote_to_bytes

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

TIMEOUT_S = 10.0
LONGEST_WISH_S = 3600.0  # for which a receiver can ask us to wait
_AGAIN = (408, 425, 429)  # and all from 500 on
_KEY_PREFIX = "whsec_"


class BadAddress(Exception):  # noqa: N818 (named after what is wrong)
    """The address cannot be used; one sentence for the operator, without the address, which may be a secret."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    Attributes:
        result: "again": another try may succeed; "refused": it will not.
        why: the answer or the error, for the log.
        after_s: the receiver wants no other try before.
    """

    result: Literal["delivered", "again", "refused"]
    why: str
    after_s: float = 0.0


class Webhook:
    """An address that alerts are sent to. Redirects are not followed.

    Args:
        address: https, or http to this machine.
        secret: signs the requests: `whsec_` and Base64, or any text; empty: they are not signed.
        allow_http: http to other machines too.

    Raises:
        BadAddress: see there.
    """

    def __init__(self, address: str, secret: str = "", *, allow_http: bool = False) -> None:
        self._url = _checked(address, allow_http=allow_http)
        self._key = key_of(secret)

    @property
    def place(self) -> str:
        """Scheme and host, for the log: the path may be a secret."""
        return f"{self._url.scheme}://{self._url.netloc}"

    def post(self, id_: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send one request.

        Args:
            id_: of the alert.
            body: of the request.
            headers: of the request, besides those that sign it.
        """
        named = {**headers, **signed(id_, body, self._key, int(time.time())), "user-agent": "vigilens"}
        if self._url.auth:
            named["authorization"] = f"Basic {base64.b64encode(unquote_to_bytes(self._url.auth)).decode()}"
        try:
            answer = self._answer(body, named)
        except (OSError, HTTPException) as error:
            return Outcome("again", f"{self.place} does not answer: {_cause(error)}")
        why = f"{self.place} answers {answer.status} {answer.reason or ''}".rstrip()
        if 200 <= answer.status < 300:  # noqa: PLR2004 (HTTP's success)
            return Outcome("delivered", why)
        if answer.status in _AGAIN or answer.status >= 500:  # noqa: PLR2004 (HTTP's errors of the server)
            return Outcome("again", why, wish(answer.headers.get("retry-after", ""), time.time()))
        return Outcome("refused", why)

    def _answer(self, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(str(self._url.host).strip("[]"), self._url.port, timeout=TIMEOUT_S)
        with closing(connection):
            connection.connect()
            with _at_most(connection.sock, TIMEOUT_S):
                connection.request("POST", self._url.request_uri, body=body, headers=dict(headers))
                return connection.getresponse()


def signed(id_: str, body: bytes, key: bytes, second: int) -> dict[str, str]:
    """The headers that sign a request; without a key, those that name it."""
    # Ids of alerts have full stops, which the scheme separates its parts by.
    named = f"alert_{hashlib.sha256(id_.encode()).hexdigest()[:32]}"
    headers = {"webhook-id": named, "webhook-timestamp": str(second)}
    if not key:
        return headers
    digest = hmac.digest(key, f"{named}.{second}.".encode() + body, "sha256")
    return {**headers, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def key_of(secret: str) -> bytes:
    """The key in a secret.

    Raises:
        BadAddress: it begins like a secret of Standard Webhooks, and is none.
    """
    if not secret.startswith(_KEY_PREFIX):
        return secret.encode()
    why = "notify.secret begins with whsec_, so Base64 must follow, and it does not"
    try:
        key = base64.b64decode(secret.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error as error:
        raise BadAddress(why) from error
    if not key:
        raise BadAddress(why)
    return key


def wish(retry_after: str, now: float) -> float:
    """Seconds that a Retry-After header asks us to wait: a number or a date; 0 if it makes no sense."""
    if retry_after.strip().isdecimal():
        seconds = float(retry_after)
    else:
        try:
            at = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return 0.0
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now
    return min(max(0.0, seconds), LONGEST_WISH_S)


@contextmanager
def _at_most(connection: socket.socket, seconds: float) -> Iterator[None]:
    """End the connection after `seconds`: its own time-out begins anew with each byte that comes.

    Raises:
        TimeoutError: it was ended.
    """
    passed = threading.Event()

    def end() -> None:
        passed.set()
        with suppress(OSError):  # it is closed already
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # that of a TLS socket also takes its keys away

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        if not passed.is_set():
            raise
    finally:
        timer.cancel()
    if passed.is_set():
        raise TimeoutError("timed out")


def _checked(address: str, *, allow_http: bool) -> Url:
    try:
        url = parse_url(address)
    except LocationParseError as error:
        raise BadAddress("the address of the webhook cannot be read: it must be like https://host/path") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise BadAddress("the address of the webhook must be like https://host/path")
    if url.scheme == "http" and not allow_http and not _is_here(url.host):
        raise BadAddress("alerts would travel unencrypted: use https, or --allow-http if you must")
    return url


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _cause(error: BaseException) -> str:
    """The innermost message, without the address."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    return f"{type(error).__name__}: {text}" if "://" not in text and "/" not in text else type(error).__name__
