"""Which edited copies are found in a folder of your own pictures: a comparison of the ways to find copies.

    python -m benchmarks.copies DIR [--encoder words --encoder pdq] [--hard] [--quick] [--plot FILE.svg]

Half of the pictures, chosen by a seed, are references, the other half are unrelated. Each reference is edited in 19
ways; each unrelated picture is a query unedited and in one edit. A copy is found when its best candidate is the right
one and scores higher than all but 0.5 % of the unrelated pictures (--fpr). The last column is what at least one of
several ways finds, where all together have as many false positives as one alone. Encoder, set in Milvus Lite, shortlist
and check are those of the service. Times are of this machine: compare them with each other.

With --hard, half of the unrelated pictures are distractors: they are references too, in all edits, so that many share
captions and frames. A quarter of the unrelated pictures are queries, unedited and in nine edits. 400 pictures make
2,100 references.

The pictures should not show the same subject twice, or an unrelated picture is a copy: the JSON, which is the last
line, lists the unrelated pictures with the highest scores. Only the plot is written.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks import copies_pictures
from benchmarks.copies_count import Copy, Tally, any_of, figures
from benchmarks.copies_finder import Answer, Cost, Finder, way
from benchmarks.copies_options import chosen, parse, parser, ways_of
from benchmarks.copies_pictures import BATCH, Queries, Split
from benchmarks.copies_report import Measured, UnrelatedScore, plot, show
from embedding.picture import Pixels
from harness.edits import HARD, Edit
from harness.frames import Picture

QUICK = 60  # pictures
_HIGHEST = 5


@dataclass(slots=True)
class Match:
    """Finds references in pictures; see `matcher`.

    Attributes:
        finder: has the references in its set.
        answers: for the pictures of the last call, with their shortlists.
        cost: of all calls together.
    """

    finder: Finder
    answers: list[Answer] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)

    def __call__(self, queries: Sequence[Picture]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Number of the best reference and its score, (n,) each; both -1 for a picture without detail."""
        self.answers = []
        for start in range(0, len(queries), BATCH):
            answers, cost = self.finder.find([_pixels(each) for each in queries[start : start + BATCH]])
            self.answers += answers
            self.cost += cost
        return np.array([one.reference for one in self.answers], np.intp), np.array([one.score for one in self.answers])

    def ranks(self, right: Sequence[int]) -> list[int | None]:
        """Ranks of the right references in the shortlists of the last call, from 1; None: not in the shortlist."""
        return [answer.rank(reference) for answer, reference in zip(self.answers, right, strict=True)]


def matcher(references: Sequence[Picture]) -> Match:
    """Finds copies as a set of the encoder `words` does by default; for use in other benchmarks.

    The score is that of the geometric check, 0 to 1. If the check finds nothing in any candidate, it is 0.01 times the
    cosine similarity of the nearest reference, so that such pictures still have an order.

    Args:
        references: known pictures, any number.
    """
    finder = Finder(way("words"))
    for start in range(0, len(references), BATCH):
        finder.add([_pixels(each) for each in references[start : start + BATCH]])
    finder.ready()
    return Match(finder)


def _pixels(picture: Picture) -> Pixels:
    return np.array(picture.convert("RGB"))


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
        for right, one in zip(queries.references, answers, strict=True):
            self.tally.copies.append(Copy(queries.edit, one.score, one.reference == right, one.rank(right)))

    def unrelated(self, queries: Queries, references: Sequence[Path]) -> None:
        """Search for unrelated pictures."""
        answers, cost = self.finder.find(queries.pictures)
        self.on_all += cost
        self.on_unrelated += cost
        self.tally.unrelated.extend(one.score for one in answers)
        self.highest += [
            UnrelatedScore(
                path,
                queries.edit,
                references[one.reference] if 0 <= one.reference < len(references) else None,
                one.score,
            )
            for path, one in zip(queries.files, answers, strict=True)
        ]
        self.highest = sorted(self.highest, key=lambda one: -one.score)[:_HIGHEST]

    def measured(self, false_positives: float) -> Measured:
        """The results at a share of false positives, 0 to 1."""
        result = figures(self.tally, false_positives)
        return Measured.of(self.finder, result, self.on_all, self.on_unrelated, self.highest)


def measure(
    split: Split, edits: Sequence[Edit], runs: Sequence[Run], *, rounds: int, progress: Callable[[str, int, int], None]
) -> None:
    """Fill the sets, then search for all copies and all unrelated pictures in each way.

    Args:
        split: the pictures.
        edits: of references, unrelated pictures and distractors.
        runs: the ways to find copies, with empty sets.
        rounds: edits of each unrelated picture.
        progress: called with the step, how many more of its pictures are done, and of how many.
    """
    total = len(split.references) + len(split.distractors) * len(edits)
    for known in copies_pictures.known(split, edits):
        for run in runs:
            run.finder.add(known)
        progress("references", len(known), total)
    for run in runs:
        run.finder.ready()
    total = len(split.references) * len(edits)
    for queries in copies_pictures.copies(split, edits):
        for run in runs:
            run.copies(queries)
        progress("copies", len(queries.pictures), total)
    total = len(split.unrelated) * (1 + rounds)
    for queries in copies_pictures.unrelated(split, edits, rounds):
        for run in runs:
            run.unrelated(queries, split.references)
        progress("unrelated", len(queries.pictures), total)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    ways = ways_of(options)
    edits = [each for each in HARD if not options.edit or each.name in options.edit]
    with Progress(console=Console(stderr=True)) as bars:
        paths = chosen(options, bars)
        split = copies_pictures.divide(paths, hard=options.hard)
        runs = [Run(Finder(each)) for each in ways]
        measure(split, edits, runs, rounds=min(9, len(edits)) if options.hard else 1, progress=_steps(bars))
    measured = [run.measured(options.fpr) for run in runs]
    together = any_of([run.tally for run in runs], options.fpr)
    if not options.json:
        show(Console(), measured, together, options.fpr, len(runs[0].tally.unrelated))
    if options.plot:
        plot(options.plot, measured, options.fpr)
    facts = {"pictures": len(paths), "seed": options.seed, "hard": options.hard, "false_positives": options.fpr}
    facts |= {"copies": len(runs[0].tally.copies), "unrelated": len(runs[0].tally.unrelated)}
    print(json.dumps(facts | {"encoders": {one.name: one.as_json() for one in measured}, "any": together}))


def _steps(bars: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def progress(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=total)
        bars.advance(tasks[step], done)

    return progress


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--fpr", type=_share, default=0.005, help="share of unrelated pictures that may pass (0.005)")
    made.add_argument("--quick", action="store_true", help=f"use {QUICK} pictures: takes a minute")
    made.add_argument("--hard", action="store_true", help="edited unrelated pictures among the references, see above")
    names = [each.name for each in HARD]
    made.add_argument("--edit", action="append", choices=names, metavar="NAME", help="only this edit; repeatable")
    made.add_argument("--json", action="store_true", help="print only the JSON line")
    options = parse(made, arguments)
    if options.quick:
        options.limit = min(QUICK, options.limit or QUICK)
    return options


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return share


if __name__ == "__main__":
    main()
