"""Scores that unrelated pictures reach: thresholds for sets, from a folder of pictures without copies of each other.

    python -m benchmarks.copies_thresholds DIR [--encoder words --encoder pdq] [--plot FILE.svg] [--limit N]

The folder is divided into halves. One half is known, a quarter of it also in all edits, so that frames and captions are
among the references; the pictures of the other half are queries, unedited and in all edits. Then the halves swap roles.
For each query the score of the best reference is kept. The score of 1 in 1,000 is read from these scores; rarer ones
are extrapolated by an exponential tail through the highest 1 % (the mean excess over the score at 1 %). For the check
the tail is that of the evidence e behind the score, e / (e + 4), for `pdq` that of the cosine.

The highest scores are printed with both files: check them. Two views of one scene in the folder are not a false
positive, but count as one here.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from benchmarks import copies_pictures
from benchmarks.copies_finder import Finder, Way
from benchmarks.copies_options import chosen, parse, parser, ways_of
from benchmarks.copies_pictures import BATCH, Split
from benchmarks.copies_report import UnrelatedScore
from harness.edits import HARD
from matcher.check.weigh import evidence_of, score_of
from reference_sets.model import Verify

RATES = (1e-2, 1e-3, 1e-4, 1e-5)
_PRINTED = 5
TAIL = 0.01  # the share of highest scores that the tail is fitted to


def main() -> None:
    """Measure, print, plot."""
    options = parse(parser(__doc__), None)
    ways = ways_of(options)
    with Progress(console=Console(stderr=True)) as bars:
        paths = chosen(options, bars)
        found = {one.name: _queried(one, paths, bars) for one in ways}
    scores = {one.name: _values(one, found[one.name]) for one in ways}
    checked = {one.name for one in ways if one.verify is Verify.REQUIRED}
    facts = {
        name: {f"{rate:g}": round(_as_score(threshold(values, rate), name in checked), 4) for rate in RATES}
        for name, values in scores.items()
    }
    for name, rates in facts.items():
        print(f"{name}: " + ", ".join(f"{rate} of unrelated pictures reach {score}" for rate, score in rates.items()))
        for one in sorted(found[name], key=lambda one: -one.score)[:_PRINTED]:
            print(f"  {one.score:.3f}  {one.picture} ({one.edit}) and {one.reference}")
    if options.plot:
        _plot(options.plot, scores)
    queries = len(next(iter(scores.values())))
    print(json.dumps({"pictures": len(paths), "queries": queries, "seed": options.seed, "thresholds": facts}))


def threshold(scores: NDArray[np.float64], rate: float) -> float:
    """The score that this share of unrelated pictures reaches: read if that is one picture or more, else extrapolated.

    Args:
        scores: evidence or cosine of n unrelated pictures, highest first.
        rate: share, 0 to 1.
    """
    if len(scores) * rate >= 1:
        return float(scores[round(len(scores) * rate) - 1])
    return extrapolated(scores, rate)


def extrapolated(scores: NDArray[np.float64], rate: float) -> float:
    """The same score by the exponential tail."""
    tail = scores[: max(2, round(len(scores) * TAIL))]
    return float(tail[-1] + (tail - tail[-1]).mean() * np.log(TAIL / rate))


def _as_score(value: float, evidence: bool) -> float:  # noqa: FBT001 (one of two scales)
    return score_of(value) if evidence else value


def _queried(used: Way, paths: Sequence[Path], bars: Progress) -> list[UnrelatedScore]:
    """The scores of all queries of both halves, each with its best reference."""
    half = len(paths) // 2
    found: list[UnrelatedScore] = []
    for known, others in ((paths[:half], paths[half : 2 * half]), (paths[half : 2 * half], paths[:half])):
        split = Split(known, others, distractors=known[: half // 4], distractors_pasted=known, queries_pasted=others)
        finder = Finder(used)
        names = [*map(str, known), *(str(path) for part in _parts(split.distractors) for _ in HARD for path in part)]
        task = bars.add_task(f"{used.name}: known", total=len(names))
        for pictures in copies_pictures.known(split, HARD):
            finder.add(pictures)
            bars.advance(task, len(pictures))
        finder.ready()
        task = bars.add_task(f"{used.name}: queries", total=half * (1 + len(HARD)))
        for batch in copies_pictures.unrelated(split, HARD, len(HARD)):
            answers, _ = finder.find(batch.pictures)
            for name, one in zip(batch.names, answers, strict=True):
                reference = names[one.reference] if one.reference >= 0 else None
                found.append(UnrelatedScore(name, batch.edit, reference, one.score))
            bars.advance(task, len(answers))
        finder.close()
    return found


def _parts(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """In the batches of `copies_pictures.known`."""
    return (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))


def _values(used: Way, found: Sequence[UnrelatedScore]) -> NDArray[np.float64]:
    """Highest first: the evidence of the check if it decides, else the similarity."""
    values = [one.score for one in found]
    if used.verify is Verify.REQUIRED:  # a score without any evidence is 0.01 times the similarity
        values = [evidence_of(max(0.0, score)) for score in values]
    return np.sort(np.array(values))[::-1]


def _plot(path: Path, scores: dict[str, NDArray[np.float64]]) -> None:
    """Draw the share of unrelated pictures over the score, a diagram for each way, with the extrapolated tail."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (takes half a second; only used here)

    figure = Figure(figsize=(4.5 * len(scores), 3.5), layout="constrained")
    for axes, (name, found) in zip(np.atleast_1d(figure.subplots(1, len(scores))), scores.items(), strict=True):
        shares = np.arange(1, len(found) + 1) / len(found)
        rates = np.geomspace(TAIL, 1e-5, 30)
        axes.semilogy(found, shares, label=f"{len(found):,} unrelated pictures")
        axes.semilogy([extrapolated(found, rate) for rate in rates], rates, "--", label="exponential tail")
        axes.set_ylim(5e-6, 1)
        axes.set_xlim(left=0)
        axes.set_title(name)
        axes.set_xlabel("evidence c of the check" if found.max() > 1 else "cosine")
        axes.set_ylabel("share of pictures that reach it")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
