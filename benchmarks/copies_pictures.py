"""A folder of pictures → references, edited copies of them, and unrelated pictures.

usable      files → pictures that can be used, and why the others cannot
divide      pictures → references, unrelated pictures, and pictures that are only pasted into others
known       the pictures in the sets: the references, and the distractors in all edits given
copies      each reference in each edit
unrelated   unrelated pictures, unedited and edited
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
from harness.changes import Picture
from harness.edits import OTHERS, Edit
from reference_sets.files import find

MIN_PICTURES = 40  # with fewer a result means nothing
BATCH = 64  # pictures per search, as in a batch of the service
MAX_SIDE = 1_024  # pixels: larger pictures are reduced, as on the web
MIN_SIDE = 64  # pixels of the shorter side after that; with fewer there is nothing left to edit
_MAX_PIXELS = 100_000_000
AS_IT_IS = "as it is"  # unrelated pictures that are not edited


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not used."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """The roles of the pictures.

    Attributes:
        references: known pictures; queries are edits of them.
        unrelated: unrelated pictures; queries are these unedited and edited.
        distractors: more unrelated pictures, whose edits are known too.
        distractors_pasted: pictures to paste into edits of distractors.
        queries_pasted: pictures to paste into edits of references and unrelated pictures.
    """

    references: Sequence[Path]
    unrelated: Sequence[Path]
    distractors: Sequence[Path]
    distractors_pasted: Sequence[Path]
    queries_pasted: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Queries:
    """A batch of queries: one edit of several pictures.

    Attributes:
        pictures: edited.
        names: files of the unedited pictures, or names of generated ones.
        edit: name of the edit, or what kind of unrelated pictures these are.
        references: number of the reference that each is a copy of; empty for unrelated pictures.
    """

    pictures: Sequence[Pixels]
    names: Sequence[str]
    edit: str
    references: Sequence[int] = ()


def usable(folder: Path, seed: int, limit: int, progress: Callable[[], None]) -> tuple[list[Path], list[Skipped]]:
    """Readable pictures below a folder, in the seed's order, without duplicates; and those that cannot be used.

    Args:
        folder: hidden files in it are ignored.
        seed: of the order.
        limit: number of pictures, at most; 0: all.
        progress: called for each file.
    """
    files = [one.path for one in find([folder])]
    Random(seed).shuffle(files)  # noqa: S311 (nothing secret)
    chosen: list[Path] = []
    skipped: list[Skipped] = []
    by_digest: dict[str, Path] = {}
    for path in files:
        if limit and len(chosen) == limit:
            break
        progress()
        read = _read(path)
        if isinstance(read, str):
            skipped.append(Skipped(path, read))
            continue
        digest = hashlib.sha256(read.tobytes()).hexdigest()
        if digest in by_digest:
            skipped.append(Skipped(path, f"the same picture as {by_digest[digest]}"))
        else:
            by_digest[digest] = path
            chosen.append(path)
    return chosen, skipped


def divide(paths: Sequence[Path], *, distractors: bool) -> Split:
    """Half references, half unrelated; with distractors these are half of the latter, two eighths are only pasted."""
    half = len(paths) // 2
    references, others = paths[:half], paths[half : 2 * half]
    if not distractors:
        return Split(references, others, (), (), others)
    quarter, eighth = half // 4, half // 8
    return Split(
        references,
        unrelated=others[:quarter],
        distractors=others[half // 2 :],
        distractors_pasted=others[quarter : quarter + eighth],
        queries_pasted=others[quarter + eighth : half // 2],
    )


def known(split: Split, edits: Sequence[Edit]) -> Iterator[list[Pixels]]:
    """The pictures in the sets, in batches: first the references in their order, then the distractors in all edits."""
    for part in _parts(split.references):
        yield [pixels(load(path)) for _, path in part]
    for part in _parts(split.distractors if edits else ()):
        pictures, others = _with_others(part, split.distractors_pasted, 0)
        for edit in edits:
            yield _edited(edit, part, pictures, others)


def copies(split: Split, edits: Sequence[Edit]) -> Iterator[Queries]:
    """Each reference in each edit."""
    for part in _parts(split.references):
        pictures, others = _with_others(part, split.queries_pasted, 0)
        numbers, names = [number for number, _ in part], [str(path) for _, path in part]
        for edit in edits:
            yield Queries(_edited(edit, part, pictures, others), names, edit.name, numbers)


def unrelated(split: Split, edits: Sequence[Edit], rounds: int) -> Iterator[Queries]:
    """Unrelated pictures, unedited and each in `rounds` edits."""
    for part in _parts(split.unrelated):
        pictures, others = _with_others(part, split.queries_pasted, -1)  # a picture is not pasted into itself
        names = [str(path) for _, path in part]
        yield Queries([pixels(picture) for picture in pictures], names, AS_IT_IS)
        for shift in range(rounds):
            edited = [
                edits[(number + shift) % len(edits)].apply(picture, number, *pasted)
                for (number, _), picture, pasted in zip(part, pictures, others, strict=True)
            ]
            yield Queries([pixels(picture) for picture in edited], names, "edited")


def load(path: Path) -> Picture:
    """A picture from `usable`, reduced."""
    read = _read(path)
    if isinstance(read, str):
        raise SystemExit(f"{path} has changed meanwhile: {read}; run again when no program writes to the folder")
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
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    if min(image.size) < MIN_SIDE:
        return f"its shorter side has {min(image.size)} pixels, at least {MIN_SIDE} are needed"
    return pixels(image)


def _parts(paths: Sequence[Path]) -> Iterator[list[tuple[int, Path]]]:
    """Batches of numbered paths."""
    numbered = list(enumerate(paths))
    return (numbered[start : start + BATCH] for start in range(0, len(numbered), BATCH))


def _with_others(
    part: Iterable[tuple[int, Path]], pasted: Sequence[Path], shift: int
) -> tuple[list[Picture], list[list[Picture]]]:
    """The pictures, and for each the other pictures that edits may paste into it."""
    part = list(part)
    chosen = [[pasted[(number + shift - more) % len(pasted)] for more in range(OTHERS)] for number, _ in part]
    loaded = {path: load(path) for path in {path for paths in chosen for path in paths}}
    return [load(path) for _, path in part], [[loaded[path] for path in paths] for paths in chosen]


def _edited(
    edit: Edit, part: Sequence[tuple[int, Path]], pictures: Sequence[Picture], others: Sequence[Sequence[Picture]]
) -> list[Pixels]:
    return [
        pixels(edit.apply(picture, number, *pasted))
        for (number, _), picture, pasted in zip(part, pictures, others, strict=True)
    ]


def pixels(picture: Picture) -> Pixels:
    """The picture's values in RGB."""
    return np.array(picture.convert("RGB"))
