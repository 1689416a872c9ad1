"""A checkpoint → the weights of `embedding/local/words.py` with all words, in half precision."""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.learn import EXPORTED

EXPORT = "exported.safetensors"  # in the folder


def main() -> None:
    """Write the averaged weights, cut to the vector's first EXPORTED values, which were trained to be used alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    saved = torch.load(options.folder / "learned.pt", weights_only=True)
    weights = dict(saved["averaged"])
    weights["out.weight"] = weights["out.weight"][:EXPORTED]
    weights["out.bias"] = weights["out.bias"][:EXPORTED]
    halves = {name: value.half().contiguous() for name, value in weights.items()}
    target = options.folder / EXPORT
    save_file(halves, target, metadata={"steps": str(saved["step"])})
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB after {saved['step']} steps")


if __name__ == "__main__":
    main()
