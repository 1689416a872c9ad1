"""Pictures and their edits → keypoints, in shards on disk: the slow part of training, done once.

A shard is an .npz of `descriptors` uint8 (pictures, VIEWS, MAX_KEYPOINTS, 32) and `counts` int16 (pictures, VIEWS).
View 0 is the picture as a reference would have it; the others are edited.
"""

import argparse
from pathlib import Path

import numpy as np

from embedding.local.keypoints import DESCRIPTOR_BYTES, MAX_KEYPOINTS, detect
from training.edits import heavy, light
from training.pictures import picture

VIEWS = 8
SHARD = 100  # pictures


def shard(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors and counts of SHARD pictures."""
    rng = np.random.default_rng(seed)
    descriptors = np.zeros((SHARD, VIEWS, MAX_KEYPOINTS, DESCRIPTOR_BYTES), np.uint8)
    counts = np.zeros((SHARD, VIEWS), np.int16)
    other = picture(rng)
    for row in range(SHARD):
        original = picture(rng)
        views = [light(rng, original)] + [heavy(rng, original, other) for _ in range(VIEWS - 1)]
        for column, view in enumerate(views):
            found = detect(view)
            counts[row, column] = len(found)
            descriptors[row, column, : len(found)] = found.descriptors
        other = original
    return descriptors, counts


def main() -> None:
    """Write the shards that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--part", default="0/1", help="this process's share of the shards, as in 0/2")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    part, parts = (int(value) for value in options.part.split("/"))
    for index in range(part, options.pictures // SHARD, parts):
        path = options.folder / f"shard-{index:04}.npz"
        if path.exists():
            continue
        descriptors, counts = shard(index)
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as stream:
            np.savez(stream, descriptors=descriptors, counts=counts)
        unfinished.rename(path)
        print(f"{path.name}: {counts.mean():.0f} keypoints a view", flush=True)


if __name__ == "__main__":
    main()
