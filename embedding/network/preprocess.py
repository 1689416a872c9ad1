"""Pixels → a network's input: resized and cropped as OpenCLIP's and timm's transforms do it, several times faster.

Those resize with Pillow; this uses torch's resize of bytes, the same filter with vector instructions. The geometry is
computed from a picture's full size, so that a picture that was reduced while decoding gives the same result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from embedding.picture import Pixels, Size

# A picture of 65,500 x 1 resized to a shorter side of 224 would have 3 billion pixels. If only the middle is kept
# afterwards, cutting the long side to 8 x the short one first loses nothing.
SHORTEST_ASPECT = 8
# Resized by its longest side, such a picture would have a shorter side of 0 and fail.
LONGEST_ASPECT = 16

# A picture reduced to twice the size of the resize differs by a few grey levels in the end, one reduced to exactly that
# size by 50: the reduction is a coarser filter than the resize.
REDUCED_TO = 2
_TOUCHED = 3  # rows of the result that the picture's last row affects; a cubic filter reaches 2 rows of the result
_EIGHTHS = 8  # JPEGs are reduced to 1/8 ... 8/8: 8 pixels of the whole are then a whole number of pixels

# All known parts of transforms, by the names of their classes, so that neither library is loaded for the other's.
_RESIZE = "torchvision.transforms.transforms.Resize"
_KEEP_RATIO = {"open_clip.transform.ResizeKeepRatio", "timm.data.transforms.ResizeKeepRatio"}
_CROP = "torchvision.transforms.transforms.CenterCrop"
_CROP_OR_PAD = {"open_clip.transform.CenterCropOrPad", "timm.data.transforms.CenterCropOrPad"}
_TO_RGB = {"open_clip.transform.MaybeConvertMode"}  # pixels are RGB already
_TO_TENSOR = {
    "torchvision.transforms.transforms.ToTensor",
    "open_clip.transform.MaybeToTensor",
    "timm.data.transforms.MaybeToTensor",
}
_NORMALIZE = "torchvision.transforms.transforms.Normalize"
FILTERS: dict[str, Callable[..., torch.Tensor]] = {
    "bicubic": torch.ops.aten._upsample_bicubic2d_aa,  # noqa: SLF001 (interpolate() does not accept both a scale and a size)
    "bilinear": torch.ops.aten._upsample_bilinear2d_aa,  # noqa: SLF001 (as above)
}


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a transform prepares a picture, except for the normalisation. Safe to call from several threads.

    Attributes:
        mean: of each channel's values from 0 to 1, which the transform subtracts.
        std: what it divides them by afterwards.
        least_side: pictures may be passed reduced, to a shorter side of this many pixels or more.
        aspect: pictures longer than this times their shorter side are cut to that length first; None: never.
        resized: a picture's size → the size that it is resized to.
        filter: the resize.
        crop: height and width of the middle part that is kept; None: all.
        fill: colour around a picture that is smaller than `crop`.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    least_side: int
    aspect: int | None
    resized: Callable[[Size], Size]
    filter: Callable[..., torch.Tensor]
    crop: Size | None = None
    fill: tuple[int, int, int] = (0, 0, 0)

    def __call__(self, pixels: Pixels, size: Size) -> torch.Tensor:
        """Uint8 (3, height, width) of one picture; its memory may be in another order.

        Args:
            pixels: the picture, upright, whole or reduced to eighths of its size.
            size: its height and width before it was reduced.
        """
        pixels, size, eighths = cut(pixels, size, self.aspect)
        picture = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1)[None]
        height, width = self.resized(size)
        # A reduced picture's sides were rounded up: that must not stretch the result.
        scales = [_EIGHTHS * to / (side * eighths) for to, side in zip((height, width), size, strict=True)]
        result: torch.Tensor = self.filter(picture, [height, width], False, *scales)
        for axis, side in enumerate(size):
            if excess := -side * eighths % _EIGHTHS:
                self._correct_last_row(
                    result.transpose(2, 2 + axis), picture.transpose(2, 2 + axis), excess, scales[:: 1 - 2 * axis]
                )
        return result[0] if self.crop is None else _middle(result[0], self.crop, self.fill)

    def _correct_last_row(self, result: torch.Tensor, picture: torch.Tensor, excess: int, scales: list[float]) -> None:
        """Correct in `result`, in place, that the picture's last row of pixels was given too much weight.

        A row of a reduced picture represents 8 eighths of a row, the last one `excess` eighths fewer.
        """
        row = self.filter(picture[:, :, -1:], [1, result.shape[3]], False, None, scales[1]).float()
        weights = torch.zeros(1, 1, 1, picture.shape[2])  # as a row: torch resizes a single column of floats wrongly
        weights[..., -1] = excess / _EIGHTHS
        share = self.filter(weights, [1, result.shape[2]], False, None, scales[0])[..., -_TOUCHED:].transpose(2, 3)
        last = result[:, :, -_TOUCHED:]
        last.copy_(((last - share * row) / (1 - share)).round_().clamp_(0, 255))


def preparation(transform: Any) -> Preparation | None:
    """What `transform` does to a picture, or None if a part of it is not known here.

    Args:
        transform: a Compose of torchvision's, as OpenCLIP or timm make it for inference.
    """
    parts = [(f"{type(part).__module__}.{type(part).__qualname__}", part) for part in transform.transforms]
    parts = [(name, part) for name, part in parts if name not in _TO_RGB]
    if len(parts) < 3 or parts[-2][0] not in _TO_TENSOR or parts[-1][0] != _NORMALIZE:  # noqa: PLR2004 (the minimum)
        return None
    resize = _resize(*parts[0])
    crop = _crop(*parts[1]) if len(parts) == 4 else {}  # noqa: PLR2004 (with a crop)
    if resize is None or crop is None or len(parts) > 4:  # noqa: PLR2004 (with a crop)
        return None
    mean, std = ([float(value) for value in values] for values in (parts[-1][1].mean, parts[-1][1].std))
    if len(mean) != 3 or len(std) != 3:  # noqa: PLR2004 (channels)
        return None
    return Preparation(mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]), **resize, **crop)


def cut(pixels: Pixels, size: Size, aspect: int | None) -> tuple[Pixels, Size, int]:
    """The middle of a picture longer than `aspect` times its shorter side, its full size, and its reduction in eighths.

    A multiple of 8 pixels is cut from each end, so that it is a whole number of pixels in a reduced picture too.
    """
    eighths = _EIGHTHS * pixels.shape[0] // size[0] if pixels.shape[:2] != size else _EIGHTHS
    if aspect is None or max(size) <= aspect * min(size):
        return pixels, size, eighths
    spares = [max(0, side - aspect * min(size)) // 2 // _EIGHTHS for side in size]
    middle = [slice(spare * eighths, side - spare * eighths) for spare, side in zip(spares, pixels.shape, strict=False)]
    left = (size[0] - 2 * _EIGHTHS * spares[0], size[1] - 2 * _EIGHTHS * spares[1])
    return pixels[middle[0], middle[1]].copy(), left, eighths


def _resize(name: str, part: Any) -> dict[str, Any] | None:
    """The fields of a Preparation that a resize determines; None: not known."""
    interpolation = getattr(getattr(part, "interpolation", None), "value", None)
    if interpolation not in FILTERS:
        return None
    known: dict[str, Any] = {"filter": FILTERS[interpolation]}
    if name == _RESIZE and part.max_size is None:
        wanted = [part.size] if isinstance(part.size, int) else [int(side) for side in part.size]
        known["least_side"] = REDUCED_TO * max(wanted)
        if len(wanted) == 2:  # noqa: PLR2004 (height, width)
            return {**known, "aspect": None, "resized": lambda _: (wanted[0], wanted[1])}
        return {**known, "aspect": SHORTEST_ASPECT, "resized": lambda size: by_shorter(size, wanted[0])}
    if name in _KEEP_RATIO and not part.random_scale_prob and not part.random_aspect_prob:
        target = (int(part.size[0]), int(part.size[1]))
        return {
            **known,
            "least_side": REDUCED_TO * max(target),
            "aspect": LONGEST_ASPECT if part.longest else SHORTEST_ASPECT,
            "resized": lambda size: keeping_ratio(size, target, part.longest),
        }
    return None


def by_shorter(size: Size, shorter: int) -> Size:
    """The size that torchvision's Resize computes."""
    height, width = size
    longer = int(shorter * max(size) / min(size))
    return (longer, shorter) if width <= height else (shorter, longer)


