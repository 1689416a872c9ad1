"""Train the network of `embedding/local/words.py` on shards of views.

Each descriptor goes through two layers to LEARNED_WORDS soft visual words. They are summed over the picture, square
rooted (so that repeated texture counts less), normalised, and mapped to the vector. The loss is InfoNCE
(van den Oord et al., 2018): an edited picture must be nearer to its own original than to all other originals and
edited pictures of the batch. It is computed on the whole vector and on its first half, so that either can be stored.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.views import VIEWS

HIDDEN, LEARNED_WORDS, DIMENSION = 512, 2048, 1024
EXPORTED = DIMENSION // 2  # values of the vector that are packaged: the whole vector found no more (docs/copies.md)
PICTURES = 128  # per step
KEYPOINTS = 256  # chosen at random from each view: cheaper, and as if the rest were covered
EDITED = 2  # views per picture, besides the original
TEMPERATURE = 0.05
LEARNING_RATE, WARM_UP, WEIGHT_DECAY = 2e-3, 200, 1e-3
AVERAGING = 0.998  # share of the average that is kept in each step
PRINT_EVERY, SAVE_EVERY = 25, 200  # steps


class Aggregation(nn.Module):
    """Descriptors of v pictures, ±1 in (v, m, 256) with a mask (v, m), to vectors (v, DIMENSION)."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(256, HIDDEN)
        self.words = nn.Linear(HIDDEN, LEARNED_WORDS)
        self.out = nn.Linear(LEARNED_WORDS, DIMENSION)

    def forward(self, bits: Tensor, mask: Tensor) -> Tensor:
        """Vectors (v, DIMENSION), not yet of unit length."""
        hidden = torch.relu_(_linear(bits, self.hidden))
        words = torch.relu_(_linear(hidden, self.words))
        total = torch.bmm(mask.bfloat16().unsqueeze(1), words).squeeze(1).float()
        total = nn.functional.normalize(torch.sqrt(total + 1e-4), dim=1)
        return nn.functional.linear(total, self.out.weight, self.out.bias)


def _linear(values: Tensor, layer: nn.Linear) -> Tensor:
    return nn.functional.linear(values, layer.weight.bfloat16(), layer.bias.bfloat16())


class Shards:
    """The views on disk; more may be written while training runs."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self._folder, self._rng = folder, rng
        self._loaded: set[Path] = set()
        self._descriptors: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []
        self.refresh()

    def refresh(self) -> int:
        """Load new shards; returns the number of pictures."""
        for path in sorted(set(self._folder.glob("shard-*.npz")) - self._loaded):
            loaded = np.load(path)
            self._loaded.add(path)
            self._descriptors.extend(loaded["descriptors"])
            self._counts.extend(loaded["counts"])
        return len(self._counts)

    def batch(self) -> tuple[Tensor, Tensor]:
        """±1 (PICTURES · (1 + EDITED), m, 256) and a mask: the originals first, then each round of edited views."""
        chosen = self._rng.choice(len(self._counts), PICTURES, replace=False)
        columns = np.stack([np.append(0, 1 + self._rng.permutation(VIEWS - 1)[:EDITED]) for _ in chosen])
        packed = np.stack(
            [self._descriptors[row][column] for round_ in columns.T for row, column in zip(chosen, round_, strict=True)]
        )
        counts = np.concatenate(
            [[self._counts[row][column] for row, column in zip(chosen, round_, strict=True)] for round_ in columns.T]
        )
        order = self._rng.random(packed.shape[:2])
        order[np.arange(packed.shape[1])[None] >= counts[:, None]] = 2  # so that padding comes last
        drawn = np.argsort(order, 1)[:, :KEYPOINTS]
        packed = np.take_along_axis(packed, drawn[:, :, None], 1)
        bits = torch.from_numpy(np.unpackbits(packed, axis=2)).bfloat16().mul_(2).sub_(1)
        mask = torch.arange(KEYPOINTS)[None] < torch.from_numpy(counts.astype(np.int64))[:, None]
        return bits, mask


def contrast(vectors: Tensor) -> Tensor:
    """InfoNCE of edited pictures against all originals and others' edits, and of originals against edited pictures."""
    vectors = nn.functional.normalize(vectors, dim=1)
    originals, edited = vectors[:PICTURES], vectors[PICTURES:]
    own = torch.arange(PICTURES).repeat(EDITED)
    to_originals = edited @ originals.T / TEMPERATURE
    among = edited @ edited.T / TEMPERATURE
    among = among.masked_fill(own[:, None] == own[None], -1e4)
    forward = nn.functional.cross_entropy(torch.cat([to_originals, among], 1), own)
    rounds = to_originals.view(EDITED, PICTURES, PICTURES)
    backward = torch.stack([nn.functional.cross_entropy(one.T, torch.arange(PICTURES)) for one in rounds])
    return forward + backward.mean()


@dataclass(slots=True)
class Training:
    """A network in training, and the average of its last steps, which is packaged."""

    model: Aggregation
    averaged: Aggregation
    optimizer: torch.optim.AdamW
    step: int = 0

    @classmethod
    def begin(cls, checkpoint: Path) -> "Training":
        """Start new, or resume from the checkpoint if it exists."""
        model, averaged = Aggregation(), Aggregation()
        averaged.load_state_dict(model.state_dict())
        training = cls(
            model, averaged, torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        )
        if checkpoint.exists():
            saved = torch.load(checkpoint, weights_only=True)
            model.load_state_dict(saved["model"])
            averaged.load_state_dict(saved["averaged"])
            training.optimizer.load_state_dict(saved["optimizer"])
            training.step = saved["step"]
        return training

    def learn(self, bits: Tensor, mask: Tensor, steps: int) -> float:
        """Do one step of `steps`; returns the loss before it."""
        rate = LEARNING_RATE * min(1, (self.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * self.step / steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        vectors = self.model(bits, mask)
        loss = contrast(vectors) + contrast(vectors[:, :EXPORTED])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        self.optimizer.step()
        with torch.no_grad():
            keep = min(AVERAGING, self.step / (self.step + 10))
            for mean, value in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        self.step += 1
        return loss.item()

    def save(self, checkpoint: Path) -> None:
        """Write the checkpoint, by a rename, so that it is never incomplete."""
        state = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        unfinished = checkpoint.with_suffix(".tmp")
        torch.save(state, unfinished)
        unfinished.rename(checkpoint)


def main() -> None:
    """Train for a number of steps, from the checkpoint if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    checkpoint = options.folder / "learned.pt"
    training = Training.begin(checkpoint)
    shards = Shards(options.folder, np.random.default_rng(options.seed + training.step))
    started, first, losses = time.perf_counter(), training.step, []
    while training.step < options.steps:
        losses.append(training.learn(*shards.batch(), options.steps))
        if training.step % PRINT_EVERY == 0:
            pace = (time.perf_counter() - started) / (training.step - first)
            pictures = shards.refresh()
            print(
                f"step {training.step}: loss {np.mean(losses):.3f}, {pace:.2f} s a step, {pictures} pictures",
                flush=True,
            )
            losses.clear()
        if training.step % SAVE_EVERY == 0 or training.step == options.steps:
            training.save(checkpoint)


if __name__ == "__main__":
    main()
