"""The files are exported by torch from small networks. They test the code, not what a network knows."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx_made import CNN, DESCRIBED, PLAIN, SIDE, Pooled, cnn, exported, write
from PIL import Image
from torch import nn
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Pad, Resize, ToTensor

from embedding.encoder import EncoderError
from embedding.look import encode_pictures
from embedding.network.onnx import Onnx
from embedding.network.precision import LEAST_COSINE
from embedding.network.timm import Timm
from embedding.picture import Prepared
from embedding.prepare import reduced
from embedding.probe import probe_picture, probe_vector

ROUNDING = 1e-5
LEVEL = 1e-5  # of 1 - cosine: a pixel may be one grey level off


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The small CNN as a checkpoint of timm, and as an ONNX file with its description."""
    return write(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="module")
def right(folder, pictures):
    return encode_pictures(Timm(CNN, folder / "cnn.safetensors", device="cpu", precision="float32"), pictures).vectors


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(20_30)
    probe = probe_picture()
    shapes = [(64, 64), (1, 300), (300, 1), (480, 640)]
    others = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    return [*others, *(np.ascontiguousarray(each) for each in (probe, probe[::-1], probe[:, :100], 255 - probe))] * 2


def furthest(some, others):
    return 1 - float((some.astype(np.float64) * others).sum(axis=1).min())


def test_vectors_are_those_of_the_same_network_in_timm(folder, right, pictures):
    encoded = encode_pictures(Onnx(folder / "cnn.onnx", device="cpu"), pictures)
    assert furthest(encoded.vectors, right) < LEVEL
    assert furthest(right[4:5], right[5:6]) > 10 * LEVEL  # otherwise the comparison would prove nothing
    assert encoded.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-6)
    assert not encoded.featureless.any()


def test_a_reduced_picture_has_the_vector_of_the_whole_one(folder):
    encoder = Onnx(folder / "cnn.onnx", device="cpu")
    whole = np.asarray(Image.fromarray(probe_picture()).resize((2048, 1536)))
    small = reduced(whole, whole.shape[:2], encoder.needs.least_side)
    assert small.shape[0] == whole.shape[0] // 4
    given = [Prepared(whole.shape[:2], pixels=pixels) for pixels in (whole, small)]
    one, other = encoder.encode(given).vectors
    assert one @ other > LEAST_COSINE


def test_any_number_of_threads_may_share_an_encoder(folder, right, pictures):
    encoder = Onnx(folder / "cnn.onnx", device="cpu")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda picture: encode_pictures(encoder, [picture]).vectors[0], pictures * 4))
    assert furthest(np.array(found), np.tile(right, (4, 1))) < LEVEL


@pytest.mark.parametrize("fixed", [1, 3])
def test_a_fixed_batch_is_filled_up_and_cut(right, pictures, tmp_path, fixed):
    path = exported(
        cnn(tmp_path / "w.safetensors"), tmp_path / "m.onnx", taken=torch.rand(fixed, 3, SIDE, SIDE), dynamic=False
    )
    encoder = Onnx(path, DESCRIBED, device="cpu")
    assert encoder.batch_size == fixed
    assert furthest(encode_pictures(encoder, pictures[:4]).vectors, right[:4]) < LEVEL


class ChannelsLast(nn.Module):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, pictures):
        return self.inside(pictures.permute(0, 3, 1, 2))


def test_channels_may_come_last(right, pictures, tmp_path):
    path = exported(
        ChannelsLast(cnn(tmp_path / "w.safetensors")), tmp_path / "m.onnx", taken=torch.rand(2, SIDE, SIDE, 3)
    )
    assert furthest(encode_pictures(Onnx(path, DESCRIBED, device="cpu"), pictures).vectors, right) < LEVEL
    with pytest.raises(EncoderError, match="does not have 3 channels as NCHW: set layout to NHWC"):
        Onnx(path, {**DESCRIBED, "layout": "NCHW"})


class Changed(nn.Module):
    """A network that wants its input in another form than the one inside."""

    def __init__(self, inside, change):
        super().__init__()
        self.inside, self.change = inside, change

    def forward(self, pictures):
        return self.inside(self.change(pictures))


