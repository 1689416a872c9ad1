import subprocess
import sys

import numpy as np
import pdqhash
import pytest
from PIL import Image

from embedding.choose import choose
from embedding.draw_probe import draw
from embedding.encoder import EncoderError
from embedding.look import encode_pictures
from embedding.pdq import DIMENSION, Pdq, _reduced, bits_of, hash_of
from embedding.probe import agrees, probe_picture, probe_vector

# Never change it: existing sets have stored it.
PROBE_HASH = "d6189a0bd178e20635291b4b7c5906acff000da987c1dae2d736fef99ee5045e"


def hamming(left, right):
    return int((left != right).sum())


def resized(pixels, width, height):
    return np.asarray(Image.fromarray(pixels).resize((width, height)))


def test_the_bits_of_a_vector_are_those_of_the_hash():
    pixels = probe_picture()
    (vector,) = encode_pictures(Pdq(), [pixels]).vectors
    assert bits_of(vector[None]).tobytes() == np.packbits(hash_of(pixels).bits).tobytes()


def test_cosine_and_hamming_distance_are_equivalent():
    picture = probe_picture()
    others = [picture, 255 - picture, picture[::-1].copy(), resized(picture, 100, 90), np.roll(picture, 9, axis=1)]
    vectors = encode_pictures(Pdq(), others).vectors
    assert vectors.dtype == np.float32
    assert set(np.unique(vectors).tolist()) == {-1 / 16, 1 / 16}
    bits = [pdqhash.compute(other)[0] for other in others]
    for left in range(len(others)):
        for right in range(len(others)):
            cosine = float(vectors[left] @ vectors[right])
            assert hamming(bits[left], bits[right]) == 128 * (1 - cosine)


def test_a_hamming_distance_of_31_is_a_cosine_of_0_758():
    assert round(1 - 31 / 128, 4) == 0.7578


def test_a_resized_copy_is_near_and_another_picture_is_not():
    picture = probe_picture()
    large, small, other = encode_pictures(
        Pdq(), [resized(picture, 1700, 1300), resized(picture, 200, 150), 255 - picture]
    ).vectors
    assert float(large @ small) >= 0.9
    assert float(large @ other) < 0.5


def test_reducing_a_large_picture_in_strips_gives_the_same_as_reducing_it_at_once():
    large = np.random.default_rng(1).integers(0, 256, (2403, 2809, 3), dtype=np.uint8)
    at_once = np.asarray(Image.fromarray(large).reduce((5, 4)))
    assert np.array_equal(_reduced(large), at_once)


@pytest.mark.parametrize("shape", [(1, 1), (1, 65_500), (65_500, 1), (4, 4), (5, 5), (3, 100), (64, 64)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_picture_without_detail_is_featureless_and_its_vector_is_zero(shape, level):
    encoded = encode_pictures(Pdq(), [np.full((*shape, 3), level, dtype=np.uint8), probe_picture()])
    assert encoded.featureless.tolist() == [True, False]
    assert not encoded.vectors[0].any()
    assert np.linalg.norm(encoded.vectors[1]) == 1


def test_a_picture_too_narrow_for_the_reference_implementation_is_featureless():
    noise = np.random.default_rng(2).integers(0, 256, (4, 300, 3), dtype=np.uint8)
    assert encode_pictures(Pdq(), [noise, noise.transpose(1, 0, 2).copy()]).featureless.all()


def test_a_soft_gradient_is_featureless_and_a_textured_picture_is_not():
    ramp = np.linspace(100, 120, 300).astype(np.uint8)[None, :, None].repeat(200, axis=0).repeat(3, axis=2)
    assert encode_pictures(Pdq(), [ramp, probe_picture()]).featureless.tolist() == [True, False]


def test_choosing_pdq_does_not_load_torch():
    code = "import sys; from embedding.choose import choose; choose('pdq'); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_an_unknown_encoder_gives_one_sentence_that_names_the_setting():
    with pytest.raises(EncoderError, match=r"there is no kind of encoder .phash.: set kind to one of words, "):
        choose("phash")


def test_the_fingerprint_and_dimension_are_as_documented():
    encoder = choose("pdq")
    assert (encoder.name, encoder.dimension) == ("pdq", DIMENSION)
    assert encoder.fingerprint == Pdq().fingerprint
    assert encoder.fingerprint.startswith("pdq:")


def test_the_probe_vector_is_the_one_that_existing_sets_have_stored():
    packed = np.packbits(probe_vector(Pdq()) > 0).tobytes().hex()
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(PROBE_HASH), np.uint8))
    assert agrees(Pdq(), ((bits * 2.0 - 1) / 16).tolist()), packed


def test_the_probe_refuses_another_picture_another_length_and_nothing():
    assert not agrees(Pdq(), encode_pictures(Pdq(), [255 - probe_picture()]).vectors[0].tolist())
    assert not agrees(Pdq(), [1.0])
    assert not agrees(Pdq(), [0.0] * DIMENSION)
    nearly = probe_vector(Pdq())
    nearly[:3] *= -1
    assert not agrees(Pdq(), nearly.tolist())


def test_the_packaged_probe_is_the_picture_that_the_script_draws():
    assert np.abs(draw().astype(int) - probe_picture()).max() <= 1
