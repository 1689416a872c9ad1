"""Any OpenCLIP model with a local checkpoint. Nothing is downloaded, and no weight is ever random.

Only the image tower is built. All its weights must come from the checkpoint; otherwise `OpenClip` raises.
"""

from pathlib import Path

from open_clip.transform import PreprocessCfg, image_transform_v2

from embedding.allocator import release_free_memory
from embedding.network.network import Network
from embedding.network.openclip_tower import image_tower, vit
from embedding.network.preprocess import LONGEST_ASPECT, SHORTEST_ASPECT
from embedding.network.weights import openclip_weights, sha256

_ASPECTS = {"shortest": SHORTEST_ASPECT, "longest": LONGEST_ASPECT}  # "squash" has a fixed size


class OpenClip(Network):
    """The encoder "openclip". Safe to call from several threads.

    Args:
        model: OpenCLIP's name of the model, e.g. "ViT-B-32"; not a hub address or a folder.
        checkpoint: .safetensors, .pt, .pth or .bin in OpenCLIP's own format.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is accurate on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the fix.
    """

    def __init__(self, model: str, checkpoint: Path, *, device: str = "auto", precision: str = "auto") -> None:
        tower, preprocessing = image_tower(model, checkpoint)
        tower.load_state_dict(openclip_weights(checkpoint, tower, model), strict=True)
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
        del tower  # the chosen backend holds what it needs of it
        release_free_memory()


def _described(preprocessing: PreprocessCfg) -> str:
    """All of it in one line, without the library's version: the probe picture detects if that changes vectors."""
    parts = (preprocessing.size, preprocessing.mean, preprocessing.std, preprocessing.interpolation)
    return repr((*parts, preprocessing.resize_mode, preprocessing.fill_color))
