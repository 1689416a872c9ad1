"""The checkpoints are random, in OpenCLIP's format, from a fixed seed: they test the code, not what a network knows."""

import itertools
import json
import threading

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from embedding.choose import Configured, choose
from embedding.encoder import EncoderError
from embedding.look import encode_pictures
from embedding.network import backends
from embedding.network.openclip import OpenClip
from embedding.network.precision import LEAST_COSINE, types_to_try
from embedding.probe import agrees, probe_picture, probe_vector

SEED = 20_26
MODEL, RESNET = "tiny-for-tests", "tiny-resnet-for-tests"
CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / f"{MODEL}.json").write_text(json.dumps(CONFIG))
    resnet = {**CONFIG["vision_cfg"], "layers": [1, 1, 1, 1], "width": 32, "patch_size": None}
    (folder / f"{RESNET}.json").write_text(json.dumps({**CONFIG, "vision_cfg": resnet}))
    (folder / f"{MODEL}-quickgelu.json").write_text(json.dumps({**CONFIG, "quick_gelu": True}))
    open_clip.add_model_config(folder)
    torch.manual_seed(SEED)
    print(f"seed {SEED}")  # noqa: T201 (a failed test shows it)
    return open_clip.create_model(MODEL, load_weights=False).state_dict()


@pytest.fixture
def checkpoint(weights, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(weights, path)
    return path


@pytest.fixture
def pictures():
    random = np.random.default_rng(SEED)
    shapes = [(64, 64), (1, 1), (1, 300), (300, 1), (2, 5000), (480, 640)]
    return [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes] + [probe_picture()] * 5


def test_vectors_have_unit_length_and_do_not_depend_on_the_rest_of_the_batch(checkpoint, pictures):
    encoder = OpenClip(MODEL, checkpoint, precision="float32")
    encoded = encode_pictures(encoder, pictures)
    assert encoded.vectors.dtype == np.float32
    assert encoded.vectors.shape == (len(pictures), encoder.dimension) == (len(pictures), 32)
    assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-6)
    assert not encoded.featureless.any()
    alone = np.concatenate([encode_pictures(encoder, [picture]).vectors for picture in pictures])
    assert np.allclose(alone, encoded.vectors, atol=1e-5)


def test_vectors_are_those_of_openclip_itself(weights, checkpoint):
    model, _, prepare = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    model.load_state_dict(weights)
    with torch.inference_mode():
        theirs = model.eval().encode_image(prepare(Image.fromarray(probe_picture()))[None], normalize=True)
    ours = probe_vector(OpenClip(MODEL, checkpoint, precision="float32"))
    assert float(theirs[0] @ torch.from_numpy(ours)) > 1 - 1e-6


def test_a_vision_transformer_is_packed_and_a_resnet_is_not(checkpoint, tmp_path):
    encoder = OpenClip(MODEL, checkpoint, device="cpu", precision="float32")
    assert encoder.backend == "float32 on the CPU, packed ViT"
    assert (encoder.needs.least_side, encoder.batch_size) == (2 * 64, 8)
    path = tmp_path / "resnet.safetensors"
    save_file(open_clip.create_model(RESNET, load_weights=False).state_dict(), path)
    resnet = OpenClip(RESNET, path, device="cpu", precision="bfloat16")
    assert resnet.backend == "bfloat16 on the CPU, plain model"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_packed_layers_have_the_same_fingerprint_as_the_plain_model(precision, checkpoint, monkeypatch):
    packed = OpenClip(MODEL, checkpoint, device="cpu", precision=precision)
    monkeypatch.setattr("embedding.network.openclip.vit", lambda _: None)
    plain = OpenClip(MODEL, checkpoint, device="cpu", precision=precision)
    assert plain.backend == f"{precision} on the CPU, plain model"
    if precision == "float32":  # bfloat16 is not packed on every processor
        assert packed.backend == "float32 on the CPU, packed ViT"
    assert packed.fingerprint == plain.fingerprint
    assert agrees(packed, probe_vector(plain).tolist())


def test_pt_bin_and_safetensors_give_the_same_vectors(weights, checkpoint, tmp_path):
    trained = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 3, "state_dict": trained}, tmp_path / "weights.pt")
    torch.save(weights, tmp_path / "weights.bin")
    vectors = [
        probe_vector(OpenClip(MODEL, path, precision="float32"))
        for path in (checkpoint, tmp_path / "weights.pt", tmp_path / "weights.bin")
    ]
    assert np.array_equal(vectors[0], vectors[1])
    assert np.array_equal(vectors[0], vectors[2])


