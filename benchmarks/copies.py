"""Which edited copies are found in a folder of your own pictures: a comparison of the ways to find copies.

    python -m benchmarks.copies DIR [--edits hard|phone|everyday|documents] [--hard] [--distractors N]
                                    [--encoder words --encoder pdq] [--quick] [--plot FILE.svg]

Half of the pictures, chosen by a seed, are references, the other half are unrelated. Each reference is edited in all
ways of a family (`harness.edits`); each unrelated picture is a query unedited and in one edit. A copy is found when its
best candidate is the right one and scores higher than all but 0.5 % of the unrelated pictures (--fpr). The last column
is what at least one of several ways finds, where all together have as many false positives as one alone. Encoder, set
in Milvus Lite, shortlist and check are those of the service. Times are of this machine: compare them with each other.

A second table has the shares of copies that a set with its default thresholds reviews and blocks, and those of the
blocked ones that it only reviews by default, because a part of them differs (`altered`); whether the right reference
is in the shortlist (`listed`), and whether the check passes if only the right reference is checked (`passes`). Of
those that pass, `lost` is the share that is not found: because of the shortlist, or because another reference has a
higher score. A third table has the false alarms.

With --hard, half of the unrelated pictures are distractors: they are references too, in all edits, so that many share
captions and frames. With --distractors N, N references more are crops and edits of these, and procedural scenes. A
quarter of the unrelated pictures are queries, unedited and in nine edits. 400 pictures make 2,100 references.

With --edits documents, chats of one app, letters and forms of one office, logos and drawings are references beside the
photographs. Copies of them are searched for, and others of the same kind, which are unrelated. The first table is not
printed then.

The pictures should not show the same subject twice, or an unrelated picture is a copy: the JSON, which is the last
line, lists the unrelated pictures with the highest scores. Only the plot is written.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks.copies_count import any_of
from benchmarks.copies_distractors import distract
from benchmarks.copies_documents import of_documents
from benchmarks.copies_finder import Answer, Cost, Finder, way
from benchmarks.copies_options import chosen, parse, parser, ways_of
from benchmarks.copies_pictures import BATCH, Split, divide, pixels
from benchmarks.copies_report import plot, show, show_levels
from benchmarks.copies_trial import Run, Trial, ask, fill, of_photographs
from harness.changes import Picture
from harness.edits import FAMILIES

DOCUMENTS = "documents"
QUICK = 60  # pictures


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
            answers, cost = self.finder.find([pixels(each) for each in queries[start : start + BATCH]])
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
        finder.add([pixels(each) for each in references[start : start + BATCH]])
    finder.ready()
    return Match(finder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    ways = ways_of(options)
    with Progress(console=Console(stderr=True)) as bars:
        paths, steps = chosen(options, bars), _steps(bars)
        split = divide(paths, distractors=options.hard or options.distractors > 0)
        trial = _trial(options, split)
        runs = [Run(Finder(each)) for each in ways]
        fill(trial, runs, steps)
        if options.distractors:
            distract(runs, split, options.distractors, steps)
        for run in runs:
            run.finder.ready()
        ask(trial, runs, steps)
    measured = [run.measured(options.fpr) for run in runs]
    together = any_of([run.tally for run in runs], options.fpr)
    unrelated = len(runs[0].tally.unrelated)
    if not options.json:
        if options.edits != DOCUMENTS:  # others of the same kind are no sample of unrelated pictures
            show(Console(), measured, together, options.fpr, unrelated)
        show_levels(Console(), measured)
    if options.plot:
        plot(options.plot, measured, options.fpr)
    facts = {"pictures": len(paths), "seed": options.seed, "edits": options.edits, "hard": options.hard}
    facts |= {"distractors": options.distractors, "false_positives": options.fpr}
    facts |= {"copies": len(runs[0].tally.copies), "unrelated": unrelated}
    print(json.dumps(facts | {"encoders": {one.name: one.as_json() for one in measured}, "any": together}))


def _trial(options: argparse.Namespace, split: Split) -> Trial:
    if options.edits == DOCUMENTS:
        return of_documents(split, len(split.references))
    edits = [each for each in FAMILIES[options.edits] if not options.edit or each.name in options.edit]
    return of_photographs(split, edits, hard=options.hard)


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
    made.add_argument("--edits", choices=[*FAMILIES, DOCUMENTS], default="hard", help="family of edits (hard)")
    made.add_argument("--edit", action="append", metavar="NAME", help="only this edit of the family; repeatable")
    made.add_argument("--hard", action="store_true", help="edited unrelated pictures among the references, see above")
    made.add_argument("--distractors", type=int, default=0, metavar="N", help="N more references, see above")
    made.add_argument("--json", action="store_true", help="print only the JSON line")
    options = parse(made, arguments)
    family = [each.name for each in FAMILIES.get(options.edits, ())]
    if unknown := set(options.edit or ()) - set(family):
        made.error(f"{', '.join(sorted(unknown))} is not one of {', '.join(family) or 'what --edit can choose'}")
    if options.hard and options.edits == DOCUMENTS:
        made.error("--hard edits photographs: leave it out, or use --distractors N")
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
