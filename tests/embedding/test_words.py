"""The encoder "words": edits have vectors near the original's, and vectors are the same on every machine."""

import threading

import numpy as np
import pytest
import torch
from detailed import cropped, detailed, turned
from safetensors.numpy import save_file

from embedding.choose import Configured, choose
from embedding.encoder import EncoderError
from embedding.local.keypoints import Keypoints, detect
from embedding.local.words import WEIGHTS, Words
from embedding.look import encode_pictures, look
from embedding.network.half_words import BFloat16
from embedding.picture import Prepared
from training import prune


@pytest.fixture(scope="module")
def words():
    return choose(Configured("words", precision="float32"))


def test_vectors_are_of_unit_length(words):
    encoded = encode_pictures(words, [detailed(1), detailed(2)])
    assert encoded.vectors.dtype == np.float32
    assert encoded.vectors.shape == (2, words.dimension)
    np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-6)


def test_the_parts_are_vectors_of_unit_length_of_the_strong_the_coarse_and_the_fine_corners(words):
    encoded = encode_pictures(words, [detailed(1), detailed(2)])
    assert encoded.parts.dtype == np.float32
    assert encoded.parts.shape == (2, 3, words.dimension)
    np.testing.assert_allclose(np.linalg.norm(encoded.parts, axis=2), 1, atol=1e-6)
    whole = detect(detailed(1))
    chosen_for_parts = (whole.strong, whole.scales > 0.17, whole.scales < 0.12)
    for part, chosen in zip(encoded.parts[0], chosen_for_parts, strict=True):
        assert 0.15 < chosen.mean() < 0.6
        alone = Keypoints(
            *(values[chosen] for values in (whole.points, whole.descriptors, whole.angles, whole.scales)), 1, 1
        )
        assert float(words.vectors([alone])[0] @ part) > 1 - 1e-3


@pytest.fixture(scope="module")
def known(words):
    return encode_pictures(words, [detailed(seed) for seed in range(40)]).vectors


@pytest.mark.parametrize(
    "edit",
    [
        lambda pixels: cropped(pixels, 0.1, 0.1, 0.8, 0.9),
        np.rot90,
        lambda pixels: turned(pixels, 20),
        lambda pixels: pixels[::2, ::2],
        lambda pixels: np.pad(pixels, ((90, 90), (90, 90), (0, 0)), constant_values=255),
    ],
    ids=["crop", "quarter turn", "turn", "half the size", "padding"],
)
def test_an_edit_is_nearer_to_its_original_than_to_forty_other_pictures(words, known, edit):
    for seed in (3, 7):
        query = encode_pictures(words, [np.ascontiguousarray(edit(detailed(seed)))]).vectors[0]
        assert int((known @ query).argmax()) == seed


def test_the_coarse_corners_of_a_hard_crop_are_nearer_to_its_original_than_all_of_its_corners_are(words, known):
    """What is fine in the original is coarse in a part of it. Other pictures are nearer 98 times, and 67 times."""
    crops = [cropped(detailed(seed), 0.3, 0.25, 0.75, 0.7) for seed in range(40)]  # a fifth of each
    made = encode_pictures(words, crops)
    whole, coarse = (vectors @ known.T for vectors in (made.vectors, made.parts[:, 1]))
    before = [int((near > np.diag(near)[:, None]).sum()) for near in (whole, coarse)]
    assert before[1] < 0.9 * before[0]


def test_of_a_picture_without_detail_the_parts_are_finite_and_no_view_has_them(words):
    blank = np.full((200, 300, 3), 200, np.uint8)
    assert np.isfinite(encode_pictures(words, [blank]).parts).all()
    (found,) = look([words], [blank], words.needs)
    assert (dict(found.view.vectors), dict(found.view.parts)) == ({}, {})
    (found,) = look([words], [detailed(1)], words.needs)
    assert found.view.parts[words.fingerprint].shape == (3, words.dimension)


def test_pictures_without_detail_are_featureless_and_have_zero_vectors(words):
    encoded = encode_pictures(words, [np.full((200, 300, 3), 200, np.uint8), detailed(4)])
    assert encoded.featureless.tolist() == [True, False]
    assert not encoded.vectors[0].any()


