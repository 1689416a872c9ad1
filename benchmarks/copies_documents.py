"""Chats of one app, letters and forms of one office, logos, drawings: copies of them, and others of the same kind."""

from collections.abc import Iterator, Sequence
from random import Random

from benchmarks import copies_pictures
from benchmarks.copies_pictures import AS_IT_IS, BATCH, Queries, Split, load, pixels
from benchmarks.copies_trial import Trial
from embedding.picture import Pixels
from harness.changes import Picture, combined, cropped, recompressed, resized, thumbnail
from harness.documents import Maker, chat, drawing, form, letter, logo
from harness.edits import Edit
from harness.frames import sticker

KINDS: dict[str, Maker] = {"chat": chat, "letter": letter, "form": form, "logo": logo, "drawing": drawing}


def _middle(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    """The whole width, without the upper and the lower quarter."""
    quarter = picture.height // 4
    return picture.crop((0, quarter, picture.width, picture.height - quarter))


def _on_photograph(share: float) -> Edit:
    """The picture on a share of a photograph."""
    paste = sticker((share, share))
    return Edit(
        f"on {100 * share:g} % of a photo", lambda picture, rng, photograph, *_: paste(photograph, rng, picture)
    )


_JPEG = recompressed((20, 20))
_PAGES = (
    Edit("half size", combined(resized((0.5, 0.5)), _JPEG)),
    Edit("middle part", _middle),
    Edit("400 pixels", combined(thumbnail(400), _JPEG)),
)
EDITS = {
    "chat": _PAGES,
    "letter": _PAGES,
    "form": _PAGES,
    "logo": (
        Edit("120 pixels", combined(thumbnail(120), recompressed((40, 40)))),
        *(_on_photograph(share) for share in (0.01, 0.04, 0.16)),
    ),
    "drawing": (Edit("cropped to 50 %", cropped((0.5, 0.5))),),
}


def of_documents(split: Split, count: int) -> Trial:
    """Each document in the edits of its kind; others of its kind, which are in no set; unrelated pictures.

    Args:
        split: its references are in the set as well, its unrelated pictures have logos pasted into them.
        count: documents of each kind in the set, and as many others.
    """
    names = [f"{kind} {number}" for kind in KINDS for number in range(count)]
    return Trial(
        names=[*names, *map(str, split.references)],
        known=_known(split, count),
        copies=_copies(split, count),
        unrelated=_unrelated(split, count),
        amounts=(
            len(names) + len(split.references),
            count * sum(map(len, EDITS.values())),
            len(names) + len(split.unrelated),
        ),
    )


def _known(split: Split, count: int) -> Iterator[list[Pixels]]:
    for make in KINDS.values():
        for part in _parts(range(count)):
            yield [pixels(make(number)) for number in part]
    yield from copies_pictures.known(split, ())


def _copies(split: Split, count: int) -> Iterator[Queries]:
    for place, (kind, make) in enumerate(KINDS.items()):
        for part in _parts(range(count)):
            names, numbers = [f"{kind} {number}" for number in part], [place * count + number for number in part]
            photographs = [load(split.unrelated[number % len(split.unrelated)]) for number in part]
            for edit in EDITS[kind]:
                edited = [
                    pixels(edit.apply(make(number), number, photograph))
                    for number, photograph in zip(part, photographs, strict=True)
                ]
                yield Queries(edited, names, f"{kind}, {edit.name}", numbers)


def _unrelated(split: Split, count: int) -> Iterator[Queries]:
    for kind, make in KINDS.items():
        for part in _parts(range(count, 2 * count)):
            names = [f"{kind} {number}" for number in part]
            yield Queries([pixels(make(number)) for number in part], names, f"other {kind}")
    for part in _parts(range(len(split.unrelated))):
        paths = [split.unrelated[number] for number in part]
        yield Queries([pixels(load(path)) for path in paths], list(map(str, paths)), AS_IT_IS)


def _parts(numbers: range) -> Sequence[range]:
    return [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]
