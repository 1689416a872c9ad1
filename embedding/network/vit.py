"""A vision transformer's weights by their role, whichever library the network comes from.

Only for networks in which every operation is known: `openclip_tower` and `timm` check every part of a tower, and give
None if they find an unknown one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

_QUICK = 1.702  # OpenAI's first models use x · sigmoid(1.702 x) as GELU


@dataclass(frozen=True, slots=True)
class Affine:
    """A linear layer: weight (out, in), bias (out,) or None, as float32."""

    weight: Tensor
    bias: Tensor | None

    def scaled(self, by: Tensor | float) -> "Affine":
        """The layer with its results multiplied by `by`: one number, or one for each of them."""
        rows = by[:, None] if isinstance(by, Tensor) else by
        return Affine(self.weight * rows, None if self.bias is None else self.bias * by)


@dataclass(frozen=True, slots=True)
class Block:
    """x + out(attention(qkv(norm_1(x)))), then x + down(activation(up(norm_2(x)))).

    Attributes:
        activation: its name in torch's fused layers: "gelu", or "swish", x · sigmoid(x).
        algorithm: of gelu: "none" for the exact one, or "tanh".
    """

    norm_1: nn.LayerNorm
    qkv: Affine
    out: Affine
    norm_2: nn.LayerNorm
    up: Affine
    activation: str
    algorithm: str
    down: Affine


@dataclass(frozen=True, slots=True)
class Vit:
    """A vision transformer whose result is its class token.

    Attributes:
        heads: number of attention heads in each block.
        patch: embedding of the patches: weight (width, 3, side, side), bias (width,) or None.
        prefix: tokens before those of the patches (k, width), the class token first, with their positions added.
        positions: embeddings of the patches' positions (patches, width).
        norm_pre: normalisation before the first block, or None.
        blocks: one or more.
        norm_post: normalisation of the class token after the blocks.
        projection: of the class token after that (width, dimension), or None.
    """

    heads: int
    patch: Affine
    prefix: Tensor
    positions: Tensor
    norm_pre: nn.LayerNorm | None
    blocks: Sequence[Block]
    norm_post: nn.LayerNorm
    projection: Tensor | None


def affine(layer: nn.Linear) -> Affine:
    """The weights of a layer."""
    return Affine(layer.weight, layer.bias)


def with_scales(block: Block, out: Tensor | None, down: Tensor | None) -> Block:
    """The block with the results of its two branches multiplied (LayerScale); None: unchanged."""
    scaled_out = block.out if out is None else block.out.scaled(out)
    return replace(block, out=scaled_out, down=block.down if down is None else block.down.scaled(down))


def quick_gelu(block: Block) -> Block:
    """The block with OpenAI's x · sigmoid(1.702 x), expressed by x · sigmoid(x)."""
    down = Affine(block.down.weight / _QUICK, block.down.bias)
    return replace(block, up=block.up.scaled(_QUICK), activation="swish", algorithm="none", down=down)


def in_patches(layer: nn.Module) -> bool:
    """Whether a layer embeds patches of RGB pictures that do not overlap."""
    return (
        type(layer) is nn.Conv2d
        and layer.in_channels == 3  # noqa: PLR2004 (RGB)
        and layer.stride == layer.kernel_size == (layer.kernel_size[0],) * 2
        and layer.padding in {(0, 0), "valid"}
        and layer.dilation == (1, 1)
        and layer.groups == 1
    )
