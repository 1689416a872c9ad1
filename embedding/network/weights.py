"""Reads the weights of a network from a checkpoint, which is not trusted."""

import argparse
import hashlib
import pickle
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from embedding.encoder import EncoderError

_ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
_PREFIX = "visual."  # of the image tower, in every one of OpenCLIP's models
# Keys under which training programs save a network, best first: averaged weights, DINO's teacher, the network itself.
_TABLES = ("state_dict_ema", "model_ema", "teacher", "state_dict", "model")
# Prefixes that wrappers leave on names: distributed and compiled training, Lightning, DINO (whose head is outside).
_WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.")
_MASK = "mask_token"  # DINOv2's stand-in for hidden patches: for training only


def sha256(checkpoint: Path) -> str:
    """SHA-256 of the file, in hexadecimal."""
    with checkpoint.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def openclip_weights(checkpoint: Path, tower: torch.nn.Module, model: str) -> dict[str, torch.Tensor]:
    """Exactly the weights that OpenCLIP's image `tower` has, as float32.

    Raises:
        EncoderError: the file cannot be read, or weights are missing, unknown, or of another shape.
    """
    found = {
        name.removeprefix("module.").removeprefix(_PREFIX): value  # "module." is left by distributed training
        for name, value in _read(checkpoint).items()
        if name.removeprefix("module.").startswith(_PREFIX)
    }
    if not found:
        raise EncoderError(f"{checkpoint} holds no image tower: use a checkpoint of {model} in OpenCLIP's own format")
    return _fitting(checkpoint, found, tower.state_dict(), model)


def timm_weights(
    checkpoint: Path,
    tower: torch.nn.Module,
    model: str,
    heads: Collection[str],
    names: Sequence[str] | None = None,
) -> dict[str, torch.Tensor]:
    """Exactly the weights that timm's `tower` has, as float32, even if training wrapped it in something.

    These are ignored: modules named in `heads` that the tower does not have, buffers that are computed and not learned,
    and everything outside a wrapped network.

    Args:
        checkpoint: the file.
        tower: timm's network.
        model: its name, for messages.
        heads: see above.
        names: timm's names of all weights of the file in its order, if the file has other names; None: it has timm's.

    Raises:
        EncoderError: see `openclip_weights`.
    """
    found, wanted = _read(checkpoint), tower.state_dict()
    if names is not None:
        found = _renamed(checkpoint, found, names, model)
    for wrapper in _WRAPPERS:
        wrapped = {name.removeprefix(wrapper): value for name, value in found.items() if name.startswith(wrapper)}
        if wrapped and not any(name.startswith(wrapper) for name in wanted):
            found = wrapped
    # Counts of batches are only used in training, and old checkpoints do not have them.
    counts = {name: value for name, value in wanted.items() if name.endswith(".num_batches_tracked")}
    computed = {name for name, _ in tower.named_buffers()} | {_MASK}
    kept = {
        name: value
        for name, value in found.items()
        if name in wanted or not (name in computed or name.partition(".")[0] in heads)
    }
    return _fitting(checkpoint, counts | kept, wanted, model)


def _renamed(
    checkpoint: Path, found: dict[str, torch.Tensor], names: Sequence[str], model: str
) -> dict[str, torch.Tensor]:
    """The same weights under other names, in the same order. Their last parts (weight, bias, …) are equal."""
    kinds, wanted = ([name.rpartition(".")[2] for name in some] for some in (found, names))
    if kinds != wanted:
        raise EncoderError(f"{checkpoint} has other weights than {model}, or in another order: use the file it is for")
    return dict(zip(names, found.values(), strict=True))


def _fitting(
    checkpoint: Path, found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], model: str
) -> dict[str, torch.Tensor]:
    """`found` as float32, if it has exactly the names and shapes of `wanted`."""
    shapes = {name: value.shape for name, value in wanted.items()}
    have = {name: value.shape for name, value in found.items()}
    if shapes != have:
        raise EncoderError(
            f"{checkpoint} does not fit {model} ({_difference(shapes, have)}): use a checkpoint of exactly this model"
        )
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def _difference(wanted: dict[str, torch.Size], have: dict[str, torch.Size]) -> str:
    missing = len(wanted.keys() - have.keys())
    unknown = len(have.keys() - wanted.keys())
    shaped = sum(wanted[name] != have[name] for name in wanted.keys() & have.keys())
    return f"weights missing: {missing}, unknown: {unknown}, of another shape: {shaped}"


def _read(checkpoint: Path) -> dict[str, torch.Tensor]:
    """All tensors by name. `weights_only` prevents a pickle from running code."""
    if not checkpoint.is_file():
        raise EncoderError(f"there is no checkpoint at {checkpoint}: set checkpoint to a file with the weights")
    if checkpoint.suffix not in _ENDINGS:
        raise EncoderError(f"{checkpoint} must end in {', '.join(_ENDINGS)}: convert it, preferably to safetensors")
    try:
        if checkpoint.suffix == ".safetensors":
            held: Any = load_file(checkpoint)
        else:
            with torch.serialization.safe_globals([argparse.Namespace]):  # the training's options: values, not code
                held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise EncoderError(
            f"{checkpoint} holds more than weights, and code is never run: save its state_dict as safetensors"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise EncoderError(
            f"{checkpoint} cannot be read as weights ({type(error).__name__}): use an undamaged file, best safetensors"
        ) from None
    if isinstance(held, dict):
        held = next((held[table] for table in _TABLES if isinstance(held.get(table), dict)), held)
    if not isinstance(held, dict):
        raise EncoderError(f"{checkpoint} holds no table of weights: save the model's state_dict")
    return {name: value for name, value in held.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
