"""One way to find copies, with the service's parts: encoder, set in Milvus Lite, shortlist, geometric check."""

import tempfile
import time
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Self, cast

from embedding.choose import Configured, choose
from embedding.choose import Kind as EncoderKind
from embedding.encoder import Encoder
from embedding.look import Look, look, look_closely
from embedding.picture import Needs, Pixels
from matcher.candidates import candidates
from matcher.evidence import Candidate
from matcher.search import Found, Near, ReferenceKeypoints, Searcher
from reference_sets.defaults import SELECTS, defaults, new_set
from reference_sets.model import CHECK, Kind, Mirrored, Neighbour, Part, Reference, ReferenceSet, Verify
from reference_sets.parts import needs, reference
from reference_sets.store import Store

SHORTLIST = 35  # candidates per picture: the default of the settings
KEEP_BYTES = 268_435_456  # for references' keypoints: the default of the settings
SIMILARITY_ALONE = 0.01  # weight of the similarity if the check should decide and found nothing: it gives an order only
NOTHING = -1  # as a reference: nothing was found; as a score: below all others
_SET = "known"
_TIMEOUT_S = 120.0  # of a call to Milvus: a benchmark may share the processor with other programs


@dataclass(frozen=True, slots=True)
class Way:
    """An encoder, and the settings of its set.

    Attributes:
        name: as on the command line.
        encoder: makes vectors, and for `words` keypoints.
        verify: of the set.
        mirrored: of the set.
    """

    name: str
    encoder: Encoder
    verify: Verify
    mirrored: Mirrored


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one picture.

    Attributes:
        reference: number of the best candidate, or NOTHING.
        score: see `Finder`.
        shortlist: numbers of the nearest references, nearest first; a mirror image counts as its reference.
        altered: the check found a part of the picture that differs from that candidate.
    """

    reference: int
    score: float
    shortlist: tuple[int, ...] = ()
    altered: bool = False

    def rank(self, reference: int) -> int | None:
        """The reference's rank in the shortlist, from 1; None: it is not in it."""
        return self.shortlist.index(reference) + 1 if reference in self.shortlist else None