def keeping_ratio(size: Size, target: Size, longest: float) -> Size:
    """The size by OpenCLIP's and timm's ResizeKeepRatio: 1 for `longest` fits the longer side, 0 the shorter one."""
    ratios = size[0] / target[0], size[1] / target[1]
    ratio = max(ratios) * longest + min(ratios) * (1.0 - longest)
    return round(size[0] / ratio), round(size[1] / ratio)


def _crop(name: str, part: Any) -> dict[str, Any] | None:
    """The fields of a Preparation that a crop determines; None: not known."""
    if name != _CROP and (name not in _CROP_OR_PAD or getattr(part, "padding_mode", "constant") != "constant"):
        return None
    fill = getattr(part, "fill", 0)
    colour = [int(fill)] * 3 if isinstance(fill, (int, float)) else [int(level) for level in fill]
    return {"crop": (int(part.size[0]), int(part.size[1])), "fill": (colour[0], colour[1], colour[2])}


def _middle(picture: torch.Tensor, crop: Size, fill: tuple[int, int, int]) -> torch.Tensor:
    """The part of `crop` pixels in the middle, with `fill` around a smaller picture; rounded as torchvision does."""
    short = [max(0, wanted - side) for wanted, side in zip(crop, picture.shape[1:], strict=True)]
    if any(short):
        height, width = picture.shape[1:]
        whole = torch.tensor(fill, dtype=torch.uint8)[:, None, None].repeat(1, height + short[0], width + short[1])
        whole[:, short[0] // 2 : short[0] // 2 + height, short[1] // 2 : short[1] // 2 + width] = picture
        picture = whole
    top, left = (round((side - wanted) / 2) for side, wanted in zip(picture.shape[1:], crop, strict=True))
    return picture[:, top : top + crop[0], left : left + crop[1]]
