"""A configured encoder → the encoder. Only the libraries of that encoder are loaded: pdq needs no torch."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from embedding.encoder import Encoder, EncoderError

Kind = Literal["words", "pdq", "relatives", "openclip", "timm", "onnx"]

# ruff: noqa: PLC0415 (late imports are intended: only what the chosen encoder needs is loaded)


@dataclass(frozen=True, slots=True)
class Configured:
    """A table [encoders.NAME] of the settings.

    Attributes:
        kind: which program makes the vectors.
        model: OpenCLIP's or timm's name of the model.
        checkpoint: file with the weights; for openclip, timm and onnx.
        projection: file that `vigilens encoders reduce` made for this encoder; empty: none.
        device: "auto", "cpu" or "cuda"; for networks.
        precision: "auto", "float32", "bfloat16" or "float16"; for openclip, timm and relatives. For words, without
            float16; "auto" is bfloat16 if another encoder has loaded torch before and the processor is fast with it.
        input: how pictures are prepared, for onnx; empty: as the JSON file beside the model says.
    """

    kind: Kind
    model: str = ""
    checkpoint: str = ""
    projection: str = ""
    device: str = "auto"
    precision: str = "auto"
    input: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the encoder's fingerprint can begin with."""
        if self.projection:
            return ("projected",)
        return ("timm",) if self.kind == "relatives" else (self.kind,)


def choose(of: Configured | Kind) -> Encoder:
    """The encoder, ready to encode.

    Args:
        of: its table in the settings; a kind alone: one without anything else.

    Raises:
        EncoderError: its vectors would not be right; one sentence that names the fix.
    """
    if isinstance(of, str):
        of = Configured(of)
    encoder = _base(of)
    if not of.projection:
        return encoder
    from embedding.projection import projected

    return projected(encoder, Path(of.projection))


def _base(of: Configured) -> Encoder:
    for key in _NEEDED.get(of.kind, ()):
        if not getattr(of, key):
            raise EncoderError(f"{of.kind} needs {key}: nothing is downloaded")
    if of.kind == "words":
        return _words(of.precision)
    if of.kind == "pdq":
        from embedding.pdq import Pdq

        return Pdq()
    if of.kind == "openclip":
        from embedding.network.openclip import OpenClip

        return OpenClip(of.model, Path(of.checkpoint), device=of.device, precision=of.precision)
    if of.kind == "timm":
        from embedding.network.timm import Timm

        return Timm(of.model, Path(of.checkpoint), device=of.device, precision=of.precision)
    if of.kind == "relatives":
        from embedding.network.relatives import relatives

        return relatives(device=of.device, precision=of.precision)
    if of.kind == "onnx":
        from embedding.network.onnx import Onnx

        return Onnx(Path(of.checkpoint), of.input, device=of.device)
    raise EncoderError(f"there is no kind of encoder {of.kind!r}: set kind to one of {', '.join(get_args(Kind))}")


def _words(precision: str) -> Encoder:
    """The encoder `words`. "auto" does not load torch: that takes 2 s and 400 MB, and saves 1 ms a picture."""
    from embedding.local.words import Words

    if precision == "float16":
        raise EncoderError('words has no float16: set precision to "float32", "bfloat16" or "auto"')
    if precision == "bfloat16" or (precision == "auto" and "torch" in sys.modules):
        from embedding.network import half_words

        if precision == "bfloat16" or half_words.fast():
            return Words(half_words.BFloat16)
    return Words()


_NEEDED: dict[str, tuple[str, ...]] = {
    "openclip": ("model", "checkpoint"),
    "timm": ("model", "checkpoint"),
    "onnx": ("checkpoint",),
}
