"""Opens picture files that become references, several at a time, in processes of their own."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.image import Unreadable
from embedding.picture import Looked, Wanted
from embedding.processes.decoders import Decoders
from reference_sets.files import Found, not_read

if TYPE_CHECKING:
    from concurrent.futures import Future

ENCODE_AT_ONCE = 64  # pictures for one call of the encoder and one upsert,
# or fewer, so that large pictures do not fill the memory: all batches in progress have this many pixels, 300 MB, and as
# much for their mirror images
PIXELS_AT_ONCE = 100_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How pictures are read, as for events: the most bytes and pixels, and whether large JPEGs may be reduced."""

    max_bytes: int
    max_pixels: int
    reduce: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that did not become a reference, and why.

    Attributes:
        digest, label: of a file that was read but cannot be decoded, which an exact list can hold all the same.
    """

    path: Path
    why: Unreadable
    digest: str = ""
    label: str = ""

    @property
    def id(self) -> str:
        """Of the reference that the file would be."""
        return key_of(self.digest, self.label)


@dataclass(frozen=True, slots=True)
class Opened:
    """A file, the SHA-256 of its bytes, and what was found in it."""

    file: Found
    digest: str
    found: Looked

    @property
    def id(self) -> str:
        """Of the reference that the file becomes."""
        return key_of(self.digest, self.file.label)


def opened_files(decoders: Decoders, files: Iterable[Found], wanted: Wanted) -> Iterator[Opened | Refused]:
    """Yield the opened files, in order; as many are opened ahead as there are decoders."""
    waiting: deque[Future[Opened | Refused]] = deque()
    pool = ThreadPoolExecutor(decoders.number, thread_name_prefix="add")
    try:
        for file in files:
            waiting.append(pool.submit(_open, decoders, file, wanted))
            if len(waiting) > decoders.number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _open(decoders: Decoders, file: Found, wanted: Wanted) -> Opened | Refused:
    try:
        content = file.path.read_bytes()
    except OSError as error:  # for example deleted since its digest was computed
        return Refused(file.path, not_read(error))
    # The digest of the bytes that were opened: the file may have changed since its digest was first computed.
    digest = hashlib.sha256(content).hexdigest()
    found = decoders.look_into(content, wanted)
    if isinstance(found, Unreadable):
        return Refused(file.path, found, digest, file.label)
    return Opened(file, digest, found)


def in_batches(
    opened: Iterable[Opened | Refused], most_pixels: int = PIXELS_AT_ONCE
) -> Iterator[list[Opened | Refused]]:
    """Yield batches that are small enough for the memory."""
    batch: list[Opened | Refused] = []
    pixels = 0
    for one in opened:
        batch.append(one)
        own = one.found.views[0].own.pixels if isinstance(one, Opened) else None
        pixels += 0 if own is None else own.size // 3
        if len(batch) == ENCODE_AT_ONCE or pixels >= most_pixels:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def key_of(digest: str, label: str) -> str:
    """Return the id of a reference: the SHA-256 of its content and the first digits of its label's, in hexadecimal."""
    return f"{digest}-{hashlib.sha256(label.encode()).hexdigest()[:16]}"
