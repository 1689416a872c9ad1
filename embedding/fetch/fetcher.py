"""Source → bytes, within the operator's limits. Files are read here, addresses in web.py.

The settings list what is permitted, never what is forbidden: with no roots and no hosts, only bytes in the event itself
are judged.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from embedding.fetch.resources import lacking, with_resources
from embedding.fetch.web import Web
from embedding.image import File, Inline, Reason, Source, Unreadable, Url

_RESOURCES_S = 10.0  # wait for file descriptors or memory at most; a shortage that lasts needs an operator


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched.

    Attributes:
        max_bytes: cap on one image, whatever its source.
        roots: folders that a path must lie below after its links are resolved.
        hosts: "host" (the scheme's own port) or "host:port" that an address may name.
        allow_http: also permit http://, not only https://.
        timeout_s: seconds for one address: connection, redirects, headers and body together.
    """

    max_bytes: int
    roots: tuple[Path, ...]
    hosts: tuple[str, ...]
    allow_http: bool
    timeout_s: float


class Fetcher:
    """Gets the bytes of images. Safe to call from several threads.

    Args:
        rules: what may be fetched.
        resources_s: seconds to wait at most while this process has no file descriptors or memory.

    Raises:
        ValueError: a host of the rules cannot be understood.
    """

    def __init__(self, rules: FetchRules, resources_s: float = _RESOURCES_S) -> None:
        self._resources_s = resources_s
        self._max_bytes = rules.max_bytes
        self._roots = tuple(Path(os.path.realpath(root)) for root in rules.roots)
        self._web = Web(rules.hosts, allow_http=rules.allow_http, max_bytes=rules.max_bytes, timeout_s=rules.timeout_s)

    def fetch(self, source: Source) -> bytes | Unreadable:
        """The image's bytes, at least one and at most `max_bytes`; or why they could not be fetched.

        To add an object store: a source in embedding/image.py, a file beside web.py that returns the same (bytes or
        Unreadable, with its own deadline; an error if this process lacks resources), and a case here.

        Raises:
            NoResources: this process has no file descriptors or memory left. No picture is unscannable for that.
        """
        return with_resources(lambda: self._fetch(source), self._resources_s)

    def _fetch(self, source: Source) -> bytes | Unreadable:
        match source:
            case Inline(data):
                found: bytes | Unreadable = data
            case File(path):
                found = self._file(path)
            case Url(url):
                found = self._web.fetch(url)
            case _:
                assert_never(source)
        if isinstance(found, Unreadable):
            return found
        if not found:
            return Unreadable(Reason.EMPTY_VALUE, "there are no bytes")
        if len(found) > self._max_bytes:
            return Unreadable(Reason.TOO_MANY_BYTES, f"more than {self._max_bytes} bytes")
        return found

    def _file(self, path: str) -> bytes | Unreadable:
        """A regular file below a root. No deadline is needed: roots are the operator's own folders."""
        try:
            return self._read(path)
        except ValueError:  # characters that no file name can have
            return Unreadable(Reason.NOT_FOUND, "no file can have such a name")
        except OSError as error:
            if lacking(error):
                raise
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
                return Unreadable(Reason.NOT_FOUND, "there is no such file")
            return Unreadable(Reason.FETCH_FAILED, f"the file cannot be read: {error.strerror}")

    def _read(self, path: str) -> bytes | Unreadable:
        outside = Unreadable(Reason.SOURCE_NOT_ALLOWED, "the path is not below a configured root")
        if not Path(path).is_absolute():
            return Unreadable(Reason.SOURCE_NOT_ALLOWED, "a path must be absolute")
        if not self._below_a_root(Path(os.path.realpath(path))):
            return outside
        with _held(path) as held:
            # The path may have been replaced since the check: the name of the file that we hold decides.
            if not self._below_a_root(held.readlink()):
                return outside
            if not stat.S_ISREG(held.stat().st_mode):
                return Unreadable(Reason.SOURCE_NOT_ALLOWED, "the path does not name a regular file")
            with held.open("rb") as file:
                return file.read(self._max_bytes + 1)  # one more, so that the caller notices that it is too long

    def _below_a_root(self, resolved: Path) -> bool:
        return any(resolved.is_relative_to(root) for root in self._roots)


@contextmanager
def _held(path: str) -> Iterator[Path]:
    """A name under /proc for the file that `path` names now, even if `path` is replaced later.

    O_PATH holds the file without opening it: a FIFO does not block, and a device is not touched.
    """
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
