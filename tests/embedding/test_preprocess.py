"""A network's input equals what its library's own transform makes of the whole picture, within a few grey levels."""

import functools
import io
import itertools

import numpy as np
import open_clip
import pytest
import simplejpeg
import torch
from detailed import detailed
from hostile_made import picture, saved
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from profiles import gamma_profile
from timm.data.transforms_factory import create_transform
from torchvision import transforms

from embedding.decode.colour import upright_srgb
from embedding.decode.decoder import decode
from embedding.network.preprocess import cut, preparation

MAX = 20_000_000
WHOLE_LEVELS, REDUCED_LEVELS = 1, 9
RARE = 2e-4  # of a whole picture's values differ by one level more: torch's filter weights have 16 bits, Pillow's 22
WHOLE_COSINE, REDUCED_COSINE = 2e-6, 2e-5

OPENCLIP = {
    f"openclip {mode} {filter_} {size}": image_transform_v2(
        PreprocessCfg(size=size, resize_mode=mode, interpolation=filter_, fill_color=7), is_train=False
    )
    for mode, filter_, size in itertools.product(
        ("shortest", "longest", "squash"), ("bicubic", "bilinear"), (224, (64, 96))
    )
}
TIMM = {
    f"timm {mode} {filter_} {size} {share}": create_transform(
        (3, *size), is_training=False, interpolation=filter_, crop_mode=mode, crop_pct=share
    )
    for mode, filter_, size, share in itertools.product(
        ("center", "border", "squash"), ("bicubic", "bilinear"), ((96, 96), (64, 96)), (0.875, 1.0)
    )
}
TRANSFORMS = {**OPENCLIP, **TIMM}
CLIP = TRANSFORMS["openclip shortest bicubic 224"]

SHAPES = [(224, 224), (480, 360), (361, 479), (97, 640), (640, 81), (30, 50), (1, 1), (1, 7), (7, 1), (223, 225)]


def exact(pixels, transform=CLIP):
    """(height, width, 3) as the transform resizes and crops it, before it converts it to numbers.

    Rows are resized first and then columns, as Pillow always did until 12. Since 13 it begins with the columns if the
    height shrinks more than the width, so that rounding in between differs.
    """
    image, resize = Image.fromarray(pixels), transform.transforms[0]
    width, height = resize(image).size
    filter_ = getattr(Image.Resampling, resize.interpolation.name)
    image = image.resize((width, image.height), filter_).resize((width, height), filter_)
    for part in transform.transforms[1:-2]:
        image = part(image)
    return np.asarray(image).astype(int)


def prepared(data, least_side=None, transform=CLIP):
    read = decode(data, MAX, least_side)
    return preparation(transform)(read.pixels, read.size).permute(1, 2, 0).numpy().astype(int)


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return upright_srgb(image)


def off(left, right):
    """The largest difference, in grey levels."""
    assert left.shape == right.shape
    return np.abs(left - right).max()


def usually_off(left, right):
    """The largest difference in grey levels, except for a share of RARE values."""
    apart = np.abs(left - right)
    assert left.shape == right.shape
    assert apart.max() <= WHOLE_LEVELS + 1
    return np.quantile(apart, 1 - RARE, method="lower")


drawn = functools.cache(detailed)


def enlarged(seed, size):
    return np.asarray(Image.fromarray(drawn(seed)).resize(size, Image.Resampling.BICUBIC))


def jpeg(pixels, subsampling="444"):
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=85, colorsubsampling=subsampling)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_geometry_and_pixels_are_those_of_the_transform(name):
    transform, detail = TRANSFORMS[name], drawn(1)
    for width, height in SHAPES:
        pixels = np.ascontiguousarray(np.resize(detail[:height, :width], (height, width, 3)))
        ours = preparation(transform)(pixels, (height, width)).permute(1, 2, 0).numpy().astype(int)
        assert usually_off(ours, exact(pixels, transform)) <= WHOLE_LEVELS, (width, height)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_mean_and_deviation_are_those_of_the_transform(name):
    transform = TRANSFORMS[name]
    pixels = drawn(2)
    known = preparation(transform)
    scaled = known(pixels, pixels.shape[:2]) / 255
    normal = (scaled - torch.tensor(known.mean)[:, None, None]) / torch.tensor(known.std)[:, None, None]
    assert torch.abs(normal - transform(Image.fromarray(pixels))).max() <= 1.01 * WHOLE_LEVELS / 255 / min(known.std)


