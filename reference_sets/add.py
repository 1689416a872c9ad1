"""Adds picture files to a set. Can be interrupted at any time and run again.

First the digests of many files are computed, so that files that are in the set already are not decoded. Then the new
ones are opened by several decoder processes, encoded and written, a batch at a time.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.encoder import Encoder
from embedding.image import Reason, Unreadable
from embedding.look import Look, encode
from embedding.picture import Looked, Wanted
from embedding.processes.decoders import Decoders
from reference_sets.files import Found, digest_of, not_read
from reference_sets.model import ReferenceSet
from reference_sets.parts import needs, reference
from reference_sets.store import Store

if TYPE_CHECKING:
    from concurrent.futures import Future

ASK_AT_ONCE = 256  # ids in one query of the store
ENCODE_AT_ONCE = 64  # pictures for one call of the encoder and one upsert,
# or this many pixels (300 MB, and as much for their mirror images), so that large pictures do not fill the memory
PIXELS_AT_ONCE = 100_000_000

FindsItself = Callable[[Look, ReferenceSet], bool]


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that did not become a reference, and why."""

    path: Path
    why: Unreadable


@dataclass(frozen=True, slots=True)
class Gathered:
    """The result.

    Attributes:
        files: number of files that were given.
        added: number of references that are new in the set.
        known: number of files that were in the set already, or given twice.
        refused: files that did not become references.
        weak: added files whose own copies the set would not find by its thresholds, because they have too little
            detail: only exactly the same file is found.
        partly: added files of which only a part could be looked at, and why.
    """

    files: int
    added: int
    known: int
    refused: tuple[Refused, ...]
    weak: tuple[Path, ...] = ()
    partly: tuple[Refused, ...] = ()


class Interrupted(KeyboardInterrupt):
    """The run was interrupted. What was added stays, and another run does the rest.

    Attributes:
        so_far: the result up to then; the files of the batch in progress count as not done.
    """

    def __init__(self, so_far: Gathered) -> None:
        super().__init__()
        self.so_far = so_far


@dataclass(frozen=True, slots=True)
class Limits:
    """How pictures are read, as for events: the most bytes and pixels, and whether large JPEGs may be reduced."""

    max_bytes: int
    max_pixels: int
    reduce: bool = True


def gather(  # noqa: PLR0913 (the last four by keyword)
    store: Store,
    name: str,
    encoder: Encoder,
    files: Sequence[Found],
    *,
    decoders: Decoders,
    limits: Limits,
    finds_itself: FindsItself = lambda *_: True,
    progress: Callable[[int], None] = lambda _: None,
) -> Gathered:
    """Add files to a set, and return what became of them.

    The same content with the same label is one reference, however often it is added.

    Args:
        store: where the set is.
        name: of the set.
        encoder: the encoder that made the set; the caller compares the fingerprints.
        files: as `find` returns them.
        decoders: open the files, as many at a time as there are.
        limits: files beyond them are refused.
        finds_itself: whether the set would find an exact copy of a picture by its thresholds.
        progress: called with the number of files that were done since the last call.

    Raises:
        Interrupted: in place of KeyboardInterrupt.
        NoDecoder: no process can be started to open files.
    """
    run = _Run(store, name, encoder, decoders, limits, finds_itself)
    try:
        for part in (files[start : start + ASK_AT_ONCE] for start in range(0, len(files), ASK_AT_ONCE)):
            for done in run.add(part):
                progress(done)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(run.result(len(files))) from interrupt
    if run.added:
        store.flush(name)
    return run.result(len(files))


