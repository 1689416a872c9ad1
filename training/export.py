"""A checkpoint → the packaged weights of `embedding/network/words.py`, in half precision."""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.learn import EXPORTED

TARGET = Path(__file__).parents[1] / "embedding" / "network" / "words.safetensors"


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
    save_file(halves, TARGET, metadata={"steps": str(saved["step"])})
    print(f"{TARGET}: {TARGET.stat().st_size / 1e6:.1f} MB after {saved['step']} steps")


if __name__ == "__main__":
    main()