def test_the_fingerprint_depends_on_weights_type_and_model(weights, checkpoint, tmp_path):
    found = {OpenClip(MODEL, checkpoint, precision=each).fingerprint for each in ("float32", "bfloat16")}
    found.add(OpenClip(f"{MODEL}-quickgelu", checkpoint, precision="float32").fingerprint)
    other = tmp_path / "other.safetensors"
    save_file({name: value + 0.01 if value.is_floating_point() else value for name, value in weights.items()}, other)
    found.add(OpenClip(MODEL, other, precision="float32").fingerprint)
    assert len(found) == 4
    assert OpenClip(MODEL, checkpoint, precision="float32").fingerprint in found


def test_the_fingerprint_depends_on_the_preprocessing(checkpoint):
    before = OpenClip(MODEL, checkpoint, precision="float32").fingerprint
    beside = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}}
    (checkpoint.parent / "open_clip_config.json").write_text(json.dumps(beside))
    assert OpenClip(MODEL, checkpoint, precision="float32").fingerprint != before


def test_the_same_preprocessing_written_in_another_way_has_the_same_fingerprint(checkpoint):
    before = OpenClip(MODEL, checkpoint, precision="float32").fingerprint
    mean = list(open_clip.OPENAI_DATASET_MEAN)
    beside = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": mean, "resize_mode": "shortest"}}
    (checkpoint.parent / "open_clip_config.json").write_text(json.dumps(beside))
    assert OpenClip(MODEL, checkpoint, precision="float32").fingerprint == before


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_every_resize_mode_accepts_every_shape(checkpoint, pictures, mode):
    beside = {"model_cfg": CONFIG, "preprocess_cfg": {"resize_mode": mode}}
    (checkpoint.parent / "open_clip_config.json").write_text(json.dumps(beside))
    assert np.isfinite(encode_pictures(OpenClip(MODEL, checkpoint, precision="float32"), pictures).vectors).all()


def test_auto_picks_the_fastest_type_of_this_machine_and_agrees_with_float32(checkpoint, pictures, monkeypatch):
    monkeypatch.setitem(backends.CLOCKS, "cpu", itertools.count().__next__)  # this model is too small to be timed
    auto = OpenClip(MODEL, checkpoint, device="cpu")
    fixed = OpenClip(MODEL, checkpoint, device="cpu", precision=str(types_to_try("cpu")[0]).removeprefix("torch."))
    assert auto.fingerprint == fixed.fingerprint
    full = OpenClip(MODEL, checkpoint, device="cpu", precision="float32")
    assert (encode_pictures(auto, pictures).vectors * encode_pictures(full, pictures).vectors).sum(
        axis=1
    ).min() >= LEAST_COSINE


def test_an_inaccurate_type_is_replaced_by_float32_or_refused(weights, tmp_path, monkeypatch, caplog):
    huge = dict(weights)
    huge["visual.conv1.weight"] = huge["visual.conv1.weight"] * 1e6  # overflows float16
    save_file(huge, tmp_path / "huge.safetensors")
    monkeypatch.setattr("embedding.network.network.types_to_try", lambda _device: [torch.float16])
    encoder = OpenClip(MODEL, tmp_path / "huge.safetensors", device="cpu")
    assert "is not accurate in float16" in caplog.text
    assert encoder.backend.startswith("float32 on the CPU, ")
    assert encoder.fingerprint == OpenClip(MODEL, tmp_path / "huge.safetensors", precision="float32").fingerprint
    assert np.isfinite(probe_vector(encoder)).all()
    with pytest.raises(EncoderError, match="not accurate in float16"):
        OpenClip(MODEL, tmp_path / "huge.safetensors", device="cpu", precision="float16")


def test_the_probe_accepts_another_numeric_type_and_refuses_another_network(checkpoint, tmp_path):
    recorded = probe_vector(OpenClip(MODEL, checkpoint, precision="float32")).tolist()
    assert agrees(OpenClip(MODEL, checkpoint, precision="bfloat16"), recorded)
    torch.manual_seed(SEED + 1)
    save_file(open_clip.create_model(MODEL, load_weights=False).state_dict(), tmp_path / "other.safetensors")
    assert not agrees(OpenClip(MODEL, tmp_path / "other.safetensors", precision="float32"), recorded)


