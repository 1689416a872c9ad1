"""The checkpoints are random, made by timm from a fixed seed: they test the code, not what a network knows."""

import argparse
import itertools
import socket

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from config.load import load
from embedding.choose import Configured, choose
from embedding.encoder import EncoderError
from embedding.look import encode_pictures
from embedding.network import backends
from embedding.network.precision import LEAST_COSINE, types_to_try
from embedding.network.timm import Timm
from embedding.probe import probe_picture, probe_vector
from vigilens import wiring

SEED = 20_27
CONFIGURED = "embedding.network.timm.resolve_model_data_config"
CNN, DINO_LIKE = "test_resnet", "test_vit"  # timm's own small models for tests
ROUNDING = 1e-5
LEVEL = 1e-6  # of 1 - cosine: pictures are resized to bytes, so a pixel may be one grey level off


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*_args, **_options):
        pytest.fail("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def made(model, seed=SEED):
    """timm's model with its classifier, with random changes, so that no weight is 0 or 1."""
    torch.manual_seed(seed)
    print(f"seed {seed}")  # noqa: T201 (a failed test shows it)
    network = timm.create_model(model, pretrained=False)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.add_(torch.rand_like(value) if name.endswith("running_var") else torch.randn_like(value) * 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def weights():
    return made(CNN).state_dict()


@pytest.fixture
def checkpoint(weights, tmp_path):
    return saved(weights, tmp_path / "weights.safetensors")


def saved(weights, path):
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


@pytest.fixture
def pictures():
    random = np.random.default_rng(SEED)
    shapes = [(64, 64), (1, 1), (1, 300), (300, 1), (2, 5000), (480, 640)]
    return [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes] + [probe_picture()] * 5


def furthest(some, others):
    return 1 - float((some.astype(np.float64) * others).sum(axis=1).min())


@pytest.mark.parametrize("model", [CNN, DINO_LIKE, "test_convnext.r160_in1k", "efficientvit_m0"])
def test_vectors_are_those_of_timm_itself(tmp_path, model):
    network, probe = made(model), probe_picture()
    path = saved(network.state_dict(), tmp_path / "weights.safetensors")
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    given = [probe, np.ascontiguousarray(probe[::-1]), 255 - probe]
    with torch.inference_mode():
        features = network.forward_features(torch.stack([prepare(Image.fromarray(each)) for each in given]))
        pooled = network.forward_head(features, pre_logits=True)
    theirs = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    ours = encode_pictures(Timm(model, path, precision="float32"), given).vectors
    assert ours.shape == theirs.shape == (3, network.num_features)
    assert furthest(ours, theirs) < LEVEL
    assert furthest(theirs[:1], theirs[1:2]) > 10 * LEVEL  # otherwise the comparison would prove nothing


def test_vectors_have_unit_length_and_do_not_depend_on_the_rest_of_the_batch(checkpoint, pictures):
    encoder = Timm(CNN, checkpoint, precision="float32")
    encoded = encode_pictures(encoder, pictures)
    assert encoded.vectors.dtype == np.float32
    assert encoded.vectors.shape == (len(pictures), encoder.dimension)
    assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-6)
    assert not encoded.featureless.any()
    alone = np.concatenate([encode_pictures(encoder, [picture]).vectors for picture in pictures])
    assert np.allclose(alone, encoded.vectors, atol=ROUNDING)


def test_timms_vision_transformers_are_packed(tmp_path):
    path = saved(made(DINO_LIKE).state_dict(), tmp_path / "vit.safetensors")
    assert Timm(DINO_LIKE, path, device="cpu", precision="float32").backend == "float32 on the CPU, packed ViT"


@pytest.mark.parametrize("mode", ["center", "border", "squash"])
def test_every_crop_mode_accepts_every_shape(checkpoint, pictures, monkeypatch, mode):
    plain = timm.data.resolve_model_data_config
    monkeypatch.setattr(CONFIGURED, lambda tower: plain(tower, {"crop_mode": mode}))
    longest = np.zeros((1, 65_500, 3), dtype=np.uint8)
    assert not encode_pictures(Timm(CNN, checkpoint, precision="float32"), [*pictures, longest]).featureless.any()


def test_a_half_type_agrees_with_float32(checkpoint, pictures, monkeypatch):
    monkeypatch.setitem(backends.CLOCKS, "cpu", itertools.count().__next__)  # this model is too small to be timed
    auto = Timm(CNN, checkpoint, device="cpu")
    fixed = Timm(CNN, checkpoint, device="cpu", precision=str(types_to_try("cpu")[0]).removeprefix("torch."))
    assert auto.fingerprint == fixed.fingerprint
    full, half = (Timm(CNN, checkpoint, device="cpu", precision=each) for each in ("float32", "bfloat16"))
    assert (encode_pictures(half, pictures).vectors * encode_pictures(full, pictures).vectors).sum(
        axis=1
    ).min() >= LEAST_COSINE


def renamed(weights, prefix):
    return {f"{prefix}{name}": value for name, value in weights.items()}


def dino(weights):
    head = {"head.mlp.0.weight": torch.zeros(2, 2), "dino_head.last.weight": torch.zeros(2, 2)}
    return {"student": {}, "teacher": {**renamed(weights, "module.backbone."), **renamed(head, "module.")}, "epoch": 9}


def fine_tuned(weights):
    return {**weights, "fc.weight": torch.zeros(3, 64), "fc.bias": torch.zeros(3)}


def without(weights, ending):
    return {name: value for name, value in weights.items() if not name.endswith(ending)}


FORMS = {
    "as it is": lambda weights: weights,
    "without its classifier": lambda weights: {k: v for k, v in weights.items() if not k.startswith("fc.")},
    "with another classifier": fine_tuned,
    "saved by timm's training": lambda weights: {
        "state_dict": renamed({name: value * 2 for name, value in weights.items()}, "module."),
        "state_dict_ema": weights,
        "args": argparse.Namespace(lr=0.1),
        "arch": CNN,
    },
    "DINO's teacher": dino,
    "DINOv2 with its mask token": lambda weights: {**weights, "mask_token": torch.zeros(1, 8)},
    "Lightning": lambda weights: {"state_dict": {**renamed(weights, "model."), "loss.weight": torch.zeros(1)}},
    "compiled": lambda weights: {"model": renamed(weights, "_orig_mod.")},
    "from before batches were counted": lambda weights: without(weights, "num_batches_tracked"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_is_accepted_as_any_training_program_saves_it(weights, checkpoint, tmp_path, form):
    path = saved(FORMS[form](weights), tmp_path / "trained.pth")
    given, right = (Timm(CNN, each, precision="float32") for each in (path, checkpoint))
    assert np.array_equal(probe_vector(given), probe_vector(right))


@pytest.mark.parametrize("ending", ["pt", "bin"])
def test_every_ending_gives_the_same_vectors(weights, checkpoint, tmp_path, ending):
    other = saved(weights, tmp_path / f"weights.{ending}")
    given, right = (Timm(CNN, each, precision="float32") for each in (other, checkpoint))
    assert np.array_equal(probe_vector(given), probe_vector(right))


def test_the_fingerprint_depends_on_weights_type_model_and_preparation(weights, checkpoint, tmp_path, monkeypatch):
    first = Timm(CNN, checkpoint, precision="float32").fingerprint
    assert first.startswith("timm:")
    assert Timm(CNN, checkpoint, precision="float32").fingerprint == first
    found = {first, Timm(CNN, checkpoint, precision="bfloat16").fingerprint}
    found.add(Timm(f"{CNN}.r160_in1k", checkpoint, precision="float32").fingerprint)
    changed = {name: value + 0.01 if value.is_floating_point() else value for name, value in weights.items()}
    other = saved(changed, tmp_path / "other.safetensors")
    found.add(Timm(CNN, other, precision="float32").fingerprint)
    plain = timm.data.resolve_model_data_config
    for change in ({"mean": (0.1, 0.2, 0.3)}, {"crop_pct": 1.0}, {"interpolation": "bicubic"}, {"img_size": 96}):
        monkeypatch.setattr(CONFIGURED, lambda t, change=change: plain(t, change))
        found.add(Timm(CNN, checkpoint, precision="float32").fingerprint)
    assert len(found) == 8


UNFIT = {
    "a weight is missing": (lambda weights: without(weights, "layer1.0.conv1.weight"), "missing: 1, unknown: 0"),
    "a weight is unknown": (lambda weights: {**weights, "extra": torch.zeros(1)}, "missing: 0, unknown: 1"),
    "a weight has another shape": (
        lambda weights: {**weights, "layer1.0.conv1.weight": torch.zeros(2, 2, 3, 3)},
        "another shape: 1",
    ),
    "another model": (lambda _weights: made(DINO_LIKE).state_dict(), "use a checkpoint of exactly this model"),
    "nothing": (lambda _weights: {"state_dict": {}}, "missing: "),
    "not a number": (
        lambda weights: {**weights, "layer1.0.conv1.weight": weights["layer1.0.conv1.weight"] * torch.nan},
        "not finite",
    ),
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_checkpoint_that_does_not_fit_is_refused(weights, tmp_path, why):
    change, words = UNFIT[why]
    with pytest.raises(EncoderError, match=words):
        Timm(CNN, saved(change(weights), tmp_path / "unfit.pt"))


def test_a_missing_checkpoint_gives_one_sentence_that_names_the_setting(tmp_path):
    with pytest.raises(EncoderError, match=r"there is no checkpoint at .*set checkpoint"):
        choose(Configured("timm", model=CNN, checkpoint=str(tmp_path / "none.safetensors")))
    with pytest.raises(EncoderError, match="nothing is downloaded"):
        choose(Configured("timm", model=CNN))


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("resnet5O", '"resnet50"'),
        ("vit_small_patch16_224.dinosaur", r'"vit_small_patch16_224\.dino"'),
        ("hf-hub:timm/resnet50.a1_in1k", r"set model to "),
        ("local-dir:/tmp", r"one of timm\.list_models\(\)"),
    ],
)
def test_a_model_that_timm_does_not_have_is_refused_with_the_nearest_that_it_has(checkpoint, name, fix):
    with pytest.raises(EncoderError, match=f"timm has no model .*{fix}"):
        choose(Configured("timm", model=name, checkpoint=str(checkpoint)))


def test_published_weights_that_disagree_on_preparation_need_a_tag(checkpoint):
    with pytest.raises(EncoderError, match=r'prepared in different ways.*"vit_small_patch16_224\.dino"'):
        Timm("vit_small_patch16_224", checkpoint)
    with pytest.raises(EncoderError, match="use a checkpoint of exactly this model"):
        Timm("vit_small_patch16_224.dino", checkpoint)


def test_the_settings_name_model_and_checkpoint(checkpoint, tmp_path):
    file = tmp_path / "mine.toml"
    table = f'kind = "timm"\nmodel = "{CNN}"\ncheckpoint = "{checkpoint}"\nprecision = "float32"\n'
    file.write_text(f"[encoders.cnn]\n{table}")
    encoder = wiring.encoders(load(file)).get("cnn")
    assert encoder.name == "timm"
    assert encoder.fingerprint == Timm(CNN, checkpoint, precision="float32").fingerprint


def test_timm_on_a_gpu_agrees_with_the_cpu(checkpoint, pictures):
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    here = encode_pictures(Timm(CNN, checkpoint, device="cuda"), pictures).vectors
    there = encode_pictures(Timm(CNN, checkpoint, device="cpu", precision="float32"), pictures).vectors
    assert (here * there).sum(axis=1).min() >= LEAST_COSINE
