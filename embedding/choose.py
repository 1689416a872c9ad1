"""The encoder that the settings name. Only the libraries of that encoder are loaded: pdq needs no torch."""

from pathlib import Path

from embedding.encoder import Encoder, EncoderError


def choose(
    name: str, *, model: str = "", checkpoint: str = "", device: str = "auto", precision: str = "auto"
) -> Encoder:
    """The encoder of this name, ready to encode.

    Args:
        name: "words", "pdq", "openclip", or "timm:" and timm's name of the model.
        model: OpenCLIP's name of the model, for openclip only.
        checkpoint: file with the weights, for openclip and timm only.
        device: "auto", "cpu" or "cuda"; for openclip and timm only.
        precision: "auto", "float32", "bfloat16" or "float16"; for openclip and timm only.

    Raises:
        EncoderError: its vectors would not be right; one sentence that names the fix.
    """
    if name == "words":
        from embedding.network.words import Words  # noqa: PLC0415 (loads only what this encoder needs)

        return Words()
    if name == "pdq":
        from embedding.pdq import Pdq  # noqa: PLC0415 (loads only what this encoder needs)

        return Pdq()
    if name == "openclip":
        if not model or not checkpoint:
            raise EncoderError("openclip needs encoder.model and encoder.checkpoint: nothing is downloaded")
        from embedding.network.openclip import OpenClip  # noqa: PLC0415 (loads only what this encoder needs)

        return OpenClip(model, Path(checkpoint), device=device, precision=precision)
    if name.startswith("timm:"):
        if not checkpoint:
            raise EncoderError(f"{name} needs encoder.checkpoint: nothing is downloaded")
        from embedding.network.timm import Timm  # noqa: PLC0415 (loads only what this encoder needs)

        return Timm(name.removeprefix("timm:"), Path(checkpoint), device=device, precision=precision)
    raise EncoderError(f'there is no encoder {name!r}: set encoder.name to "words", "pdq", "openclip" or "timm:NAME"')
