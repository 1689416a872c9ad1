"""Learn the aggregation of `embedding/network/words.py` from shards of views.

Each descriptor goes through two layers to LEARNED_WORDS soft visual words; they are summed over the picture, square
rooted (so that repeated texture counts less), brought to unit length, and mapped to the vector. The loss is InfoNCE
(van den Oord et al., 2018): an edited picture must be nearer to its own original than to all other originals and
edited pictures of the batch. It is taken on the whole vector and on its first half, so that either can be stored.
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
EXPORTED = DIMENSION // 2  # of the vector that are packaged: the whole found no more (docs/copies.md)
PICTURES = 128  # a step
KEYPOINTS = 256  # drawn of each view: cheaper, and as if the others were covered
EDITED = 2  # views of each, beside the original
TEMPERATURE = 0.05
RATE, WARM_UP, DECAY = 2e-3, 200, 1e-3
AVERAGED = 0.998
TOLD, SAVED = 25, 200  # steps between lines on the screen, and between checkpoints


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
    """The views on disk; more of them may come while training runs."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self._folder, self._rng = folder, rng
        self._seen: set[Path] = set()
        self._descriptors: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []
        self.refresh()

    def refresh(self) -> int:
        """Load what is new; the number of pictures."""
        for path in sorted(set(self._folder.glob("shard-*.npz")) - self._seen):
            loaded = np.load(path)
            self._seen.add(path)
            self._descriptors.extend(loaded["descriptors"])
            self._counts.extend(loaded["counts"])
        return len(self._counts)

    def batch(self) -> tuple[Tensor, Tensor]:
        """±1 (PICTURES · (1 + EDITED), m, 256) and mask: originals first, then each round of edited ones."""
        chosen = self._rng.choice(len(self._counts), PICTURES, replace=False)
        columns = np.stack([np.append(0, 1 + self._rng.permutation(VIEWS - 1)[:EDITED]) for _ in chosen])
        packed = np.stack(
            [self._descriptors[row][column] for round_ in columns.T for row, column in zip(chosen, round_, strict=True)]
        )
        counts = np.concatenate(
            [[self._counts[row][column] for row, column in zip(chosen, round_, strict=True)] for round_ in columns.T]
        )
        order = self._rng.random(packed.shape[:2])
        order[np.arange(packed.shape[1])[None] >= counts[:, None]] = 2  # the padding last
        drawn = np.argsort(order, 1)[:, :KEYPOINTS]
        packed = np.take_along_axis(packed, drawn[:, :, None], 1)
        bits = torch.from_numpy(np.unpackbits(packed, axis=2)).bfloat16().mul_(2).sub_(1)
        mask = torch.arange(KEYPOINTS)[None] < torch.from_numpy(counts.astype(np.int64))[:, None]
        return bits, mask


def contrast(vectors: Tensor) -> Tensor:
    """InfoNCE of edited pictures against all originals, and against the edited pictures of others; both ways."""
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
class Course:
    """A network on its way, and the average of its last steps, which is what is packaged."""

    model: Aggregation
    averaged: Aggregation
    optimizer: torch.optim.AdamW
    step: int = 0

    @classmethod
    def begin(cls, checkpoint: Path) -> "Course":
        """From the checkpoint if there is one."""
        model, averaged = Aggregation(), Aggregation()
        averaged.load_state_dict(model.state_dict())
        course = cls(model, averaged, torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY))
        if checkpoint.exists():
            saved = torch.load(checkpoint, weights_only=True)
            model.load_state_dict(saved["model"])
            averaged.load_state_dict(saved["averaged"])
            course.optimizer.load_state_dict(saved["optimizer"])
            course.step = saved["step"]
        return course

    def learn(self, bits: Tensor, mask: Tensor, steps: int) -> float:
        """One step of `steps`; the loss before it."""
        rate = RATE * min(1, (self.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * self.step / steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        vectors = self.model(bits, mask)
        loss = contrast(vectors) + contrast(vectors[:, :EXPORTED])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        self.optimizer.step()
        with torch.no_grad():
            keep = min(AVERAGED, self.step / (self.step + 10))
            for mean, value in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        self.step += 1
        return loss.item()

    def save(self, checkpoint: Path) -> None:
        """Whole or not at all."""
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
    """Train for a number of steps, going on from the checkpoint if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    checkpoint = options.folder / "learned.pt"
    course = Course.begin(checkpoint)
    shards = Shards(options.folder, np.random.default_rng(options.seed + course.step))
    started, first, losses = time.perf_counter(), course.step, []
    while course.step < options.steps:
        losses.append(course.learn(*shards.batch(), options.steps))
        if course.step % TOLD == 0:
            pace = (time.perf_counter() - started) / (course.step - first)
            pictures = shards.refresh()
            print(
                f"step {course.step}: loss {np.mean(losses):.3f}, {pace:.2f} s a step, {pictures} pictures", flush=True
            )
            losses.clear()
        if course.step % SAVED == 0 or course.step == options.steps:
            course.save(checkpoint)


if __name__ == "__main__":
    main()
