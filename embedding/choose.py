"""The encoder that the settings name. Libraries are loaded with the choice: pdq needs no torch."""

from pathlib import Path

from embedding.encoder import Encoder, EncoderError


def choose(
    name: str, *, model: str = "", checkpoint: str = "", device: str = "auto", precision: str = "auto"
) -> Encoder:
    """The encoder of this name, ready to encode.

    Args:
        name: "words", "pdq", "openclip", or "timm:" and timm's name of the model; the others are for networks only.
        model: OpenCLIP's name of the model, for openclip only.
        checkpoint: file with the weights.
        device: "auto", "cpu" or "cuda".
        precision: "auto", "float32", "bfloat16" or "float16".

    Raises:
        EncoderError: its vectors would not be right; one sentence that names the mend.
    """
    if name == "words":
        from embedding.network.words import Words  # noqa: PLC0415 (see above)

        return Words()
    if name == "pdq":
        from embedding.pdq import Pdq  # noqa: PLC0415 (see above)

        return Pdq()
    if name == "openclip":
        if not model or not checkpoint:
            raise EncoderError("openclip needs encoder.model and encoder.checkpoint: nothing is downloaded")
        from embedding.network.openclip import OpenClip  # noqa: PLC0415 (see above)

        return OpenClip(model, Path(checkpoint), device=device, precision=precision)
    if name.startswith("timm:"):
        if not checkpoint:
            raise EncoderError(f"{name} needs encoder.checkpoint: nothing is downloaded")
        from embedding.network.timm import Backbone  # noqa: PLC0415 (see above)

        return Backbone(name.removeprefix("timm:"), Path(checkpoint), device=device, precision=precision)
    raise EncoderError(f'there is no encoder {name!r}: set encoder.name to "words", "pdq", "openclip" or "timm:NAME"')