MODES = {
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "WEBP": ("RGB", "RGBA", "L"),
    "GIF": ("RGB", "L", "P"),
    "BMP": ("RGB", "L", "P", "1"),
    "TIFF": ("RGB", "RGBA", "CMYK", "LAB", "L", "I", "I;16", "F", "P"),
    "AVIF": ("RGB", "RGBA", "L"),
    "JPEG": ("RGB", "L", "CMYK"),
}


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in MODES.items() for mode in modes])
@pytest.mark.parametrize("profile", [False, True])
def test_each_format_and_mode_gives_the_same_as_pillow_and_the_transform(form, mode, profile):
    tags = Image.Exif()
    for orientation in (1, 6, 7):
        tags[0x0112] = orientation
        extra = {} if form in {"GIF", "BMP"} or mode == "I;16" else {"exif": tags}
        if profile and form != "BMP":
            extra["icc_profile"] = gamma_profile("L" if mode in {"L", "LA", "1"} else "RGB")
        data = saved(picture(mode, 400, 301), format=form, **extra)
        assert usually_off(prepared(data), exact(by_pillow(data))) <= WHOLE_LEVELS


@pytest.mark.parametrize("profile", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_reduced_jpeg_of_any_mode_profile_and_orientation_differs_by_a_few_grey_levels(mode, profile):
    extra = {"icc_profile": gamma_profile(mode)} if profile else {}
    tags = Image.Exif()
    for orientation, size in itertools.product(range(1, 9), ((1_282, 962), (1_283, 961))):
        tags[0x0112] = orientation
        image = Image.fromarray(enlarged(7, size)).convert(mode)
        data = saved(image, format="JPEG", subsampling=0, quality=85, exif=tags, **extra)
        reduced = decode(data, MAX, 448).pixels.shape[:2] != decode(data, MAX).pixels.shape[:2]
        assert reduced == (orientation in {1, 5} or size == (1_282, 962))
        assert off(prepared(data, 448), exact(by_pillow(data))) <= REDUCED_LEVELS


REDUCED = [(1_280, 960), (1_281, 961), (967, 1_283), (901, 1_300), (1_345, 1_801), (2_401, 1_799), (4_000, 3_000)]


@pytest.mark.parametrize("subsampling", ["444", "420", "Gray"])
@pytest.mark.parametrize("size", REDUCED)
def test_reduced_jpegs_differ_by_a_few_grey_levels(size, subsampling):
    known = preparation(CLIP)
    assert known.least_side == 448
    for seed in range(1 if max(size) > 2_000 else 2):
        data = jpeg(enlarged(seed, size), subsampling)
        whole = decode(data, MAX).pixels
        reduced = decode(data, MAX, known.least_side)
        assert reduced.size == whole.shape[:2]
        assert (reduced.pixels.shape != whole.shape) == (subsampling != "420" or min(size) >= 3 * 448)
        ours = known(reduced.pixels, reduced.size).permute(1, 2, 0).numpy()
        assert off(ours.astype(int), exact(whole)) <= REDUCED_LEVELS


@pytest.mark.parametrize("size", [(1_283, 967), (967, 1_283), (2_401, 1_801)])
def test_the_last_row_and_column_of_a_reduced_picture_weigh_only_as_much_as_they_cover(size):
    """The edge is bright, and everything else is dark."""
    width, height = size
    edge = np.maximum(np.arange(width)[None] - width, np.arange(height)[:, None] - height) + 4
    grey = np.clip(edge * 90, 0, 255).astype(np.uint8)
    data = jpeg(np.repeat(grey[..., None], 3, axis=2))
    assert decode(data, MAX, 448).pixels.shape[0] < height
    assert off(prepared(data, 448), exact(by_pillow(data))) <= REDUCED_LEVELS


@pytest.mark.parametrize("name", TRANSFORMS)
def test_reduced_jpegs_have_the_same_geometry_as_whole_ones_with_each_transform(name):
    transform = TRANSFORMS[name]
    least_side = preparation(transform).least_side
    for size in ((1_283, 967), (901, 1_303)):
        data = jpeg(enlarged(4, size))
        assert decode(data, MAX, least_side).pixels.shape[0] < size[1]
        assert off(prepared(data, least_side, transform), exact(decode(data, MAX).pixels, transform)) <= REDUCED_LEVELS


@pytest.mark.parametrize("size", [(4_801, 453), (453, 4_801), (9_000, 1_000), (5_000, 1), (1, 65_500), (900, 65)])
def test_of_a_very_long_picture_the_middle_is_used(size):
    """Reduced or not, the result is what the transform makes of the picture after the same cut."""
    data = jpeg(enlarged(5, size))
    whole = decode(data, MAX).pixels
    middle, left, eighths = cut(whole, whole.shape[:2], 8)
    assert (left, eighths) == (middle.shape[:2], 8)
    assert max(left) < 8 * min(left) + 16
    at = [(side - kept) // 2 for side, kept in zip(whole.shape[:2], left, strict=True)]
    assert at[0] % 8 == at[1] % 8 == 0
    assert np.array_equal(middle, whole[at[0] : at[0] + left[0], at[1] : at[1] + left[1]])
    assert usually_off(prepared(data), exact(middle)) <= WHOLE_LEVELS
    assert off(prepared(data, 448), exact(middle)) <= REDUCED_LEVELS


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if "longest" in name or "border" in name])
def test_a_very_long_picture_that_is_used_whole_keeps_at_least_one_row(name):
    result = preparation(TRANSFORMS[name])(np.zeros((1, 5_000, 3), np.uint8), (1, 5_000))
    assert result.float().std() > 0, "there is nothing but the border"


