"""The ways to compute one network, and the choice of the fastest on this machine.

All give the same vectors except for rounding: each is compared with the plain model in float32 before it is used.
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

Forward = Callable[[Tensor], Tensor]  # prepared pictures (n, 3, height, width) → (n, dimension)
Clock = Callable[[], float]  # seconds
CLOCKS: dict[str, Clock] = {
    "cpu": time.thread_time,
    "cuda": time.perf_counter,
}  # other threads do not lengthen the thread's time
Colours = tuple[tuple[float, float, float], tuple[float, float, float]]  # mean and std of values from 0 to 1


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to compute the network.

    Attributes:
        forward: the computation.
        type: its numeric type.
        name: for people.
    """

    forward: Forward
    type: torch.dtype
    name: str


class Plain:
    """The network as its library computes it.

    Args:
        tower: floats (n, 3, height, width) → (n, dimension).
        colours: mean and std to normalise bytes with; None: pictures are passed ready for the tower.
        type_: the tower's numeric type.
    """

    def __init__(self, tower: torch.nn.Module, colours: Colours | None, type_: torch.dtype) -> None:
        self._tower, self._type = tower, type_
        self._colours = [255 * torch.tensor(each).view(3, 1, 1) for each in colours] if colours else None

    def __call__(self, pictures: Tensor) -> Tensor:
        """Vectors (n, dimension) of prepared pictures, not yet of unit length."""
        if self._colours:
            mean, std = (each.to(pictures.device) for each in self._colours)
            pictures = pictures.float().sub_(mean).div_(std)
        found = self._tower(pictures.to(self._type))
        features: Tensor = found[0] if isinstance(found, tuple) else found  # CoCa's tower also returns its tokens
        return features


@torch.inference_mode()
def vectors(forward: Forward, pictures: Tensor) -> NDArray[np.float32]:
    """Unit vectors (n, dimension) of prepared pictures. Normalised in float32: half precision is off by 1e-3."""
    found: NDArray[np.float32] = normalize(forward(pictures).float(), dim=-1).cpu().numpy()
    return found


def fastest_backend(  # noqa: PLR0913 (the choice depends on all of them)
    tower: torch.nn.Module,
    vit: Vit | None,
    colours: Colours | None,
    trial: Tensor,
    types: Sequence[torch.dtype],
    *,
    timed: bool,
    required: bool,
    batch_size: int,
    clock: Clock,
) -> Backend:
    """The fastest backend that is accurate.

    Args:
        tower: the network in float32, on its device. It is not changed; drop it, and `vit`, to free their memory.
        vit: its parts, to be packed; None: it is not a vision transformer, or not on the CPU.
        colours: see `Plain`.
        trial: prepared pictures to compare the backends with.
        types: numeric types to try, the best first. If none is accurate, float32 is used.
        timed: whether types and packed layers must be faster too.
        required: whether the first type must be accurate; otherwise the next one is tried.
        batch_size: number of pictures that it should be fast with.
        clock: measures a backend's time; see CLOCKS.

    Raises:
        EncoderError: the network gives no vectors of finite numbers, or the requested type is not accurate.
    """
    full = Plain(tower, colours, torch.float32)
    # Timed once only, as it takes long. The first run takes a little longer than later ones, which favours half types:
    # they take a quarter of that with AMX, and up to three times as much without. So the choice, which is part of the
    # fingerprint, is the same at each start.
    right, seconds = _timed(full, trial, clock)
    if right.ndim != 2:  # noqa: PLR2004 (a row for each picture)
        raise EncoderError("this model gives a map of features, not a vector: choose one that pools its features")
    if not np.isfinite(right).all():
        raise EncoderError("the checkpoint gives vectors that are not finite numbers: use an undamaged one")
    backend, tried = Backend(full, torch.float32, "plain model"), _Trial(trial, right, clock, timed)
    for type_ in types:
        if type_ is torch.float32:
            break
        half = Plain(copy.deepcopy(tower).to(type_), colours, type_)
        fault, half_s = tried.fault(half, seconds)
        if fault is None:
            backend, seconds = Backend(half, type_, "plain model"), half_s
            break
        name = str(type_).removeprefix("torch.")
        if required:
            raise EncoderError(f'this model {fault} in {name}: set precision to "float32" or "auto"')
        log.warning("This model %s in %s on this machine: trying the next type, which may be slower", fault, name)
    if vit is None or colours is None:
        return backend
    return _packed(backend, seconds, partial(Packed, vit, *colours, backend.type, batch_size), tried)


def _packed(backend: Backend, seconds: float, pack: Callable[[], Forward], tried: "_Trial") -> Backend:
    """`backend`, which takes these seconds, or packed layers of its type instead if they are faster."""
    try:
        packed = pack()
        fault, _ = tried.fault(packed, seconds)
    except (AttributeError, RuntimeError, TypeError) as error:  # torch has other operators, or none for this processor
        fault = f"raises {type(error).__name__}"
    if fault is None:
        return Backend(packed, backend.type, "packed ViT")
    log.warning("The packed layers of this model's ViT are not used, because it %s with them: it is slower", fault)
    return replace(backend, name=f"plain model (it {fault} with packed layers)")


@dataclass(frozen=True, slots=True)
class _Trial:
    """Pictures, their correct vectors, and whether a backend must also be faster than the last one."""

    pictures: Tensor
    right: NDArray[np.float32]
    clock: Clock
    timed: bool

    def fault(self, forward: Forward, most_s: float) -> tuple[str | None, float]:
        """What is wrong with a backend, or None; and the seconds of its second run, as the first one prepares much."""
        found, seconds = _timed(forward, self.pictures, self.clock)
        if not same_vectors(self.right, found):
            return "is not accurate", seconds
        if not self.timed:
            return None, seconds
        _, seconds = _timed(forward, self.pictures, self.clock)
        return (None if seconds <= most_s else "is not faster"), seconds


def _timed(forward: Forward, pictures: Tensor, clock: Clock) -> tuple[NDArray[np.float32], float]:
    start = clock()
    found = vectors(forward, pictures)
    return found, clock() - start