def test_threads_share_one_encoder(checkpoint, pictures):
    encoder = OpenClip(MODEL, checkpoint)
    right = encode_pictures(encoder, pictures).vectors
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(encode_pictures(encoder, pictures).vectors)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.allclose(each, right, atol=1e-6) for each in results)


def _without_one(weights):
    return {name: value for name, value in weights.items() if name != "visual.conv1.weight"}


UNFIT = {
    "a weight is missing": (_without_one, "missing: 1"),
    "a weight is unknown": (lambda all_: {**all_, "visual.extra": torch.zeros(1)}, "unknown: 1"),
    "a weight has another shape": (
        lambda all_: {**all_, "visual.conv1.weight": torch.zeros(64, 3, 8, 8)},
        "another shape: 1",
    ),
    "only the text tower": (
        lambda all_: {name: value for name, value in all_.items() if not name.startswith("visual.")},
        "no image tower",
    ),
    "not a number": (
        lambda all_: {**all_, "visual.conv1.weight": torch.full_like(all_["visual.conv1.weight"], torch.nan)},
        "not finite",
    ),
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_checkpoint_that_does_not_fit_is_refused(weights, tmp_path, why):
    change, words = UNFIT[why]
    path = tmp_path / "unfit.safetensors"
    save_file(change(weights), path)
    with pytest.raises(EncoderError, match=words):
        OpenClip(MODEL, path)


class Code:
    """A pickle that would create a file when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_a_pickle_with_code_is_refused_and_not_run(weights, tmp_path):
    mark = tmp_path / "ran"
    torch.save({"state_dict": weights, "extra": Code(mark)}, tmp_path / "code.pt")
    with pytest.raises(EncoderError, match="code is never run"):
        OpenClip(MODEL, tmp_path / "code.pt")
    assert not mark.exists()


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("ending", ["safetensors", "pt", "bin"])
@pytest.mark.parametrize("data", [b"", b"no weights at all", b"PK\x03\x04 a broken archive", b"\x80\x02N."])
def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path, ending, data):
    path = tmp_path / f"broken.{ending}"
    path.write_bytes(data)
    with pytest.raises(EncoderError):
        OpenClip(MODEL, path)


@pytest.mark.usefixtures("weights")
def test_a_missing_checkpoint_gives_one_sentence_that_names_the_setting(tmp_path):
    with pytest.raises(EncoderError, match=r"there is no checkpoint at .*set checkpoint"):
        choose(Configured("openclip", model=MODEL, checkpoint=str(tmp_path / "none.safetensors")))
    with pytest.raises(EncoderError, match="nothing is downloaded"):
        choose(Configured("openclip", model=MODEL))


@pytest.mark.parametrize("name", ["no-such-model", "hf-hub:laion/CLIP-ViT-B-32", "local-dir:/tmp", ""])
def test_a_model_that_openclip_does_not_have_is_refused_without_a_download(checkpoint, name):
    with pytest.raises(EncoderError, match="has no model"):
        OpenClip(name, checkpoint)


def test_a_config_beside_the_checkpoint_with_another_activation_is_refused(checkpoint):
    beside = {"model_cfg": {**CONFIG, "quick_gelu": True}, "preprocess_cfg": {}}
    (checkpoint.parent / "open_clip_config.json").write_text(json.dumps(beside))
    with pytest.raises(EncoderError, match="quick_gelu"):
        OpenClip(MODEL, checkpoint)
    OpenClip(f"{MODEL}-quickgelu", checkpoint)


def test_published_weights_that_disagree_on_preparation_need_a_config(tmp_path):
    with pytest.raises(EncoderError, match=r"put the open_clip_config\.json"):
        OpenClip("ViT-L-14", tmp_path / "any.safetensors")


def test_openclip_without_a_gpu_refuses_cuda(checkpoint):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(EncoderError, match="torch finds no GPU"):
        OpenClip(MODEL, checkpoint, device="cuda")


def test_openclip_on_a_gpu_agrees_with_the_cpu(checkpoint, pictures):
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    here = encode_pictures(OpenClip(MODEL, checkpoint, device="cuda"), pictures).vectors
    there = encode_pictures(OpenClip(MODEL, checkpoint, device="cpu", precision="float32"), pictures).vectors
    assert (here * there).sum(axis=1).min() >= LEAST_COSINE
