"""The encoder "words": edits have vectors near the original's, and vectors are the same on every machine."""

import threading
from importlib.resources import files

import numpy as np
import pytest
import torch
from detailed import cropped, detailed, turned
from safetensors.torch import load

from embedding.choose import choose
from embedding.local.keypoints import Keypoints, detect
from embedding.look import encode_pictures, look
from embedding.network.words import WEIGHTS, Words
from training.learn import DIMENSION, EXPORTED, Aggregation


@pytest.fixture(scope="module")
def words():
    return choose("words")


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


def test_a_machine_without_fast_half_precision_gives_the_same_vectors_except_for_rounding(words, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    plain = Words()
    assert plain.fingerprint == words.fingerprint
    pictures = [detailed(seed) for seed in range(10, 14)]
    cosines = (encode_pictures(plain, pictures).vectors * encode_pictures(words, pictures).vectors).sum(1)
    assert cosines.min() > 1 - 1e-4


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


def test_the_packaged_weights_fit_the_network_in_training(words):
    shapes = {name: tuple(value.shape) for name, value in Aggregation().state_dict().items()}
    packaged = load(files("embedding.network").joinpath(WEIGHTS).read_bytes())
    assert {name: tuple(packaged[name].shape) for name in shapes} == shapes | {
        "out.weight": (EXPORTED, shapes["out.weight"][1]),
        "out.bias": (EXPORTED,),
    }
    assert DIMENSION == shapes["out.bias"][0] >= EXPORTED == words.dimension <= 1024


def refused(*_):
    raise RuntimeError("not on this machine")


@pytest.mark.parametrize("other", [refused, lambda rows, *_: rows[:, :1].repeat(1, 2048)], ids=["missing", "wrong"])
def test_if_prepacked_layers_are_missing_or_wrong_the_usual_ones_give_the_same_vectors(words, monkeypatch, other):
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", other)
    usual = Words()
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


def test_the_network_gets_few_different_numbers_of_rows_because_a_kernel_is_kept_for_each():
    words, given = Words(), []
    first = words._layers[0]
    words._layers[0] = lambda rows: (given.append(len(rows)), first(rows))[1]
    for seed in range(3):
        encode_pictures(words, [detailed(seed)])
    assert {number % 256 for number in given} == {0}
