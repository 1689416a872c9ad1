"""The image tower of an OpenCLIP model: how it is built, how pictures are prepared for it, and its parts."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import _build_vision_tower
from open_clip.transform import PreprocessCfg, merge_preprocess_dict
from open_clip.transformer import LayerScale, QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import nn

from embedding.encoder import EncoderError
from embedding.network.vit import Affine, Block, Vit, affine, in_patches, quick_gelu, with_scales

CONFIG = "open_clip_config.json"  # beside the weights, as OpenCLIP itself publishes them
_SETTINGS = ("mean", "std", "interpolation", "resize_mode")


def image_tower(model: str, checkpoint: Path) -> tuple[torch.nn.Module, PreprocessCfg]:
    """The tower and its preprocessing.

    The text tower is neither built nor loaded: it would take half of the memory, and some models would download it.

    Raises:
        EncoderError: OpenCLIP has no such model, or it is unknown how pictures must be prepared.
    """
    config = open_clip.get_model_config(model) if ":" not in model else None  # "hf-hub:…" would be a download
    if config is None:
        raise EncoderError(f"OpenCLIP has no model {model!r} of its own: set model to one of open_clip.list_models()")
    beside = _beside(checkpoint)
    _same_model(model, config, beside.get("model_cfg", {}))
    vision = {**config["vision_cfg"], "timm_model_pretrained": False}
    tower = _build_vision_tower(config["embed_dim"], vision, config.get("quick_gelu", False))
    settings = beside.get("preprocess_cfg") or _published(model, checkpoint)
    size = getattr(tower, "image_size", None) or vision["image_size"]
    prepared = {**merge_preprocess_dict(PreprocessCfg(), settings), "size": _all(size, 2)}
    # In one canonical form, because the fingerprint is computed from it: configs have numbers, lists and tuples.
    prepared |= {"mean": _all(prepared["mean"], 3), "std": _all(prepared["std"], 3)}
    return tower, PreprocessCfg(**prepared)


def _all(value: Any, count: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * count


def _beside(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint.parent / CONFIG
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EncoderError(f"{path} is not a JSON object: fix it or move it away")
    return found


def _same_model(model: str, config: dict[str, Any], beside: dict[str, Any]) -> None:
    """Refuse the config of another model.

    ViT-B-32 and ViT-B-32-quickgelu have the same shapes: the wrong one would give wrong vectors without an error.
    """
    for key, default in (("embed_dim", None), ("quick_gelu", False)):
        if beside and beside.get(key, default) != config.get(key, default):
            raise EncoderError(
                f"the {CONFIG} beside the checkpoint says {key} {beside.get(key, default)}, but {model} has "
                f"{config.get(key, default)}: set model to the model of the checkpoint"
            )


def _published(model: str, checkpoint: Path) -> dict[str, Any]:
    """How pictures were prepared for the weights that are published under this name, if they all agree."""
    tags = open_clip.list_pretrained_tags_by_model(model)
    known = [open_clip.get_pretrained_cfg(model, tag) for tag in tags]
    ways = [{key: each[key] for key in _SETTINGS if each.get(key) is not None} for each in known]
    if any(way != ways[0] for way in ways):
        raise EncoderError(
            f"the published weights of {model} need pictures prepared in different ways: put the {CONFIG} of yours "
            f"beside {checkpoint}"
        )
    return ways[0] if ways else {}


def vit(tower: Any) -> Vit | None:
    """The tower's parts, if it is one of OpenCLIP's own vision transformers and `Vit` can represent all of it."""
    known = (
        type(tower) is VisionTransformer
        and in_patches(tower.conv1)
        and type(tower.patch_dropout) is nn.Identity
        and isinstance(tower.ln_pre, (nn.LayerNorm, nn.Identity))
        and tower.attn_pool is None
        and tower.pool_type == "tok"
        and not tower.output_tokens
        and isinstance(tower.ln_post, nn.LayerNorm)
    )
    if not known:
        return None
    blocks = [_block(each) for each in tower.transformer.resblocks]
    heads = {each.attn.num_heads for each in tower.transformer.resblocks if type(each) is ResidualAttentionBlock}
    if len(heads) != 1 or any(block is None for block in blocks):
        return None
    return Vit(
        heads=heads.pop(),
        patch=Affine(tower.conv1.weight, tower.conv1.bias),
        prefix=(tower.class_embedding + tower.positional_embedding[0])[None],
        positions=tower.positional_embedding[1:],
        norm_pre=tower.ln_pre if isinstance(tower.ln_pre, nn.LayerNorm) else None,
        blocks=[block for block in blocks if block],
        norm_post=tower.ln_post,
        projection=tower.proj,
    )


def _block(block: Any) -> Block | None:
    if type(block) is not ResidualAttentionBlock or hasattr(block, "ln_1_kv"):
        return None
    attention, act = block.attn, block.mlp.gelu
    scales = [None if type(scale) is nn.Identity else scale for scale in (block.ls_1, block.ls_2)]
    known = (
        attention.in_proj_weight is not None
        and attention.bias_k is attention.bias_v is None
        and not attention.add_zero_attn
        and list(dict(block.mlp.named_children())) == ["c_fc", "gelu", "c_proj"]
        and type(act) in {nn.GELU, QuickGELU}
        and all(scale is None or type(scale) is LayerScale for scale in scales)
    )
    if not known:
        return None
    found = Block(
        norm_1=block.ln_1,
        qkv=Affine(attention.in_proj_weight, attention.in_proj_bias),
        out=affine(attention.out_proj),
        norm_2=block.ln_2,
        up=affine(block.mlp.c_fc),
        activation="gelu",
        algorithm=getattr(act, "approximate", "none"),
        down=affine(block.mlp.c_proj),
    )
    found = with_scales(found, *(None if scale is None else scale.gamma for scale in scales))
    return quick_gelu(found) if type(act) is QuickGELU else found
