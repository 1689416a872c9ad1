"""Any OpenCLIP model with a local checkpoint. Nothing is downloaded, and no weight is ever random.

Only the image tower is built. Every one of its weights must come from the checkpoint, or there is no encoder.
"""

from pathlib import Path

from open_clip.transform import PreprocessCfg, image_transform_v2

from embedding.allocator import give_back
from embedding.network.network import Network
from embedding.network.openclip_tower import image_tower, vit
from embedding.network.preprocess import LONGEST_ASPECT, SHORTEST_ASPECT
from embedding.network.weights import image_weights, sha256

_ASPECTS = {"shortest": SHORTEST_ASPECT, "longest": LONGEST_ASPECT}  # "squash" has a fixed size


class OpenClip(Network):
    """The encoder "openclip". Safe to call from several threads.

    Args:
        model: OpenCLIP's name of the model, e.g. "ViT-B-32"; no hub and no folder.
        checkpoint: .safetensors, .pt, .pth or .bin in OpenCLIP's own format.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is right on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the mend.
    """

    def __init__(self, model: str, checkpoint: Path, *, device: str = "auto", precision: str = "auto") -> None:
        tower, preprocessing = image_tower(model, checkpoint)
        tower.load_state_dict(image_weights(checkpoint, tower, model), strict=True)
        super().__init__(
            "openclip",
            tower,
            image_transform_v2(preprocessing, is_train=False),
            vit=vit(tower),
            aspect=_ASPECTS.get(preprocessing.resize_mode),
            depends_on={
                "model": model,
                "weights": sha256(checkpoint),
                "preprocessing": _described(preprocessing),
            },
            device=device,
            precision=precision,
        )
        del tower  # the way that was taken has what it needs of it
        give_back()


def _described(preprocessing: PreprocessCfg) -> str:
    """All of it in one line; the library's version is left out, the probe picture watches over it."""
    parts = (preprocessing.size, preprocessing.mean, preprocessing.std, preprocessing.interpolation)
    return repr((*parts, preprocessing.resize_mode, preprocessing.fill_color))
