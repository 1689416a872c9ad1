"""Finds picture files, the labels that their references will have, and the digests of their content; writes files."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from embedding.image import Reason, Unreadable
from reference_sets.rows import MAX_LABEL
from vectors.errors import StoreError


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and the label that its reference will have."""

    path: Path
    label: str


def find(paths: Iterable[Path], label: str = "") -> Iterator[Found]:
    """Yield the given files, and the files in the given folders and their subfolders in the order of their names.

    Hidden files in a folder are left out, unless they are given themselves. Links are followed, but not in circles. A
    folder that cannot be read is yielded itself, in place of its files, and `gather` refuses it with the reason.

    Args:
        paths: files and folders.
        label: label of all files. If empty, the label is the file's path below the given folder, or its name.
    """
    for path in paths:
        if _is_folder(path):
            for file in _below(path, set()):
                yield Found(file, unicode_of(label) or _text(file.relative_to(path)))
        else:
            yield Found(path, unicode_of(label) or _text(Path(path.name)))


def digest_of(path: Path, max_bytes: int) -> str | Unreadable:
    """Return the SHA-256 of a regular file of at most `max_bytes`, in hexadecimal, or why it is not read."""
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            next(path.iterdir(), None)  # raises the reason why no files were found in it
        if not stat.S_ISREG(facts.st_mode):  # reading a pipe would wait for ever
            return Unreadable(Reason.SOURCE_NOT_ALLOWED, "not a regular file")
        if facts.st_size == 0:
            return Unreadable(Reason.EMPTY_VALUE, "the file is empty")
        if facts.st_size > max_bytes:
            return Unreadable(Reason.TOO_MANY_BYTES, f"{facts.st_size} bytes, at most {max_bytes} are read")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return not_read(error)


def not_read(error: OSError) -> Unreadable:
    """Return the reason for an error of the system."""
    reason = Reason.NOT_FOUND if isinstance(error, FileNotFoundError) else Reason.FETCH_FAILED
    return Unreadable(reason, error.strerror or str(error))


def _below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    try:
        place, entries = folder.resolve(), sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    if place in seen:
        return
    seen.add(place)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _below(entry, seen)
        else:
            yield entry


def _is_folder(path: Path) -> bool:
    """Return whether the path is a folder; False if that cannot be determined, because opening it then says why."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _text(path: Path) -> str:
    """Return a path as a label: valid Unicode, and only the end of a long path, which says more than its beginning."""
    text = unicode_of(str(path))
    while len(text.encode()) > MAX_LABEL:
        text = "…" + text[max(2, (len(text.encode()) - MAX_LABEL) // 4) :]
    return text


def unicode_of(text: str) -> str:
    """Return a name or an argument of the system as valid Unicode: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(text).decode("utf-8", errors="replace")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give the path to write to; what is written there replaces the file when it is complete.

    Raises:
        StoreError: it cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        yield part
        part.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # there is none, or not even its folder
            part.unlink()
