"""Any image model of timm with a local checkpoint: a CNN, DINO, … Nothing is downloaded, and no weight is ever random.

The classifier is omitted; the vector is what the model itself pools. The checkpoint must hold all weights.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.layers.attention import Attention
from timm.layers.layer_scale import LayerScale
from timm.layers.mlp import Mlp
from timm.layers.patch_embed import PatchEmbed
from timm.models import vision_transformer as timm_vit
from torch import nn

from embedding.allocator import release_free_memory
from embedding.encoder import EncoderError
from embedding.network.network import Network
from embedding.network.preprocess import LONGEST_ASPECT, SHORTEST_ASPECT
from embedding.network.vit import Affine, Block, Vit, affine, in_patches, with_scales
from embedding.network.weights import sha256, timm_weights

_ASPECTS = {"center": SHORTEST_ASPECT, "border": LONGEST_ASPECT}  # "squash" has a fixed size
_VERSION = 1  # of this file's own steps between the checkpoint and the vector


class Timm(Network):
    """The encoder "timm". Safe to call from several threads.

    Args:
        model: timm's name of the model, e.g. "resnet50"; its tag ("vit_small_patch16_224.dino") says how pictures are
            prepared, without a tag timm's first one counts; not a hub address or a folder.
        checkpoint: .safetensors, .pt, .pth or .bin with timm's names of the weights.
        names: timm's names of all weights in the file's order, if the file has other names; see `timm_weights`.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is accurate on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the fix.
    """

    def __init__(
        self,
        model: str,
        checkpoint: Path,
        *,
        names: Sequence[str] | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        _known(model)
        tower = timm.create_model(model, pretrained=False, num_classes=0)
        tower.load_state_dict(timm_weights(checkpoint, tower, model, _heads(tower), names), strict=True)
        preparation = resolve_model_data_config(tower)  # type: ignore[no-untyped-call]  # timm's
        super().__init__(
            "timm",
            tower,
            create_transform(**preparation, is_training=False),
            vit=_vit(tower),
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
        del tower  # the chosen backend holds what it needs of it
        release_free_memory()


def _known(model: str) -> None:
    """Refuse names that timm does not have, and those that do not determine how pictures must be prepared."""
    models, tagged = timm.list_models(), timm.list_pretrained()
    if model not in models and model not in tagged:
        near = difflib.get_close_matches(model, [*models, *tagged], n=3)
        fix = f"to {_written(near)}" if near else "to one of timm.list_models()"
        raise EncoderError(f"timm has no model {model!r} of its own: set model {fix}")
    published = [name for name in tagged if name.startswith(f"{model}.")]
    colours = {(tuple(each.mean), tuple(each.std)) for each in map(timm.get_pretrained_cfg, published) if each}
    if len(colours) > 1:
        raise EncoderError(
            f"the published weights of {model} need pictures prepared in different ways: set model to the one "
            f"that matches the training of yours, {_written(published)}"
        )


def _written(names: list[str]) -> str:
    """As they are written in the settings."""
    return " or ".join(f'"{name}"' for name in names)


def _heads(tower: Any) -> set[str]:
    """Modules whose weights a checkpoint may have but the tower does not: "head" for a classifier "head.fc"."""
    named = tower.pretrained_cfg.get("classifier") or ()
    return {name.partition(".")[0] for name in ([named] if isinstance(named, str) else named)}


def _described(preparation: dict[str, Any]) -> str:
    """All of it in one line, without the library's version: the probe picture detects if that changes vectors."""
    parts = sorted(preparation.items())
    return repr([(name, tuple(value) if isinstance(value, list) else value) for name, value in parts])


def _vit(tower: Any) -> Vit | None:
    """The tower's parts, if it is timm's plain vision transformer and `Vit` can represent all of it."""
    known = (
        type(tower) is timm_vit.VisionTransformer
        and type(tower.patch_embed) is PatchEmbed
        and in_patches(tower.patch_embed.proj)
        and not tower.patch_embed.dynamic_img_pad
        and tower.has_class_token
        and tower.pos_embed is not None
        and tower.attn_pool is None
        and tower.global_pool == "token"
        and isinstance(tower.norm_pre, (nn.LayerNorm, nn.Identity))
        and isinstance(tower.norm, nn.LayerNorm)
        and _nothing(tower.patch_embed.norm, tower.patch_drop, tower.fc_norm, tower.head)
    )
    if not known:
        return None
    blocks = [_block(each) for each in tower.blocks]
    if any(block is None for block in blocks):
        return None
    prefix = torch.cat([each[0] for each in (tower.cls_token, tower.reg_token) if each is not None])
    positions = tower.pos_embed[0]
    if not tower.no_embed_class:
        prefix, positions = prefix + positions[: len(prefix)], positions[len(prefix) :]
    return Vit(
        heads=tower.blocks[0].attn.num_heads,
        patch=Affine(tower.patch_embed.proj.weight, tower.patch_embed.proj.bias),
        prefix=prefix,
        positions=positions,
        norm_pre=tower.norm_pre if isinstance(tower.norm_pre, nn.LayerNorm) else None,
        blocks=[block for block in blocks if block],
        norm_post=tower.norm,
        projection=None,
    )


def _block(block: Any) -> Block | None:
    known = (
        type(block) is timm_vit.Block
        and type(block.attn) is Attention
        and type(block.mlp) is Mlp
        and type(block.mlp.act) is nn.GELU
        and _nothing(block.attn.q_norm, block.attn.k_norm, block.attn.norm, block.mlp.norm)
        and getattr(block.attn, "gate", None) is None
        and all(type(scale) in {nn.Identity, LayerScale} for scale in (block.ls1, block.ls2))
    )
    if not known:
        return None
    found = Block(
        norm_1=block.norm1,
        qkv=affine(block.attn.qkv),
        out=affine(block.attn.proj),
        norm_2=block.norm2,
        up=affine(block.mlp.fc1),
        activation="gelu",
        algorithm=block.mlp.act.approximate,
        down=affine(block.mlp.fc2),
    )
    return with_scales(found, *(getattr(scale, "gamma", None) for scale in (block.ls1, block.ls2)))


def _nothing(*parts: Any) -> bool:
    return all(type(part) is nn.Identity for part in parts)
