"""A vision transformer on the CPU, computed in fewer and larger steps than torch's modules use.

In each layer the matrix product also adds the bias, applies the activation and adds the residual, with weights that are
laid out for it once. The last block reads all tokens, but computes the class token only. Pictures are passed as bytes:
their normalisation is part of the first layer's weights.

ViT-B-32 in bfloat16 takes 0.7 of the time of the plain model for 8 pictures, 0.6 for one. The operators are torch's own
(torch.compile uses them) but not public: backends.py compares the vectors and the time with those of the plain model.
"""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

from embedding.network.vit import Affine, Block, Vit

# Subtracted from the pixels: 0..255 and -128..127 are both exact in bfloat16, but the rounding errors of the first
# layer's weights are multiplied by half as much: 1 - cos of ViT-B-32 to float32 is 5e-5 instead of 1e-4.
_MIDDLE = 128


class Packed:
    """Pictures uint8 (n, 3, height, width), n ≥ 1 → vectors (n, dimension). Safe to call from several threads.

    Args:
        vit: the network.
        mean: of the channels' values from 0 to 1.
        std: what they are divided by.
        type_: numeric type of the whole computation.
        batch_size: number of pictures that the weights are laid out for; any number is accepted.

    Raises:
        AttributeError, RuntimeError, TypeError: this version of torch has other operators, or none for this processor.
    """

    @torch.inference_mode()
    def __init__(
        self,
        vit: Vit,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        type_: torch.dtype,
        batch_size: int,
    ) -> None:
        self._type = type_
        self._side = vit.patch.weight.shape[-1]
        self._prefix = vit.prefix.to(type_)
        self._positions = vit.positions.to(type_)
        rows = batch_size * (len(vit.prefix) + len(vit.positions))
        self._patch = _Layer(_of_bytes(vit.patch, mean, std), type_, rows)
        self._norm_pre = None if vit.norm_pre is None else _Norm(vit.norm_pre, type_)
        *blocks, last = vit.blocks
        self._blocks = [_Block(block, vit.heads, type_, rows) for block in blocks]
        self._last = _LastBlock(last, vit.heads, type_, rows)
        self._norm_post = _Norm(vit.norm_post, type_)
        self._projection = None if vit.projection is None else vit.projection.t().to(type_).contiguous()

    def __call__(self, pictures: Tensor) -> Tensor:
        """Vectors (n, dimension), not yet of unit length."""
        patches = self._patch(self._patches(pictures))
        few = len(self._prefix)
        tokens = patches.new_empty(len(patches), few + patches.shape[1], patches.shape[2])
        tokens[:, :few] = self._prefix
        torch.add(patches, self._positions, out=tokens[:, few:])
        if self._norm_pre is not None:
            tokens = self._norm_pre(tokens)
        for block in self._blocks:
            tokens = block(tokens)
        features = self._norm_post(self._last(tokens))
        return features if self._projection is None else linear(features, self._projection)

    def _patches(self, pictures: Tensor) -> Tensor:
        """(n, patches, values of a patch: row by row, pixel by pixel, RGB), centred on 0."""
        n, _, height, width = pictures.shape
        side = self._side
        squares = pictures.reshape(n, 3, height // side, side, width // side, side).permute(0, 2, 4, 3, 5, 1)
        values = squares.to(self._type, memory_format=torch.contiguous_format).sub_(_MIDDLE)
        return values.view(n, -1, side * side * 3)


class _Layer:
    """A linear layer with its weights laid out for inputs of about `rows` rows."""

    def __init__(self, affine: Affine, type_: torch.dtype, rows: int) -> None:
        weight = affine.weight.to(type_).contiguous()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows)  # noqa: SLF001 (see the top of the file)
        self._bias = None if affine.bias is None else affine.bias.to(type_)

    def __call__(self, x: Tensor, activation: str = "none", algorithm: str = "none") -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, activation, [], algorithm)  # noqa: SLF001
        return result

    def plus(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual` + this layer of `x`."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self._weight, self._bias, "add")  # noqa: SLF001
        return result


class _Norm:
    def __init__(self, norm: torch.nn.LayerNorm, type_: torch.dtype) -> None:
        self._shape, self._eps = norm.normalized_shape, norm.eps
        self._weight, self._bias = norm.weight.to(type_), norm.bias.to(type_)

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self._shape, self._weight, self._bias, self._eps)


class _Block:
    """Tokens (n, tokens, width) → the same."""

    def __init__(self, block: Block, heads: int, type_: torch.dtype, rows: int) -> None:
        self._heads = heads
        self._activation, self._algorithm = block.activation, block.algorithm
        self._norm_1, self._norm_2 = _Norm(block.norm_1, type_), _Norm(block.norm_2, type_)
        self._out, self._up, self._down = (_Layer(each, type_, rows) for each in (block.out, block.up, block.down))
        self._pack_attention(block.qkv, type_, rows)

    def _pack_attention(self, qkv: Affine, type_: torch.dtype, rows: int) -> None:
        self._qkv = _Layer(qkv, type_, rows)

    def __call__(self, tokens: Tensor) -> Tensor:
        query, key, value = _by_head(self._qkv(self._norm_1(tokens)), 3, self._heads)
        return self._rest(tokens, scaled_dot_product_attention(query, key, value))

    def _rest(self, tokens: Tensor, attended: Tensor) -> Tensor:
        tokens = self._out.plus(tokens, attended.transpose(1, 2).reshape(tokens.shape))
        return self._down.plus(tokens, self._up(self._norm_2(tokens), self._activation, self._algorithm))


class _LastBlock(_Block):
    """Tokens (n, tokens, width) → the class token of each picture (n, width): the others are not needed any more."""

    def _pack_attention(self, qkv: Affine, type_: torch.dtype, rows: int) -> None:
        width = qkv.weight.shape[1]
        query, others = (
            Affine(qkv.weight[part], None if qkv.bias is None else qkv.bias[part]) for part in _parts(width)
        )
        self._query, self._others = _Layer(query, type_, rows), _Layer(others, type_, rows)

    def __call__(self, tokens: Tensor) -> Tensor:
        normal = self._norm_1(tokens)
        (query,) = _by_head(self._query(normal[:, :1].contiguous()), 1, self._heads)
        key, value = _by_head(self._others(normal), 2, self._heads)
        return self._rest(tokens[:, 0].contiguous(), scaled_dot_product_attention(query, key, value))


def _parts(width: int) -> tuple[slice, slice]:
    """Rows of the query, and of key and value, in the weights of all three together."""
    return slice(0, width), slice(width, 3 * width)


def _by_head(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """(n, tokens, parts · heads · values) → for each part (n, heads, tokens, values)."""
    n, tokens, _ = x.shape
    return x.view(n, tokens, parts, heads, -1).permute(2, 0, 3, 1, 4).unbind()


def _of_bytes(patch: Affine, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Affine:
    """The first layer, for pixels minus _MIDDLE instead of normalised values; patches as in `Packed._patches`."""
    weight = patch.weight.double()
    means, stds = (255 * torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (mean, std))
    shift = (weight * ((_MIDDLE - means) / stds)).sum((1, 2, 3))
    bias = shift if patch.bias is None else patch.bias + shift
    return Affine((weight / stds).permute(0, 2, 3, 1).flatten(1).float(), bias.float())
