"""Leave out the words that hardly add to any vector: packaged are KEPT of the LEARNED_WORDS words.

What counts is a word's share of a view's sums, weighted by how far it moves the vector; the square of that is averaged
over procedural views, because a word that matters for few views matters for those. A word that is left out is taken as
never active, so that it adds the root of ROOT_FLOOR, times its column of the output layer, to every vector.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save_file

from embedding.local.keypoints import MIN_KEYPOINTS
from embedding.local.words import ROOT_FLOOR, TRAINED, Float32
from training.export import EXPORT

KEPT = 512
TARGET = Path(__file__).parents[1] / "embedding" / "local" / "words.safetensors"

Weights = dict[str, NDArray[np.float32]]


def sums(folder: Path, weights: Weights) -> NDArray[np.float32]:
    """Each view's sums over its corners, of the views in the folder's shards: (views, words)."""
    layers, found = Float32(weights), []
    for path in sorted(folder.glob("shard-*.npz")):
        shard = np.load(path)
        descriptors, counts = shard["descriptors"], shard["counts"]
        places = map(tuple, np.argwhere(counts >= MIN_KEYPOINTS))
        found += [layers(descriptors[place][: counts[place]]).sum(0) for place in places]
    return np.array(found)


def strongest(of_views: NDArray[np.float32], out: NDArray[np.float32]) -> NDArray[np.intp]:
    """The KEPT words that matter most, in their order.

    Args:
        of_views: (views, words), their sums.
        out: (dimension, words), the output layer's weights.
    """
    shares = of_views / (of_views + ROOT_FLOOR).sum(1, keepdims=True) * (out * out).sum(0)
    return np.sort(np.argsort(-(shares * shares).mean(0), kind="stable")[:KEPT])


def pruned(weights: Weights, kept: NDArray[np.intp]) -> Weights:
    """The weights with these words alone, and what the others add.

    `absent.out` (dimension,) is added to the product of the output layer with the roots of the sums, before it is
    divided by their length, and `absent.number` (1,) times ROOT_FLOOR to the square of that length.
    """
    absent = np.setdiff1d(np.arange(len(weights["words.bias"])), kept)
    return {
        **weights,
        "words.weight": weights["words.weight"][kept],
        "words.bias": weights["words.bias"][kept],
        "out.weight": np.ascontiguousarray(weights["out.weight"][:, kept]),  # safetensors would mix up the values
        "absent.out": np.sqrt(np.float32(ROOT_FLOOR)) * weights["out.weight"][:, absent].sum(1),
        "absent.number": np.array([len(absent)], np.float32),
    }


def main() -> None:
    """Write the packaged weights: in half precision, except for what the absent words add."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with shards of views, and what training.export wrote")
    options = parser.parse_args()
    content = (options.folder / EXPORT).read_bytes()
    weights = {name: value.astype(np.float32) for name, value in load(content).items()}
    kept = strongest(sums(options.folder, weights), weights["out.weight"])
    found = {
        name: value if name.startswith("absent") else value.astype(np.float16)
        for name, value in pruned(weights, kept).items()
    }
    save_file(found, TARGET, metadata={TRAINED: hashlib.sha256(content).hexdigest()})
    print(f"{TARGET}: {len(kept)} of {len(weights['words.bias'])} words, {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
