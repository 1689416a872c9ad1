"""Any image model of timm with a local checkpoint: a CNN, DINO, … Nothing is downloaded, and no weight is ever random.

The classifier is left away; the features are what the model itself pools. The weights must be all there.
"""

import difflib
from pathlib import Path
from typing import Any

import timm
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform

from embedding.encoder_error import EncoderError
from embedding.network import LONGEST_ASPECT, SHORTEST_ASPECT, Network
from embedding.weights import backbone_weights, sha256

_ASPECTS = {"center": SHORTEST_ASPECT, "border": LONGEST_ASPECT}  # "squash" has a fixed size
_VERSION = 1  # of what is done here between the file and the vector


class Backbone(Network):
    """The encoder "timm". Safe to call from several threads.

    Args:
        model: timm's name of the model, e.g. "resnet50"; its tag ("vit_small_patch16_224.dino") says how pictures are
            prepared, no tag stands for timm's first one; no hub and no folder.
        checkpoint: .safetensors, .pt, .pth or .bin with timm's names of the weights.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is right on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the mend.
    """

    def __init__(self, model: str, checkpoint: Path, *, device: str = "auto", precision: str = "auto") -> None:
        _known(model)
        tower = timm.create_model(model, pretrained=False, num_classes=0)
        tower.load_state_dict(backbone_weights(checkpoint, tower, model, _heads(tower)), strict=True)
        preparation = resolve_model_data_config(tower)  # type: ignore[no-untyped-call]  # timm's
        super().__init__(
            "timm",
            tower,
            create_transform(**preparation, is_training=False),
            aspect=_ASPECTS.get(preparation["crop_mode"]),
            depends_on={
                "model": model,
                "weights": sha256(checkpoint),
                "preprocessing": _described(preparation),
                "version": _VERSION,
            },
            device=device,
            precision=precision,
        )


def _known(model: str) -> None:
    """Refuses names that timm does not have, and those that do not say how pictures must be prepared."""
    models, tagged = timm.list_models(), timm.list_pretrained()
    if model not in models and model not in tagged:
        near = difflib.get_close_matches(model, [*models, *tagged], n=3)
        mend = f"to {_written(near)}" if near else 'to "timm:" and one of timm.list_models()'
        raise EncoderError(f"timm has no model {model!r} of its own: set encoder.name {mend}")
    published = [name for name in tagged if name.startswith(f"{model}.")]
    colours = {(tuple(each.mean), tuple(each.std)) for each in map(timm.get_pretrained_cfg, published) if each}
    if len(colours) > 1:
        raise EncoderError(
            f"the published weights of {model} want pictures prepared in different ways: set encoder.name to the one "
            f"that yours were trained like, {_written(published)}"
        )


def _written(names: list[str]) -> str:
    """As the settings have them."""
    return " or ".join(f'"timm:{name}"' for name in names)


def _heads(tower: Any) -> set[str]:
    """Modules whose weights a checkpoint may have and the tower has not: "head" for a classifier "head.fc"."""
    named = tower.pretrained_cfg.get("classifier") or ()
    return {name.partition(".")[0] for name in ([named] if isinstance(named, str) else named)}


def _described(preparation: dict[str, Any]) -> str:
    """All of it in one line; the library's version is left out, the probe picture watches over it."""
    parts = sorted(preparation.items())
    return repr([(name, tuple(value) if isinstance(value, list) else value) for name, value in parts])
