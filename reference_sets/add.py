"""Pictures of files and folders → references of a set. Can be interrupted at any time and run again.

find    paths → files and their labels
digest  what is known already is not decoded again
decode, see, upsert, a batch at a time
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.encoder import Encoder
from embedding.image import Reason, Unreadable
from reference_sets.model import Reference, ReferenceSet
from reference_sets.rows import MAX_LABEL
from reference_sets.sight import least_side, see
from reference_sets.store import Store

if TYPE_CHECKING:
    from embedding.picture import Picture

ASK_AT_ONCE = 256  # ids in one question to the store
ENCODE_AT_ONCE = 64  # pictures for one call of the encoder and one upsert …
# … or as many pixels (300 MB, and their mirror images as much), so that large pictures do not fill the memory
PIXELS_AT_ONCE = 100_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and the label that its reference will have."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that became no reference, and why."""

    path: Path
    why: Unreadable


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of it.

    Attributes:
        files: looked at.
        added: references that are new in the set.
        known: files that were in the set already, or twice among the files.
        refused: files that are no reference.
        uncheckable: those of the added that have too few keypoints for the set's geometric check.
    """

    files: int
    added: int
    known: int
    refused: tuple[Refused, ...]
    uncheckable: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How pictures are read, as for those of events: bytes and pixels of one; whether large JPEGs may be reduced."""

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
    """Make references of files. The same content with the same label is one reference, however often it is gathered.

    Args:
        store: where the set is.
        name: of the set.
        encoder: the one that made the set; the caller compares the fingerprints.
        files: as `find` gives them.
        limits: files beyond them are refused.
        progress: told how many more files are done.
    """
    described = store.describe(name)
    least = least_side(encoder, described) if limits.reduce else None
    added, known, uncheckable, refused = 0, 0, 0, []
    for part in (files[start : start + ASK_AT_ONCE] for start in range(0, len(files), ASK_AT_ONCE)):
        new, old, unreadable = _sort(store, name, part, limits)
        known += old
        refused += unreadable
        progress(old + len(unreadable))
        for batch in _decoded(new, limits, least):
            references, thin = _references(encoder, described, batch, refused)
            store.upsert(name, references)
            added += len(references)
            uncheckable += thin
            progress(len(batch))
    if added:
        store.flush(name)
    refused.sort(key=lambda one: one.path)
    return Gathered(len(files), added, known, tuple(refused), uncheckable)


def find(paths: Iterable[Path], label: str = "") -> Iterator[Found]:
    """Files, and those below folders in the order of their names.

    Hidden files below a folder are left out; what is named itself is taken. Links are followed, loops are not.

    Args:
        paths: files and folders.
        label: for all; without it a file has its path below the given folder, or its name.
    """
    for path in paths:
        if path.is_dir():
            for file in _below(path, set()):
                yield Found(file, label or _text(file.relative_to(path)))
        else:
            yield Found(path, label or _text(Path(path.name)))


def key(content: bytes, label: str) -> str:
    """Id of a reference: the content's SHA-256 and the beginning of its label's, both hexadecimal."""
    return _key(hashlib.sha256(content).hexdigest(), label)


def _key(digest: str, label: str) -> str:
    return f"{digest}-{hashlib.sha256(label.encode()).hexdigest()[:16]}"


def _below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _below(entry, seen)
        else:
            yield entry


def _text(path: Path) -> str:
    """A path as a label: valid Unicode, and of a long one the end, which tells more than the beginning."""
    text = os.fsencode(path).decode("utf-8", errors="replace")
    while len(text.encode()) > MAX_LABEL:
        text = "…" + text[max(2, (len(text.encode()) - MAX_LABEL) // 4) :]
    return text


def _sort(store: Store, name: str, files: Sequence[Found], limits: Limits) -> tuple[list[Found], int, list[Refused]]:
    """Files that are new by their content and label; how many are known; and those that cannot be read."""
    ids: dict[str, Found] = {}
    refused = []
    for file in files:
        digest = _digest(file.path, limits.max_bytes)
        if isinstance(digest, Unreadable):
            refused.append(Refused(file.path, digest))
        else:
            ids.setdefault(_key(digest, file.label), file)
    there = store.known(name, list(ids))
    new = [file for id_, file in ids.items() if id_ not in there]
    return new, len(files) - len(new) - len(refused), refused


def _digest(path: Path, max_bytes: int) -> str | Unreadable:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # reading a pipe would wait for ever
            return Unreadable(Reason.SOURCE_NOT_ALLOWED, "not a regular file")
        if facts.st_size == 0:
            return Unreadable(Reason.EMPTY_VALUE, "the file is empty")
        if facts.st_size > max_bytes:
            return Unreadable(Reason.TOO_MANY_BYTES, f"{facts.st_size} bytes, at most {max_bytes} are read")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return _not_read(error)


def _not_read(error: OSError) -> Unreadable:
    reason = Reason.NOT_FOUND if isinstance(error, FileNotFoundError) else Reason.FETCH_FAILED
    return Unreadable(reason, error.strerror or str(error))


@dataclass(frozen=True, slots=True)
class _Decoded:
    file: Found
    id: str
    picture: "Picture | Unreadable"


def _decoded(files: Iterable[Found], limits: Limits, least: int | None) -> Iterator[list[_Decoded]]:
    """Batches that are small enough for the memory."""
    batch: list[_Decoded] = []
    pixels = 0
    for file in files:
        batch.append(one := _decode(file, limits, least))
        pixels += 0 if isinstance(one.picture, Unreadable) else one.picture.pixels.size // 3
        if len(batch) == ENCODE_AT_ONCE or pixels >= PIXELS_AT_ONCE:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _decode(file: Found, limits: Limits, least: int | None) -> _Decoded:
    from embedding.decode.decoder import decode  # noqa: PLC0415 (Pillow)

    try:
        content = file.path.read_bytes()
    except OSError as error:  # gone since it was looked at
        return _Decoded(file, "", _not_read(error))
    # The id is of the bytes that were decoded, should the file have changed since it was looked at.
    return _Decoded(file, key(content, file.label), decode(content, limits.max_pixels, least))


def _references(
    encoder: Encoder, described: ReferenceSet, batch: Sequence[_Decoded], refused: list[Refused]
) -> tuple[list[Reference], int]:
    """References of the pictures that can be told from others, and how many cannot be checked; `refused` grows."""
    refused += [Refused(one.file.path, one.picture) for one in batch if isinstance(one.picture, Unreadable)]
    readable = [(one, one.picture) for one in batch if not isinstance(one.picture, Unreadable)]
    references, uncheckable = [], 0
    pictures, sizes = [picture.pixels for _, picture in readable], [picture.size for _, picture in readable]
    sights = see(encoder, described, pictures, sizes)
    for (one, _), sight in zip(readable, sights, strict=True):
        if sight is None:
            why = Unreadable(Reason.FEATURELESS, "too little detail to be told from other pictures")
            refused.append(Refused(one.file.path, why))
        else:
            own = sight.own
            references.append(Reference(one.id, one.file.label, own.vector, own.features, sight.mirror))
            uncheckable += not sight.checkable
    return references, uncheckable