def test_a_transform_with_an_unknown_part_has_no_preparation():
    known = CLIP.transforms
    for parts in (
        [*known[:1], transforms.RandomCrop(224), *known[2:]],
        [transforms.RandomResizedCrop(224), *known[1:]],
        [transforms.Resize(224, transforms.InterpolationMode.LANCZOS), *known[1:]],
        [transforms.Resize(224, max_size=300), *known[1:]],
        [transforms.Grayscale(), *known],
        [*known, transforms.RandomErasing()],
        known[:-1],
        [*known[:-1], transforms.Normalize([0.5], [0.5])],
        [],
    ):
        assert preparation(transforms.Compose(parts)) is None
    assert preparation(image_transform_v2(PreprocessCfg(), is_train=True)) is None
    assert preparation(create_transform((3, 96, 96), is_training=True)) is None
    assert preparation(create_transform((3, 96, 96), interpolation="lanczos")) is None
    assert preparation(transforms.Compose(known)) is not None


def test_read_only_pixels_are_accepted():
    pixels = detailed(6)
    pixels.setflags(write=False)
    ours = preparation(CLIP)(pixels, pixels.shape[:2]).permute(1, 2, 0).numpy().astype(int)
    assert usually_off(ours, exact(pixels)) <= WHOLE_LEVELS


@torch.inference_mode()
def test_vectors_are_the_same_except_for_rounding():
    torch.manual_seed(1)
    tower = open_clip.model._build_vision_tower(128, {"image_size": 224, "layers": 4, "width": 256, "patch_size": 32})
    tower.eval()
    known = preparation(CLIP)
    mean, std = (torch.tensor(each)[:, None, None] for each in (known.mean, known.std))

    def vectors(pictures):
        batch = torch.stack([(each / 255 - mean) / std for each in pictures])
        return torch.nn.functional.normalize(tower(batch).double(), dim=-1)

    files = [jpeg(enlarged(seed, size), way) for seed, size in enumerate(REDUCED[:5]) for way in ("444", "420")]
    right = vectors([torch.from_numpy(exact(by_pillow(data))).permute(2, 0, 1) for data in files])
    for least_side, most in ((None, WHOLE_COSINE), (known.least_side, REDUCED_COSINE)):
        ours = vectors([torch.from_numpy(prepared(data, least_side)).permute(2, 0, 1) for data in files])
        assert (1 - (ours * right).sum(1)).max() <= most
