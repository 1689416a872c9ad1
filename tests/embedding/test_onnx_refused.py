"""ONNX files and descriptions that would give wrong vectors are refused, and so is what leaves the model's folder."""

import json
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx.external_data_helper import convert_model_to_external_data
from onnx_made import DESCRIBED, PLAIN, Pooled, exported, write
from torch import nn

from embedding.encoder import EncoderError
from embedding.network.onnx import Onnx
from embedding.probe import probe_vector

ROUNDING = 1e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The small CNN as an ONNX file with its description."""
    return write(tmp_path_factory.mktemp("onnx"))


@pytest.fixture
def outside(folder, tmp_path):
    """The same network with its weights in another file."""
    model = onnx.load(folder / "cnn.onnx")
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    path = tmp_path / "models" / "m.onnx"
    path.parent.mkdir()
    onnx.save(model, path)
    return path


def test_weights_in_a_second_file_are_part_of_the_fingerprint(folder, outside):
    encoder = Onnx(outside, DESCRIBED, device="cpu")
    assert np.allclose(probe_vector(encoder), probe_vector(Onnx(folder / "cnn.onnx", device="cpu")), atol=ROUNDING)
    weights = outside.with_name("weights.bin")
    content = np.frombuffer(weights.read_bytes(), np.float32) * np.float32(1.01)
    weights.write_bytes(content.tobytes())
    assert Onnx(outside, DESCRIBED).fingerprint != encoder.fingerprint


def moved(outside, location):
    """Let the model name another place for its weights."""
    model = onnx.load(outside, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save(model, outside)


@pytest.mark.parametrize("way", ["above", "absolute", "link"])
def test_weights_outside_the_folder_of_the_file_are_not_read(outside, tmp_path, way):
    weights = shutil.move(outside.with_name("weights.bin"), tmp_path / "weights.bin")
    if way == "link":
        outside.with_name("weights.bin").symlink_to(weights)
    else:
        moved(outside, "../weights.bin" if way == "above" else str(weights))
    with pytest.raises(EncoderError, match=r"names weights outside its folder .*put both files into one folder"):
        Onnx(outside, DESCRIBED)


def test_a_second_file_that_is_missing_is_named(outside):
    outside.with_name("weights.bin").unlink()
    with pytest.raises(EncoderError, match=r"needs the file weights\.bin with its weights"):
        Onnx(outside, DESCRIBED)


WRONG = {
    "no description": ("none", r"does not say how pictures are prepared: describe .*cnn\.onnx in .*cnn\.json, like"),
    "not JSON": ("{mean", "is not JSON: write it like"),
    "thousands of brackets": ("[" * 60_000, "is not JSON: write it like"),
    "not an object": ("[1]", "is not a JSON object"),
    "nothing in it": ("{}", r"cnn\.json does not describe the model's input \(mean: field required\)"),
    "an unknown key": ({**DESCRIBED, "means": 1}, "means: there is no such key; the keys are mean, std, resize, size"),
    "a std of 0": ({**DESCRIBED, "std": [0, 1, 1]}, "std must be above 0"),
    "a resize that needs no size": ({**DESCRIBED, "resize": "pad"}, 'resize_to is for resize = "shorter"'),
    "another size than the file's": (
        {**DESCRIBED, "size": 224},
        r"\(n x 3 x 160 x 160\).*is not 224 x 224: leave size",
    ),
    "an input that is not there": ({**DESCRIBED, "input": "x"}, r"no input 'x': set input to one of image \(n x 3"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_description_gives_one_sentence_that_names_the_fix(folder, tmp_path, what):
    described, words = WRONG[what]
    path = shutil.copy(folder / "cnn.onnx", tmp_path / "cnn.onnx")
    if described != "none":
        path.with_suffix(".json").write_text(described if isinstance(described, str) else json.dumps(described))
    with pytest.raises(EncoderError, match=words) as error:
        Onnx(path)
    assert "\n" not in str(error.value)


class Broken(nn.Module):
    def forward(self, pictures):
        return Pooled()(pictures) / 0


class Deaf(nn.Module):
    def forward(self, pictures):
        return pictures.flatten(1)[:, :4] * 0 + 1


class Two(nn.Module):
    def forward(self, pictures, others):
        return Pooled()(pictures) + Pooled()(others)


def text_only(path):
    return exported(nn.Linear(4, 4), path, taken=torch.rand(2, 4))


def any_size(path):
    taken = torch.rand(2, 3, 32, 32)
    exported(Pooled(), path, taken=taken)
    model = onnx.load(path)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side_{axis}"
    onnx.save(model, path)
    return path


UNFIT = {
    "numbers that are not finite": (lambda path: exported(Broken(), path), "not finite numbers: export"),
    "always the same": (
        lambda path: exported(Deaf(), path),
        "the same vector for every picture: choose another output",
    ),
    "two inputs": (
        lambda path: exported(Two(), path, taken=(torch.rand(2, 3, 8, 8),) * 2, inputs=("image", "other")),
        r"2 inputs: set input to one of image \(n x 3 x 8 x 8\), other",
    ),
    "no picture": (text_only, r"the input image \(n x 4\) of .* is no batch of pictures"),
    "grey pictures": (
        lambda path: exported(Pooled(), path, taken=torch.rand(2, 1, 8, 8)),
        "does not have 3 channels as NCHW: use a model for colour pictures",
    ),
    "any size": (any_size, "takes pictures of any size: set size"),
    "integers": (
        lambda path: exported(Pooled(), path, taken=torch.zeros(2, 3, 8, 8, dtype=torch.int32)),
        r"the input image of .* is tensor\(int32\): export the model with floats or uint8",
    ),
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_model_that_makes_no_vectors_of_pictures_is_refused(tmp_path, why):
    make, words = UNFIT[why]
    with pytest.raises(EncoderError, match=words):
        Onnx(make(tmp_path / "m.onnx"), PLAIN)


def test_the_input_is_the_one_that_is_named_and_no_other_may_be_needed(tmp_path):
    path = exported(Two(), tmp_path / "m.onnx", taken=(torch.rand(2, 3, 8, 8),) * 2, inputs=("image", "other"))
    with pytest.raises(EncoderError, match=r"needs other \(n x 3 x 8 x 8\) too: export the image tower alone"):
        Onnx(path, {**PLAIN, "input": "image"})


def test_a_model_of_any_size_takes_the_described_one(tmp_path):
    encoder = Onnx(any_size(tmp_path / "m.onnx"), {**PLAIN, "size": [24, 48]}, device="cpu")
    assert encoder.dimension == 24
    assert encoder.fingerprint != Onnx(tmp_path / "m.onnx", {**PLAIN, "size": [48, 24]}).fingerprint


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_file_is_refused(folder, tmp_path, damage):
    content = (folder / "cnn.onnx").read_bytes()
    path = tmp_path / "m.onnx"
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"version https://git-lfs\n"}[damage])
    with pytest.raises(EncoderError, match=r"m\.onnx (cannot be read as ONNX|\()|cannot compute .*m\.onnx"):
        Onnx(path, DESCRIBED)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EncoderError, match=r"there is no ONNX file at .*: set checkpoint"):
        Onnx(tmp_path / "none.onnx", DESCRIBED)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_the_extra_is_named(folder, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(EncoderError, match=r"pip install 'vigilens\[onnx\]'"):
        Onnx(folder / "cnn.onnx")
