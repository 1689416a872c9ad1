"""Adds picture files to a set. Can be interrupted at any time and run again.

First the digests of many files are computed, so that files that are in the set already are not decoded. Then the new
ones are decoded, encoded and written, a batch at a time.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.encoder import Encoder
from embedding.image import Reason, Unreadable
from embedding.look import Needs, least_side, look
from reference_sets.files import Found, digest_of, not_read
from reference_sets.model import Reference
from reference_sets.parts import checkable, needs, reference
from reference_sets.store import Store

if TYPE_CHECKING:
    from embedding.picture import Picture

ASK_AT_ONCE = 256  # ids in one query of the store
ENCODE_AT_ONCE = 64  # pictures for one call of the encoder and one upsert,
# or this many pixels (300 MB, and as much for their mirror images), so that large pictures do not fill the memory
PIXELS_AT_ONCE = 100_000_000


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
        uncheckable: number of added references that have too few keypoints for the set's geometric check.
    """

    files: int
    added: int
    known: int
    refused: tuple[Refused, ...]
    uncheckable: int


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


def gather(  # noqa: PLR0913 (the last two by keyword)
    store: Store,
    name: str,
    encoder: Encoder,
    files: Sequence[Found],
    *,
    limits: Limits,
    progress: Callable[[int], None] = lambda _: None,
) -> Gathered:
    """Add files to a set, and return what became of them.

    The same content with the same label is one reference, however often it is added.

    Args:
        store: where the set is.
        name: of the set.
        encoder: the encoder that made the set; the caller compares the fingerprints.
        files: as `find` returns them.
        limits: files beyond them are refused.
        progress: called with the number of files that were done since the last call.

    Raises:
        Interrupted: in place of KeyboardInterrupt.
    """
    run = _Run(store, name, encoder, limits)
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

    def __init__(self, store: Store, name: str, encoder: Encoder, limits: Limits) -> None:
        self._store, self._name, self._encoder, self._limits = store, name, encoder, limits
        self._needs = needs(store.describe(name))
        self._least = least_side(encoder, self._needs) if limits.reduce else None
        self.added = self._known = self._uncheckable = 0
        self._refused: list[Refused] = []

    def result(self, files: int) -> Gathered:
        refused = tuple(sorted(self._refused, key=lambda one: one.path))
        return Gathered(files, self.added, self._known, refused, self._uncheckable)

    def add(self, files: Sequence[Found]) -> Iterator[int]:
        """Add files; yields after each step the number of files that were done in it."""
        new, old, unreadable = _sort(self._store, self._name, files, self._limits)
        self._known += old
        self._refused += unreadable
        yield old + len(unreadable)
        for batch in _decoded(new, self._limits, self._least):
            made = _made(self._encoder, self._needs, batch)
            self._store.upsert(self._name, [one.reference for one in made if isinstance(one, _Made)])
            self.added += sum(isinstance(one, _Made) for one in made)
            self._uncheckable += sum(isinstance(one, _Made) and not one.checkable for one in made)
            self._refused += [one for one in made if isinstance(one, Refused)]
            yield len(batch)


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
class _Decoded:
    file: Found
    digest: str
    picture: "Picture"


@dataclass(frozen=True, slots=True)
class _Made:
    reference: Reference
    checkable: bool


def _decoded(files: Iterable[Found], limits: Limits, least: int | None) -> Iterator[list[_Decoded | Refused]]:
    """Yield batches of decoded pictures that are small enough for the memory."""
    batch: list[_Decoded | Refused] = []
    pixels = 0
    for file in files:
        batch.append(one := _decode(file, limits, least))
        pixels += one.picture.pixels.size // 3 if isinstance(one, _Decoded) else 0
        if len(batch) == ENCODE_AT_ONCE or pixels >= PIXELS_AT_ONCE:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _decode(file: Found, limits: Limits, least: int | None) -> _Decoded | Refused:
    from embedding.decode.decoder import decode  # noqa: PLC0415 (Pillow)

    try:
        content = file.path.read_bytes()
    except OSError as error:  # for example deleted since its digest was computed
        return Refused(file.path, not_read(error))
    picture = decode(content, limits.max_pixels, least)
    if isinstance(picture, Unreadable):
        return Refused(file.path, picture)
    # The digest of the bytes that were decoded: the file may have changed since its digest was first computed.
    return _Decoded(file, hashlib.sha256(content).hexdigest(), picture)


def _made(encoder: Encoder, needed: Needs, batch: Sequence[_Decoded | Refused]) -> list[_Made | Refused]:
    """Make references of the pictures that can be distinguished from others; the rest is refused."""
    decoded = [one for one in batch if isinstance(one, _Decoded)]
    pictures, sizes = [one.picture.pixels for one in decoded], [one.picture.size for one in decoded]
    made: list[_Made | Refused] = [one for one in batch if isinstance(one, Refused)]
    for one, looked in zip(decoded, look(encoder, pictures, needed, sizes), strict=True):
        file = one.file
        if looked is None:
            why = Unreadable(Reason.FEATURELESS, "too little detail to be distinguished from other pictures")
            made.append(Refused(file.path, why))
        else:
            known = reference(looked, _key(one.digest, file.label), file.label, digest=one.digest)
            made.append(_Made(known, checkable(looked)))
    return made