class _Run:
    """One run, and its counts so far."""

    def __init__(  # noqa: PLR0913, PLR0917 (as `gather`)
        self,
        store: Store,
        name: str,
        encoder: Encoder,
        decoders: Decoders,
        limits: Limits,
        finds_itself: FindsItself,
    ) -> None:
        self._store, self._name, self._encoder, self._limits = store, name, encoder, limits
        self._decoders, self._finds_itself = decoders, finds_itself
        self._described = store.describe(name)
        self._needs = needs(self._described)
        self.added = self._known = 0
        self._refused: list[Refused] = []
        self._weak: list[Path] = []
        self._partly: list[Refused] = []

    def result(self, files: int) -> Gathered:
        refused, partly = (tuple(sorted(some, key=lambda one: one.path)) for some in (self._refused, self._partly))
        return Gathered(files, self.added, self._known, refused, tuple(sorted(self._weak)), partly)

    def add(self, files: Sequence[Found]) -> Iterator[int]:
        """Add files; yields after each step the number of files that were done in it."""
        new, old, unreadable = _sort(self._store, self._name, files, self._limits)
        self._known += old
        self._refused += unreadable
        yield old + len(unreadable)
        wanted = Wanted(self._encoder.needs.joined(self._needs), self._limits.max_pixels, 1, self._limits.reduce)
        for batch in _batches(_opened(self._decoders, new, wanted)):
            opened = [one for one in batch if isinstance(one, _Opened)]
            self._write(opened)
            self._refused += [one for one in batch if isinstance(one, Refused)]
            yield len(batch)

    def _write(self, opened: Sequence["_Opened"]) -> None:
        """Make references of the pictures that can be distinguished from others; the rest is refused."""
        looks = encode(self._encoder, [one.found.views[0] for one in opened], self._needs)
        made = []
        for one, look in zip(opened, looks, strict=True):
            if look is None:
                why = Unreadable(Reason.FEATURELESS, "too little detail to be distinguished from other pictures")
                self._refused.append(Refused(one.file.path, why))
                continue
            made.append(reference(look, _key(one.digest, one.file.label), one.file.label, digest=one.digest))
            if not self._finds_itself(look, self._described):
                self._weak.append(one.file.path)
            if one.found.partly:
                self._partly.append(Refused(one.file.path, one.found.partly))
        self._store.upsert(self._name, made)
        self.added += len(made)


def key(content: bytes, label: str) -> str:
    """Return the id of a reference: the SHA-256 of its content and the first digits of its label's, in hexadecimal."""
    return _key(hashlib.sha256(content).hexdigest(), label)


def _key(digest: str, label: str) -> str:
    return f"{digest}-{hashlib.sha256(label.encode()).hexdigest()[:16]}"


def _sort(store: Store, name: str, files: Sequence[Found], limits: Limits) -> tuple[list[Found], int, list[Refused]]:
    """Return the files whose content and label are new, the number of known ones, and those that cannot be read."""
    ids: dict[str, Found] = {}
    refused = []
    for file in files:
        digest = digest_of(file.path, limits.max_bytes)
        if isinstance(digest, Unreadable):
            refused.append(Refused(file.path, digest))
        else:
            ids.setdefault(_key(digest, file.label), file)
    there = store.known(name, list(ids))
    new = [file for id_, file in ids.items() if id_ not in there]
    return new, len(files) - len(new) - len(refused), refused


@dataclass(frozen=True, slots=True)
class _Opened:
    file: Found
    digest: str
    found: Looked


def _opened(decoders: Decoders, files: Iterable[Found], wanted: Wanted) -> Iterator[_Opened | Refused]:
    """Yield the opened files, in order; as many are opened ahead as there are decoders."""
    waiting: deque[Future[_Opened | Refused]] = deque()
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


def _open(decoders: Decoders, file: Found, wanted: Wanted) -> _Opened | Refused:
    try:
        content = file.path.read_bytes()
    except OSError as error:  # for example deleted since its digest was computed
        return Refused(file.path, not_read(error))
    found = decoders.look_into(content, wanted)
    if isinstance(found, Unreadable):
        return Refused(file.path, found)
    # The digest of the bytes that were opened: the file may have changed since its digest was first computed.
    return _Opened(file, hashlib.sha256(content).hexdigest(), found)


def _batches(opened: Iterable[_Opened | Refused]) -> Iterator[list[_Opened | Refused]]:
    """Yield batches that are small enough for the memory."""
    batch: list[_Opened | Refused] = []
    pixels = 0
    for one in opened:
        batch.append(one)
        own = one.found.views[0].own.pixels if isinstance(one, _Opened) else None
        pixels += 0 if own is None else own.size // 3
        if len(batch) == ENCODE_AT_ONCE or pixels >= PIXELS_AT_ONCE:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch
