"""Somebody's folder → references, edited copies of them, and pictures that have nothing to do with them.

usable      files → pictures that can be used, and why the others cannot
divide      which are references, which are unrelated, which are only pasted into others
known       what the sets hold: the references, and with `hard` the edited strangers
copies      each reference in each edit
unrelated   strangers as they are, and edited
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from embedding.decode.decoder import decode
from embedding.image import Unreadable
from embedding.picture import Pixels
from harness.edits import Edit
from harness.frames import Picture
from reference_sets.files import find

FEWEST = 40  # pictures; with fewer a figure says nothing
TOGETHER = 64  # pictures for one search, as a batch of the service
LONGEST = 1_024  # pixels: larger pictures are reduced, as they are on their way through the web
SHORTEST = 64  # pixels of the shorter side after that; below there is nothing left to edit
_MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not used."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """Who plays which part.

    Attributes:
        references: known pictures; queries are edits of them.
        strangers: unrelated pictures, shown as they are and edited.
        crowd: further unrelated pictures, whose edits are known as well (`hard`).
        crowd_pasted: other pictures for the edits of the crowd.
        shown_pasted: other pictures for the edits of references and strangers.
    """

    references: Sequence[Path]
    strangers: Sequence[Path]
    crowd: Sequence[Path]
    crowd_pasted: Sequence[Path]
    shown_pasted: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Shown:
    """A batch of queries: one edit of several pictures.

    Attributes:
        pictures: as they are shown.
        files: where they come from.
        edit: name of the edit.
        references: number of the reference that each is a copy of; empty for unrelated pictures.
    """

    pictures: Sequence[Pixels]
    files: Sequence[Path]
    edit: str
    references: Sequence[int] = ()


def usable(folder: Path, seed: int, limit: int, progress: Callable[[], None]) -> tuple[list[Path], list[Skipped]]:
    """Readable pictures below a folder, in the seed's order, each content once; and those that cannot be used.

    Args:
        folder: hidden files in it are left out.
        seed: of the order.
        limit: at most so many pictures; 0: all.
        progress: called for each file.
    """
    files = [one.path for one in find([folder])]
    Random(seed).shuffle(files)  # noqa: S311 (nothing secret)
    chosen: list[Path] = []
    skipped: list[Skipped] = []
    seen: dict[str, Path] = {}
    for path in files:
        if limit and len(chosen) == limit:
            break
        progress()
        read = _read(path)
        if isinstance(read, str):
            skipped.append(Skipped(path, read))
            continue
        digest = hashlib.sha256(read.tobytes()).hexdigest()
        if digest in seen:
            skipped.append(Skipped(path, f"the same picture as {seen[digest]}"))
        else:
            seen[digest] = path
            chosen.append(path)
    return chosen, skipped


def divide(paths: Sequence[Path], *, hard: bool) -> Split:
    """Half references, half unrelated; with `hard` half of the latter are the crowd, an eighth each is only pasted."""
    half = len(paths) // 2
    references, others = paths[:half], paths[half : 2 * half]
    if not hard:
        return Split(references, others, (), (), others)
    quarter, eighth = half // 4, half // 8
    return Split(
        references,
        strangers=others[:quarter],
        crowd=others[half // 2 :],
        crowd_pasted=others[quarter : quarter + eighth],
        shown_pasted=others[quarter + eighth : half // 2],
    )


def known(split: Split, edits: Sequence[Edit]) -> Iterator[list[Pixels]]:
    """What the sets hold, a batch at a time: first the references in their order, then the crowd in all edits."""
    for part in _parts(split.references):
        yield [_pixels(load(path)) for _, path in part]
    for part in _parts(split.crowd):
        pictures, others = _with_others(part, split.crowd_pasted, 0)
        for edit in edits:
            yield _edited(edit, part, pictures, others)


def copies(split: Split, edits: Sequence[Edit]) -> Iterator[Shown]:
    """Each reference in each edit."""
    for part in _parts(split.references):
        pictures, others = _with_others(part, split.shown_pasted, 0)
        numbers, files = [number for number, _ in part], [path for _, path in part]
        for edit in edits:
            yield Shown(_edited(edit, part, pictures, others), files, edit.name, numbers)


def unrelated(split: Split, edits: Sequence[Edit], rounds: int) -> Iterator[Shown]:
    """Strangers as they are, and each in `rounds` edits."""
    for part in _parts(split.strangers):
        pictures, others = _with_others(part, split.shown_pasted, -1)  # not with itself pasted over it
        files = [path for _, path in part]
        yield Shown([_pixels(picture) for picture in pictures], files, "as it is")
        for shift in range(rounds):
            edited = [
                edits[(number + shift) % len(edits)].apply(picture, number, other)
                for (number, _), picture, other in zip(part, pictures, others, strict=True)
            ]
            yield Shown([_pixels(picture) for picture in edited], files, "edited")


def load(path: Path) -> Picture:
    """A picture that `usable` found, reduced."""
    read = _read(path)
    if isinstance(read, str):
        raise SystemExit(f"{path} has changed meanwhile: {read}; run again when nobody writes to the folder")
    return Image.fromarray(read)


def _read(path: Path) -> Pixels | str:
    """Reduced pixels, or why there are none."""
    if not path.is_file():
        return "not a file"
    try:
        picture = decode(path.read_bytes(), _MAX_PIXELS)
    except OSError as error:
        return error.strerror or str(error)
    if isinstance(picture, Unreadable):
        return picture.detail
    image = Image.fromarray(picture.pixels)
    image.thumbnail((LONGEST, LONGEST))
    if min(image.size) < SHORTEST:
        return f"its shorter side has {min(image.size)} pixels, at least {SHORTEST} are needed"
    return _pixels(image)


def _parts(paths: Sequence[Path]) -> Iterator[list[tuple[int, Path]]]:
    """Batches of numbered paths."""
    numbered = list(enumerate(paths))
    return (numbered[start : start + TOGETHER] for start in range(0, len(numbered), TOGETHER))


def _with_others(
    part: Iterable[tuple[int, Path]], pasted: Sequence[Path], shift: int
) -> tuple[list[Picture], list[Picture]]:
    """The pictures, and for each another one that edits may paste."""
    part = list(part)
    others = [load(pasted[(number + shift) % len(pasted)]) for number, _ in part]
    return [load(path) for _, path in part], others


def _edited(
    edit: Edit, part: Sequence[tuple[int, Path]], pictures: Sequence[Picture], others: Sequence[Picture]
) -> list[Pixels]:
    return [
        _pixels(edit.apply(picture, number, other))
        for (number, _), picture, other in zip(part, pictures, others, strict=True)
    ]


def _pixels(picture: Picture) -> Pixels:
    return np.array(picture.convert("RGB"))
