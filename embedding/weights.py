"""The weights of an image tower, out of a checkpoint that may be anyone's."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from embedding.encoder_error import EncoderError

_ENDINGS = (".safetensors", ".pt", ".bin")
_PREFIX = "visual."  # of the image tower, in every one of OpenCLIP's models


def sha256(checkpoint: Path) -> str:
    """Of the file, in hexadecimal."""
    with checkpoint.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def image_weights(checkpoint: Path, tower: torch.nn.Module, model: str) -> dict[str, torch.Tensor]:
    """Exactly the weights that `tower` has, as float32.

    Raises:
        EncoderError: the file cannot be read, or weights are missing, too many, or of another shape.
    """
    found = {
        name.removeprefix("module.").removeprefix(_PREFIX): value  # "module." is left by distributed training
        for name, value in _read(checkpoint).items()
        if name.removeprefix("module.").startswith(_PREFIX)
    }
    if not found:
        raise EncoderError(f"{checkpoint} holds no image tower: use a checkpoint of {model} in OpenCLIP's own format")
    wanted = {name: value.shape for name, value in tower.state_dict().items()}
    have = {name: value.shape for name, value in found.items()}
    if wanted != have:
        raise EncoderError(
            f"{checkpoint} does not fit {model} ({_difference(wanted, have)}): use a checkpoint of exactly this model"
        )
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def _difference(wanted: dict[str, torch.Size], have: dict[str, torch.Size]) -> str:
    missing = len(wanted.keys() - have.keys())
    strange = len(have.keys() - wanted.keys())
    shaped = sum(wanted[name] != have[name] for name in wanted.keys() & have.keys())
    return f"weights missing: {missing}, unknown: {strange}, of another shape: {shaped}"


def _read(checkpoint: Path) -> dict[str, torch.Tensor]:
    """All tensors by name. `weights_only` keeps a pickle from running code."""
    if not checkpoint.is_file():
        raise EncoderError(f"there is no checkpoint at {checkpoint}: set encoder.checkpoint to a file with the weights")
    if checkpoint.suffix not in _ENDINGS:
        raise EncoderError(f"{checkpoint} must end in {', '.join(_ENDINGS)}: convert it, safetensors is best")
    try:
        if checkpoint.suffix == ".safetensors":
            held: Any = load_file(checkpoint)
        else:
            held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise EncoderError(
            f"{checkpoint} holds more than weights, and code is never run: save its state_dict as safetensors"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise EncoderError(
            f"{checkpoint} cannot be read as weights ({type(error).__name__}): use an undamaged file, best safetensors"
        ) from None
    if isinstance(held, dict) and isinstance(held.get("state_dict"), dict):  # as OpenCLIP's training saves it
        held = held["state_dict"]
    if not isinstance(held, dict):
        raise EncoderError(f"{checkpoint} holds no table of weights: save the model's state_dict")
    return {name: value for name, value in held.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
