"""One comparison: known pictures, edited copies and unrelated pictures go to each way to find copies."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks import copies_pictures
from benchmarks.copies_count import Copy, Other, Tally
from benchmarks.copies_finder import Answer, Cost, Finder
from benchmarks.copies_pictures import Queries, Split
from benchmarks.copies_report import Measured, UnrelatedScore
from embedding.picture import Pixels
from harness.edits import Edit
from reference_sets.model import Verify

Progress = Callable[[str, int, int], None]  # step, how many more of its pictures are done, and of how many
_HIGHEST = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """The pictures of a comparison.

    Attributes:
        names: of the references, in their order; distractors have none.
        known: references, then distractors, in batches.
        copies: of references.
        unrelated: no copies of anything known.
        amounts: number of pictures in `known`, `copies` and `unrelated`.
    """

    names: Sequence[str]
    known: Iterable[list[Pixels]]
    copies: Iterable[Queries]
    unrelated: Iterable[Queries]
    amounts: tuple[int, int, int]


def of_photographs(split: Split, edits: Sequence[Edit], *, hard: bool) -> Trial:
    """Each reference in each edit, and unrelated pictures, unedited and in one edit; nine if there are distractors.

    Args:
        split: the pictures.
        edits: of references and unrelated pictures.
        hard: the distractors are known, in all edits.
    """
    rounds = min(9, len(edits)) if split.distractors else 1
    distracting = edits if hard else ()
    return Trial(
        names=[str(path) for path in split.references],
        known=copies_pictures.known(split, distracting),
        copies=copies_pictures.copies(split, edits),
        unrelated=copies_pictures.unrelated(split, edits, rounds),
        amounts=(
            len(split.references) + len(split.distractors) * len(distracting),
            len(split.references) * len(edits),
            len(split.unrelated) * (1 + rounds),
        ),
    )


@dataclass(slots=True)
class Run:
    """One way to find copies, and its answers so far."""

    finder: Finder
    tally: Tally = field(default_factory=Tally)
    on_all: Cost = field(default_factory=Cost)
    on_unrelated: Cost = field(default_factory=Cost)
    highest: list[UnrelatedScore] = field(default_factory=list)

    def copies(self, queries: Queries) -> None:
        """Find edited references."""
        answers, cost = self.finder.find(queries.pictures)
        self.on_all += cost
        for right, one, passes in zip(queries.references, answers, self._passing(queries, answers), strict=True):
            found = Copy(queries.edit, one.score, one.reference == right, one.rank(right), passes, one.altered)
            self.tally.copies.append(found)

    def _passing(self, queries: Queries, answers: Sequence[Answer]) -> list[bool | None]:
        """Whether the check passes for each right reference; those that were not found are checked alone."""
        if self.finder.levels is None or self.finder.way.verify is not Verify.REQUIRED:
            return [None] * len(answers)
        review, _ = self.finder.levels
        passing = [
            one.reference == right and one.score >= review
            for right, one in zip(queries.references, answers, strict=True)
        ]
        missed = [number for number, found in enumerate(passing) if not found]
        if missed:
            pictures = [queries.pictures[number] for number in missed]
            scores = self.finder.alone(pictures, [queries.references[number] for number in missed])
            for number, score in zip(missed, scores, strict=True):
                passing[number] = score >= review
        return list(passing)

    def unrelated(self, queries: Queries, names: Sequence[str]) -> None:
        """Search for unrelated pictures."""
        answers, cost = self.finder.find(queries.pictures)
        self.on_all += cost
        self.on_unrelated += cost
        self.tally.others.setdefault(queries.edit, []).extend(Other(one.score, one.altered) for one in answers)
        self.highest += [
            UnrelatedScore(
                name, queries.edit, names[one.reference] if 0 <= one.reference < len(names) else None, one.score
            )
            for name, one in zip(queries.names, answers, strict=True)
        ]
        self.highest = sorted(self.highest, key=lambda one: -one.score)[:_HIGHEST]

    def measured(self, false_positives: float) -> Measured:
        """The results at a share of false positives, 0 to 1."""
        costs = self.on_all, self.on_unrelated
        return Measured.of(self.finder, self.tally, false_positives, costs, self.highest)


def fill(trial: Trial, runs: Sequence[Run], progress: Progress) -> None:
    """Add the known pictures to each way's set. After the last ones call `ready` of each finder."""
    for known in trial.known:
        for run in runs:
            run.finder.add(known)
        progress("references", len(known), trial.amounts[0])


def ask(trial: Trial, runs: Sequence[Run], progress: Progress) -> None:
    """Search for all copies and all unrelated pictures in each way."""
    for queries in trial.copies:
        for run in runs:
            run.copies(queries)
        progress("copies", len(queries.pictures), trial.amounts[1])
    for queries in trial.unrelated:
        for run in runs:
            run.unrelated(queries, trial.names)
        progress("unrelated", len(queries.pictures), trial.amounts[2])