MEAN, STD = (torch.tensor(DESCRIBED[key]).view(3, 1, 1) for key in ("mean", "std"))
FORMS = {
    "blue first": (lambda pictures: pictures.flip(1), {"channels": "BGR"}),
    "values up to 255": (
        lambda pictures: ((pictures * 2 + 7) / 255 - MEAN) / STD,
        {"scale": 255, "mean": [7, 7, 7], "std": [2, 2, 2]},
    ),
    "it normalises itself": (lambda pictures: (pictures - MEAN) / STD, {"mean": [0, 0, 0], "std": [1, 1, 1]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_values_and_colours_come_as_described(right, pictures, tmp_path, form):
    change, described = FORMS[form]
    path = exported(Changed(cnn(tmp_path / "w.safetensors"), change), tmp_path / "m.onnx")
    encoder = Onnx(path, {**DESCRIBED, **described}, device="cpu")
    assert furthest(encode_pictures(encoder, pictures).vectors, right) < LEVEL


def test_a_network_may_take_bytes(right, pictures, tmp_path):
    network = Changed(cnn(tmp_path / "w.safetensors"), lambda pictures: (pictures.float() / 255 - MEAN) / STD)
    path = exported(network, tmp_path / "m.onnx", taken=torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8))
    neutral = {**DESCRIBED, "mean": [0, 0, 0], "std": [1, 1, 1], "scale": 255}
    assert furthest(encode_pictures(Onnx(path, neutral, device="cpu"), pictures).vectors, right) < LEVEL
    with pytest.raises(EncoderError, match="takes bytes, so it normalises them itself: set mean to 0"):
        Onnx(path, DESCRIBED)


def test_half_precision_is_cast_at_both_ends(right, pictures, tmp_path):
    network = cnn(tmp_path / "w.safetensors").half()
    path = exported(network, tmp_path / "m.onnx", taken=torch.rand(2, 3, SIDE, SIDE, dtype=torch.float16))
    encoder = Onnx(path, DESCRIBED, device="cpu")
    assert encoder.backend == "float16 on the CPU, ONNX Runtime"
    found = encode_pictures(encoder, pictures).vectors
    assert found.dtype == np.float32
    assert furthest(found, right) < 1 - LEAST_COSINE


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["squash", "shorter", "pad"])
def test_pictures_are_resized_like_torchvision_does_it(tmp_path, resize, interpolation):
    filter_ = InterpolationMode(interpolation)
    theirs = {
        "squash": [Resize((24, 32), filter_)],
        "shorter": [Resize(40, filter_), CenterCrop((24, 32))],
        "pad": [Resize((18, 32), filter_), Pad((0, 3), fill=(10, 20, 30))],
    }[resize]
    picture = np.ascontiguousarray(probe_picture()[:144])  # 256 x 144
    given = Compose([*theirs, ToTensor()])(Image.fromarray(picture))[None]
    path = exported(Pooled(), tmp_path / "m.onnx", taken=torch.rand(2, 3, 24, 32))
    described = {**PLAIN, "resize": resize, "interpolation": interpolation, "size": [24, 32], "fill": [10, 20, 30]}
    encoder = Onnx(path, described | ({"resize_to": 40} if resize == "shorter" else {}), device="cpu")
    right = nn.functional.normalize(Pooled()(given), dim=1).numpy()
    assert furthest(encode_pictures(encoder, [picture]).vectors, right) < LEVEL
    assert encoder.needs.least_side == 2 * (40 if resize == "shorter" else 32)


class Tokens(nn.Module):
    """A vector for each token, the first one for the picture."""

    def forward(self, pictures):
        patches = pictures.unflatten(3, (4, -1)).unflatten(2, (4, -1)).mean((3, 5)).flatten(2).permute(0, 2, 1)
        return torch.cat([pictures.mean((2, 3))[:, None] * torch.tensor([1.0, 2.0, 3.0]), patches], dim=1)


class Both(nn.Module):
    def forward(self, pictures):
        return Tokens()(pictures), Pooled()(pictures)


def test_an_output_of_tokens_needs_to_be_pooled(tmp_path):
    path = exported(Tokens(), tmp_path / "m.onnx")
    picture = np.array(Image.fromarray(probe_picture()).resize((SIDE, SIDE)))
    tokens = Tokens()(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)
    for pool, right in (("class", tokens[:, 0]), ("mean", tokens.mean(1))):
        found = encode_pictures(Onnx(path, {**PLAIN, "pool": pool}, device="cpu"), [picture]).vectors
        assert furthest(found, nn.functional.normalize(right, dim=1).numpy()) < ROUNDING
    with pytest.raises(EncoderError, match=r'the output vector of .* not a vector.*set pool to "class" or "mean"'):
        Onnx(path, PLAIN)


def test_of_several_outputs_one_must_be_named(tmp_path):
    path = exported(Both(), tmp_path / "m.onnx", outputs=("tokens", "pooled"))
    with pytest.raises(EncoderError, match=r"2 outputs: set output to one of tokens \(n x 17 x 3\), pooled \(n x 24\)"):
        Onnx(path, PLAIN)
    with pytest.raises(EncoderError, match="no output 'pool'"):
        Onnx(path, {**PLAIN, "output": "pool"})
    with pytest.raises(EncoderError, match='no tokens: set pool to "none"'):
        Onnx(path, {**PLAIN, "output": "pooled", "pool": "mean"})
    assert Onnx(path, {**PLAIN, "output": "pooled"}, device="cpu").dimension == 24


def test_a_pooled_map_of_one_place_is_a_vector(tmp_path):
    path = exported(
        Changed(nn.AdaptiveAvgPool2d(1), lambda pictures: pictures * torch.tensor([1.0, 2, 3]).view(3, 1, 1)),
        tmp_path / "m.onnx",
    )
    assert Onnx(path, PLAIN, device="cpu").dimension == 3


class Ranged(nn.Module):
    """Like an int8 model whose range is that of the whole batch: a vector depends on its neighbours."""

    def forward(self, pictures):
        found = Pooled()(pictures)
        return (found / found.max() * 5).round()


def test_pictures_are_computed_one_by_one_if_the_batch_changes_their_vectors(tmp_path):
    encoder = Onnx(exported(Ranged(), tmp_path / "m.onnx"), PLAIN, device="cpu")
    assert encoder.batch_size == 1
    assert encoder.backend == "float32 on the CPU, ONNX Runtime, one by one"
    pictures = [probe_picture(), 255 - probe_picture(), probe_picture()[::-1] // 2]
    together = encode_pictures(encoder, pictures).vectors
    assert np.array_equal(together, np.concatenate([encode_pictures(encoder, [each]).vectors for each in pictures]))


def test_a_fixed_batch_that_changes_vectors_is_refused(tmp_path):
    path = exported(Ranged(), tmp_path / "m.onnx", taken=torch.rand(3, 3, SIDE, SIDE), dynamic=False)
    with pytest.raises(EncoderError, match="mixes the pictures of a batch: export the model for one picture"):
        Onnx(path, PLAIN)


def test_the_fingerprint_covers_the_file_and_its_description_but_not_where_they_are_written(folder, tmp_path):
    first = Onnx(folder / "cnn.onnx").fingerprint
    assert first.startswith("onnx:")
    for name in ("cnn.onnx", "cnn.json"):
        shutil.copy(folder / name, tmp_path / name.replace("cnn", "other"))
    same = {**DESCRIBED, "size": SIDE, "layout": "NCHW", "output": "vector", "channels": "RGB"}
    assert Onnx(tmp_path / "other.onnx").fingerprint == first
    assert Onnx(folder / "cnn.onnx", same, device="cpu").fingerprint == first
    changes = [{"mean": [0.4] * 3}, {"std": [0.4] * 3}, {"resize": "squash", "resize_to": None}, {"resize_to": 170}]
    changes += [{"interpolation": "bicubic"}, {"channels": "BGR"}, {"scale": 255}]
    found = {first, *(Onnx(folder / "cnn.onnx", {**DESCRIBED, **change}).fingerprint for change in changes)}
    exported(cnn(tmp_path / "w.safetensors", seed=1), tmp_path / "other.onnx")
    found.add(Onnx(tmp_path / "other.onnx").fingerprint)
    assert len(found) == len(changes) + 2


def test_a_picture_whose_vector_overflows_is_featureless(folder, pictures):
    encoder = Onnx(folder / "cnn.onnx", device="cpu")
    encoder._prepare = replace(encoder._prepare, std=(1e-38, 1e-38, 1e-38))
    encoded = encode_pictures(encoder, pictures[:2])
    assert encoded.featureless.all()
    assert not encoded.vectors.any()


def test_a_gpu_that_is_not_there_is_an_error_only_if_it_is_required(folder):
    encoder = Onnx(folder / "cnn.onnx", device="auto")
    if "GPU" in encoder.backend:
        there = probe_vector(Onnx(folder / "cnn.onnx", device="cpu"))
        assert probe_vector(Onnx(folder / "cnn.onnx", device="cuda")) @ there > LEAST_COSINE
        return
    with pytest.raises(EncoderError, match='device is "cuda", but ONNX Runtime finds no GPU'):
        Onnx(folder / "cnn.onnx", device="cuda")