@dataclass(frozen=True, slots=True)
class Cost:
    """The time that a number of pictures took, in seconds.

    Attributes:
        encode_cpu_s: processor time of this thread, for features and vector.
        search_s: wall time, for the shortlist.
        check_s: wall time, for the geometric check, including reading the references' features.
        check_cpu_s: processor time of this thread for the same; Milvus Lite reads in other threads.
    """

    pictures: int = 0
    encode_cpu_s: float = 0.0
    search_s: float = 0.0
    check_s: float = 0.0
    check_cpu_s: float = 0.0

    def __add__(self, other: Self) -> "Cost":
        return Cost(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def ms(self, seconds: float) -> float:
        """Milliseconds per picture."""
        return 1000 * seconds / max(1, self.pictures)


def way(text: str) -> Way:
    """A way by its name: pdq, words, relatives, openclip:MODEL:CHECKPOINT, timm:MODEL:CHECKPOINT or onnx:FILE.

    It has the defaults of new sets.

    "+check" (a passed check scores higher than any similarity) or "-no-check" (similarity alone) may follow.

    Raises:
        EncoderError: there is no such encoder, or it cannot be used on this machine.
    """
    checked, bare = text.endswith("+check"), text.endswith("-no-check")
    name, _, rest = text.removesuffix("+check").removesuffix("-no-check").partition(":")
    encoder = _encoder(name, *(("", rest) if name == "onnx" else rest.partition(":")[::2]))
    usual = defaults(name)
    if bare:
        return Way(text, encoder, Verify.OFF, usual.mirrored)
    if checked and usual.verify is Verify.OFF:
        return Way(text, encoder, Verify.SUPPORTS, Mirrored.STORED)
    return Way(text, encoder, usual.verify, usual.mirrored)


@cache  # the encoder is the same with and without the check
def _encoder(name: str, model: str, checkpoint: str) -> Encoder:
    return choose(Configured(cast("EncoderKind", name), model=model, checkpoint=checkpoint))


class Finder:
    """A set in a separate Milvus Lite file, in a temporary folder that `close` deletes.

    The score of an answer depends on the set's `verify`:
        off: the cosine similarity.
        required: the check's score, 0 to 1; if the check finds nothing in any candidate, 0.01 times the similarity of
            the nearest.
        supports: 1 plus the check's score for a candidate that reaches the check's default review threshold, else its
            similarity.

    Attributes:
        way: the encoder and the settings of the set.
        count: number of pictures given to `add`.
        featureless: number of those that have too little detail for a reference.
        bytes: size of vectors and features in the set, including mirror images.
    """

    def __init__(self, chosen: Way) -> None:
        self.way = chosen
        self.count = self.featureless = self.bytes = 0
        exits = ExitStack()
        self._folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="copies-")))
        self._store = exits.enter_context(Store(str(self._folder / "sets.db"), timeout_s=_TIMEOUT_S))
        self.close = weakref.finalize(self, exits.close)  # also when it is garbage collected
        encoder = chosen.encoder
        self._known = new_set(  # this also loads what the encoder loads late
            encoder,
            _SET,
            kind=Kind.REFERENCE,
            thresholds=defaults(encoder.fingerprint).thresholds,  # not used here
            verify=chosen.verify,
            mirrored=chosen.mirrored,
        )
        self._store.create(self._known)
        self._searcher = Searcher(self._store, top_k=SHORTLIST, shortlist=SHORTLIST, keep_bytes=KEEP_BYTES)

    @property
    def known(self) -> ReferenceSet:
        """The set's description."""
        return self._known

    @property
    def levels(self) -> tuple[float, float] | None:
        """Scores from which the set reviews and blocks; None: it has no thresholds for them."""
        known = self._known
        if known.verify is Verify.REQUIRED:
            return known.check.review, known.check.block
        if known.verify is Verify.OFF and known.thresholds != SELECTS:
            return known.thresholds.review, known.thresholds.block
        return None

    def add(self, pictures: Sequence[Pixels]) -> None:
        """Add the pictures as references, numbered after those added before. After the last ones call `ready`."""
        self.insert(described(self.way.encoder, self._known, pictures, self.count))

    def insert(self, made: Sequence[Reference | None]) -> None:
        """Add references that `described` made."""
        references = [one for one in made if one]
        if references:
            self._store.upsert(_SET, references)
        self.count += len(made)
        self.featureless += len(made) - len(references)
        self.bytes += sum(
            _bytes(Part(one.vector, one.features)) + (_bytes(one.mirror) if one.mirror else 0) for one in references
        )

    def ready(self) -> None:
        """Write all references as one segment, and read the set's new description."""
        self._store.flush(_SET)
        self._known = self._store.describe(_SET)

    @property
    def disk_bytes(self) -> int:
        """Present size of the Milvus Lite file."""
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def find(self, pictures: Sequence[Pixels]) -> tuple[list[Answer], Cost]:
        """An answer for each of n pictures, n ≥ 1, in one search; and its cost."""
        began = time.thread_time()
        views = self._views(pictures, keypoints=self.way.verify is not Verify.OFF)
        encode_cpu_s = time.thread_time() - began
        answers, cost = self._searched(views)
        return answers, Cost(len(pictures), encode_cpu_s) + cost

    def alone(self, pictures: Sequence[Pixels], right: Sequence[int]) -> list[float]:
        """The check's score for each of n pictures, n ≥ 1, if only the right reference is checked; 0: it is not there.

        Args:
            pictures: copies.
            right: number of the reference of each.
        """
        sides = (False, True) if self.way.mirrored is Mirrored.STORED else (False,)
        found: list[Found] = [([Neighbour(str(one), "", 0.0, mirrored=side) for side in sides], []) for one in right]
        known = self._searcher.read_keypoints(self._known, found)
        views = self._views(pictures, keypoints=True)
        return [
            max((one.score for look in looks for one in self._checked(look, near, known)), default=0.0)
            for looks, near in zip(views, found, strict=True)
        ]

    def _views(self, pictures: Sequence[Pixels], *, keypoints: bool) -> list[list[Look]]:
        """The looks at each picture, as the service looks at images."""
        return [look_closely([self.way.encoder], each, Needs(keypoints=keypoints)) for each in pictures]

    def _searched(self, views: Sequence[Sequence[Look]]) -> tuple[list[Answer], Cost]:
        looks = [look for of_picture in views for look in of_picture if look.view.vectors]
        if not looks:
            return [Answer(NOTHING, NOTHING) for _ in views], Cost()
        started = time.perf_counter()
        found = self._searcher.search(self._known, looks)
        searched, began = time.perf_counter(), time.thread_time()
        known = self._searcher.read_keypoints(self._known, found)
        each = iter([(near, self._checked(look, near, known)) for look, near in zip(looks, found, strict=True)])
        cost = Cost(0, 0, searched - started, time.perf_counter() - searched, time.thread_time() - began)
        return [self._answer([next(each) for look in of_picture if look.view.vectors]) for of_picture in views], cost

    def _checked(self, look: Look, near: Found, known: ReferenceKeypoints) -> list[Candidate]:
        return candidates(look, [Near(self._known, near, known)])[0]

    def _answer(self, views: Sequence[tuple[Found, Sequence[Candidate]]]) -> Answer:
        """The best candidate of all views of a picture."""
        shortlist = tuple(int(one.id) for (near, _), _ in views for one in near)
        checked = [one for _, of_view in views for one in of_view]
        if not checked:
            return Answer(NOTHING, NOTHING, shortlist)
        best = max(checked, key=self._score)
        return Answer(int(best.neighbour.id), self._score(best), shortlist, best.altered)

    def _score(self, candidate: Candidate) -> float:
        near = candidate.neighbour.score
        if self.way.verify is Verify.REQUIRED:
            return candidate.score if candidate.score > 0 else SIMILARITY_ALONE * near
        if self.way.verify is Verify.SUPPORTS and candidate.score >= CHECK.review:
            return 1 + candidate.score
        return near


def described(encoder: Encoder, known: ReferenceSet, pictures: Sequence[Pixels], first: int) -> list[Reference | None]:
    """What the set stores of pictures, numbered from `first`; None for featureless ones."""
    looks = look([encoder], pictures, needs(known))
    return [reference(each, known, str(number), str(number)) for number, each in enumerate(looks, first)]


def _bytes(part: Part) -> int:
    return 4 * len(part.vector) + len(part.features)  # float32
