"""Which addresses are permitted. Pure: text in, an address or a refusal out; no name is resolved.

The name that is checked and the name that is connected to come from the same normal form, so that no spelling can pass
as one host and reach another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

PORTS = {"https": 443, "http": 80}

# Characters that parsers of addresses disagree about. None of them is legal in an address.
_DISPUTED = frozenset(chr(code) for code in (*range(0x21), 0x7F)) | {"\\"}


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """The address is not permitted; the text says why in one sentence, without the address."""


@dataclass(frozen=True, slots=True)
class Address:
    """A permitted address, in normal form.

    Attributes:
        scheme: "https" or "http".
        host: lower case, IDNA, no trailing dot; IPv6 without brackets.
        port: 1-65535.
        target: path and query, ASCII, as it stands in the request line.
    """

    scheme: str
    host: str
    port: int
    target: str


class Permitted:
    """The configured hosts.

    Args:
        hosts: "host" permits the scheme's own port, "host:port" that port; IPv6 in brackets.
        allow_http: http:// besides https://.

    Raises:
        ValueError: a host cannot be understood.
    """

    def __init__(self, hosts: Iterable[str], *, allow_http: bool) -> None:
        self._schemes = {"https", "http"} if allow_http else {"https"}
        self._hosts = {_configured(host) for host in hosts}

    def address(self, url: str) -> Address:
        """The normal form of `url`.

        Raises:
            Refused: it is not permitted, or not an address.
        """
        if not _DISPUTED.isdisjoint(url):
            raise Refused("the address has characters that no address may have, such as spaces; percent-encode them")
        try:
            parts = urlsplit(url)
            scheme = parts.scheme
            if scheme not in self._schemes:
                raise Refused(self._other(scheme))
            host, port = _normal(parts), parts.port
        except ValueError:
            raise Refused("this is not an address") from None
        if parts.username is not None or parts.password is not None:
            raise Refused("an address must not carry a user name or password")
        own_port = PORTS[scheme] if port is None else port
        if (host, own_port) not in self._hosts and not (own_port == PORTS[scheme] and (host, None) in self._hosts):
            raise Refused("the address names a host that is not configured")
        return Address(scheme, host, own_port, _target(parts))

    def _other(self, scheme: str) -> str:
        """Why a scheme is not permitted, and what to do instead."""
        only = f"only {' and '.join(sorted(self._schemes, reverse=True))} addresses are fetched"
        hint = {
            "file": "; the path of a file belongs in path, not in url",
            "data": "; the bytes of an image belong in data, not in url",
            "http": "; images.allow_http permits http",
            "": "; the address does not begin with https://",
        }
        return only + hint.get(scheme, "")


def _configured(entry: str) -> tuple[str, int | None]:
    parts = urlsplit(f"//{entry}")
    try:
        plain = not (parts.path or parts.query or parts.fragment) and parts.username is None
        host, port = _normal(parts), parts.port
    except ValueError:
        plain = False
    if not plain or not _DISPUTED.isdisjoint(entry):
        raise ValueError(f'images.hosts: write "host" or "host:port", not {entry!r}')
    return host, port


def _normal(parts: SplitResult) -> str:
    """The host in lower case, IDNA, without a trailing dot.

    Raises:
        ValueError: there is no host, or it cannot be written in ASCII.
    """
    host = (parts.hostname or "").removesuffix(".")
    if not host:
        raise ValueError("no host")
    return host if ":" in host else host.encode("idna").decode().lower()


def _target(parts: SplitResult) -> str:
    """Path and query; what is percent-encoded already stays as it is. The fragment is not part of a request."""
    kept = "%/:@!$&'()*+,;=~-._?"
    path = quote(parts.path or "/", safe=kept)
    return f"{path}?{quote(parts.query, safe=kept)}" if parts.query else path