def test_a_vector_does_not_depend_on_the_rest_of_the_batch(words):
    together = encode_pictures(words, [detailed(seed) for seed in range(5, 9)]).vectors
    alone = np.concatenate([encode_pictures(words, [detailed(seed)]).vectors for seed in range(5, 9)])
    np.testing.assert_allclose((together * alone).sum(1), 1, atol=1e-6)


def test_layers_in_half_precision_give_the_same_vectors_except_for_rounding(words):
    half = choose(Configured("words", precision="bfloat16"))
    assert half.backend.startswith("bfloat16")
    assert half.fingerprint == words.fingerprint
    pictures = [detailed(seed) for seed in range(10, 14)]
    cosines = (encode_pictures(half, pictures).vectors * encode_pictures(words, pictures).vectors).sum(1)
    assert cosines.min() > 1 - 1e-4


@pytest.mark.parametrize("able", [True, False])
def test_half_precision_is_chosen_where_torch_is_there_anyway_and_the_processor_is_fast_with_it(monkeypatch, able):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able, "avx2": True})
    assert choose("words").backend.startswith("bfloat16" if able else "float32")
    with pytest.raises(EncoderError, match="float16"):
        choose(Configured("words", precision="float16"))


def test_several_threads_may_use_one_encoder(words):
    pictures = [detailed(seed) for seed in range(20, 24)]
    expected = encode_pictures(words, pictures).vectors
    got = [None] * 4

    def work(index):
        got[index] = encode_pictures(words, pictures).vectors

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((one == expected).all() for one in got)


def test_words_that_are_never_active_can_be_left_out_and_sets_stay_valid(words, tmp_path, monkeypatch):
    """The packaged weights have 512 of the 2,048 words that were trained, and the fingerprint of all."""
    assert words.fingerprint == "words:ab613c4515e9db2a"
    rng = np.random.default_rng(1)
    shapes = {"hidden.weight": (8, 256), "hidden.bias": (8,), "words.weight": (16, 8), "words.bias": (16,)}
    shapes |= {"out.weight": (4, 16), "out.bias": (4,)}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights["words.bias"][::3] = -1e3
    made = []
    monkeypatch.setattr("embedding.local.words.files", lambda _: tmp_path)
    monkeypatch.setattr(prune, "KEPT", 10)
    sums = prune.Float32(weights)(detect(detailed(1)).descriptors)
    for kept in (np.arange(16), prune.strongest(sums, weights["out.weight"])):
        save_file(prune.pruned(weights, kept), tmp_path / WEIGHTS)
        made.append(Words().encode([Prepared((1, 1), detect(detailed(2)))]))
    np.testing.assert_allclose(made[0].vectors, made[1].vectors, atol=1e-5)
    np.testing.assert_allclose(made[0].parts, made[1].parts, atol=1e-5)


def refused(*_):
    raise RuntimeError("not on this machine")


@pytest.mark.parametrize("other", [refused, lambda rows, *_: rows[:, :1].repeat(1, 512)], ids=["missing", "wrong"])
def test_if_prepacked_layers_are_missing_or_wrong_the_usual_ones_give_the_same_vectors(words, monkeypatch, other):
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", other)
    usual = Words(BFloat16)
    assert "prepacked" not in usual.backend
    pictures = [detailed(seed) for seed in range(10, 14)]
    np.testing.assert_allclose(
        (encode_pictures(usual, pictures).vectors * encode_pictures(words, pictures).vectors).sum(1), 1, atol=1e-4
    )


def test_pictures_without_corners_are_accepted_alone_and_among_others(words):
    blank = np.full((200, 300, 3), 200, np.uint8)
    assert encode_pictures(words, [blank]).featureless.all()
    together = encode_pictures(words, [blank, detailed(4), *[blank] * 8, detailed(5)])
    assert together.featureless.tolist() == [True, False, *[True] * 8, False]
    alone = np.stack([encode_pictures(words, [detailed(seed)]).vectors[0] for seed in (4, 5)])
    np.testing.assert_allclose((together.vectors[[1, 10]] * alone).sum(1), 1, atol=1e-6)


def test_the_layers_in_half_precision_get_few_numbers_of_rows_because_a_kernel_is_kept_for_each():
    words, given = Words(BFloat16), []
    first = words._layers._layers[0]
    words._layers._layers[0] = lambda rows: (given.append(len(rows)), first(rows))[1]
    for seed in range(3):
        encode_pictures(words, [detailed(seed)])
    assert {number % 256 for number in given} == {0}
