"""More references, so that a shortlist is measured in a large set: `--distractors N` of `benchmarks.copies`.

Of eight in a row, four are crops of unrelated pictures, three are edits of these, and one is a procedural scene. What
the sets store of them is computed in separate processes, one for each core: 30,000 take about ten minutes on two cores.
"""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from random import Random

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.copies_finder import described, way
from benchmarks.copies_pictures import BATCH, Split, load, pixels
from benchmarks.copies_trial import Progress, Run
from harness.changes import Picture, cropped
from harness.edits import HARD
from reference_sets.model import Reference, ReferenceSet
from training.pictures import picture as scene

_SEED = 79  # of the scenes: others than those of training
_IN_TURN = 16  # distractors in a row from one picture, which is then decoded once
_CROP = cropped((0.08, 0.7))


def distract(runs: Sequence[Run], split: Split, count: int, progress: Progress) -> None:
    """Add `count` references to each way's set. After the last ones call `ready` of each finder."""
    first = runs[0].finder.count
    names, sets = [run.finder.way.name for run in runs], [run.finder.known for run in runs]
    parts = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), _one_thread) as processes:
        making = processes.map(partial(_made, names, sets, split, first), parts)
        for numbers, made in zip(parts, making, strict=True):
            for run, references in zip(runs, made, strict=True):
                run.finder.insert(references)
            progress("distractors", len(numbers), count)


def distractor(split: Split, number: int) -> Picture:
    """The distractor with this number; the same number gives the same picture."""
    rng = Random(f"distractor {number}")  # noqa: S311 (nothing secret)
    turn = number % 8
    if turn == 7:  # noqa: PLR2004 (the last of eight)
        return Image.fromarray(scene(np.random.default_rng((_SEED, number))))
    picture = _loaded(split.distractors[number // _IN_TURN % len(split.distractors)])
    if turn < 4:  # noqa: PLR2004 (the first half)
        return _CROP(picture, rng)
    other = _loaded(split.distractors_pasted[number // _IN_TURN % len(split.distractors_pasted)])
    return rng.choice(HARD).apply(picture, number, other)


def _made(
    names: Sequence[str], sets: Sequence[ReferenceSet], split: Split, first: int, numbers: range
) -> list[list[Reference | None]]:
    """For each way what its set stores of the distractors with these numbers."""
    made = [pixels(distractor(split, number)) for number in numbers]
    return [
        described(way(name).encoder, known, made, first + numbers[0]) for name, known in zip(names, sets, strict=True)
    ]


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@lru_cache(maxsize=4)
def _loaded(path: Path) -> Picture:
    return load(path)
