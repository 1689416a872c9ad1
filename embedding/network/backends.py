"""The ways to compute one network, and which of them this machine takes.

All give the same vectors but for rounding: each is compared with the plain model in float32 before it is taken.
"""

import copy
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from embedding.encoder import EncoderError
from embedding.network.packed_vit import Packed
from embedding.network.precision import same_vectors
from embedding.network.vit import Vit

log = logging.getLogger(__name__)

See = Callable[[Tensor], Tensor]  # prepared pictures (n, 3, height, width) → (n, dimension)
Clock = Callable[[], float]  # seconds
CLOCKS: dict[str, Clock] = {"cpu": time.thread_time, "cuda": time.perf_counter}  # others do not lengthen the first
Colours = tuple[tuple[float, float, float], tuple[float, float, float]]  # mean and std of values from 0 to 1


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute the network.

    Attributes:
        see: the computation.
        type: its numeric type.
        how: its name for people.
    """

    see: See
    type: torch.dtype
    how: str


class Plain:
    """The network as its library computes it.

    Args:
        tower: floats (n, 3, height, width) → (n, dimension).
        colours: that bytes are normalised with; None: pictures come as the tower takes them.
        type_: numeric type that the tower has.
    """

    def __init__(self, tower: torch.nn.Module, colours: Colours | None, type_: torch.dtype) -> None:
        self._tower, self._type = tower, type_
        self._colours = [255 * torch.tensor(each).view(3, 1, 1) for each in colours] if colours else None

    def __call__(self, pictures: Tensor) -> Tensor:
        """See above."""
        if self._colours:
            mean, std = (each.to(pictures.device) for each in self._colours)
            pictures = pictures.float().sub_(mean).div_(std)
        seen = self._tower(pictures.to(self._type))
        features: Tensor = seen[0] if isinstance(seen, tuple) else seen  # CoCa's tower also returns its tokens
        return features


@torch.inference_mode()
def vectors(see: See, pictures: Tensor) -> NDArray[np.float32]:
    """Unit vectors (n, dimension) of prepared pictures. Lengths in half precision would be off by 1e-3."""
    found: NDArray[np.float32] = normalize(see(pictures).float(), dim=-1).cpu().numpy()
    return found


def quickest(  # noqa: PLR0913 (all of them decide)
    tower: torch.nn.Module,
    vit: Vit | None,
    colours: Colours | None,
    trial: Tensor,
    types: Sequence[torch.dtype],
    *,
    timed: bool,
    together: int,
    clock: Clock,
) -> Way:
    """The quickest way that is right.

    Args:
        tower: the network in float32, on its device. It is not changed; drop it, and `vit`, to have the memory back.
        vit: its parts, to be packed; None: it is not one, or not on the processor.
        colours: see `Plain`.
        trial: prepared pictures to compare the ways with.
        types: numeric types to try, the best first. If none is right, it is float32.
        timed: whether types and packed layers have to be faster too. Otherwise the first type has to be right.
        together: pictures at a time that it should be quick with.
        clock: of the time that a way takes; see CLOCKS.

    Raises:
        EncoderError: the network gives no vectors of finite numbers, or the type that was asked for is not right.
    """
    full = Plain(tower, colours, torch.float32)
    # Once only, as it takes long. The first time lasts a little longer than others, which is in favour of half types:
    # with AMX they take a quarter of it and without up to three times as much, so that the choice, which is part of the
    # fingerprint, is the same at each start.
    right, seconds = _timed(full, trial, clock)
    if right.ndim != 2:  # noqa: PLR2004 (a row for each picture)
        raise EncoderError("this model gives a map of features and no vector: choose one that pools its features")
    if not np.isfinite(right).all():
        raise EncoderError("the checkpoint gives vectors that are not finite numbers: use an undamaged one")
    way, tried = Way(full, torch.float32, "plain model"), _Trial(trial, right, clock, timed)
    for type_ in types:
        if type_ is torch.float32:
            break
        half = Plain(copy.deepcopy(tower).to(type_), colours, type_)
        fault, half_s = tried.fault(half, seconds)
        if fault is None:
            way, seconds = Way(half, type_, "plain model"), half_s
            break
        name = str(type_).removeprefix("torch.")
        if not timed:
            raise EncoderError(f'this model {fault} in {name}: set encoder.precision to "float32" or "auto"')
        log.warning("This model %s in %s on this machine: the next type is tried, which may be slower", fault, name)
    if vit is None or colours is None:
        return way
    return _packed(way, seconds, partial(Packed, vit, *colours, way.type, together), tried)


def _packed(way: Way, seconds: float, pack: Callable[[], See], tried: "_Trial") -> Way:
    """`way`, which takes these seconds, or packed layers of its type instead."""
    try:
        packed = pack()
        fault, _ = tried.fault(packed, seconds)
    except (AttributeError, RuntimeError, TypeError) as error:  # other operators, or none for this processor
        fault = f"raises {type(error).__name__}"
    if fault is None:
        return Way(packed, way.type, "packed ViT")
    log.warning("The packed layers of this model's ViT are not used, for it %s with them: it is slower so", fault)
    return replace(way, how=f"plain model (it {fault} with packed layers)")


@dataclass(frozen=True, slots=True)
class _Trial:
    """Pictures, their right vectors, and whether a way has to be faster than the last one too."""

    pictures: Tensor
    right: NDArray[np.float32]
    clock: Clock
    timed: bool

    def fault(self, see: See, most_s: float) -> tuple[str | None, float]:
        """What is wrong with a way, or None; and its seconds: of the second time, as the first prepares much."""
        found, seconds = _timed(see, self.pictures, self.clock)
        if not same_vectors(self.right, found):
            return "is not right", seconds
        if not self.timed:
            return None, seconds
        _, seconds = _timed(see, self.pictures, self.clock)
        return (None if seconds <= most_s else "is not faster"), seconds


def _timed(see: See, pictures: Tensor, clock: Clock) -> tuple[NDArray[np.float32], float]:
    start = clock()
    found = vectors(see, pictures)
    return found, clock() - start
