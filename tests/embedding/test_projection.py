"""Projections are fitted on vectors whose principal axes are known."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from embedding.encoder import Encoded, EncoderError
from embedding.look import encode_pictures
from embedding.pdq import Pdq
from embedding.picture import Needs, Prepared
from embedding.probe import agrees, probe_vector
from embedding.projection import Projected, fit, load, projected, save

DIMENSION = 6
BASE = "fixed:0123456789abcdef"
ROUNDING = 1e-5


@pytest.fixture
def spread(rng):
    """400 vectors that differ most along the axes 4, 1 and 0, in this order; the rest is noise."""
    random = np.random.default_rng(rng.randrange(1 << 30))
    return (5 + random.normal(size=(400, DIMENSION)) * [1, 3, 0.01, 0.01, 9, 0.01]).astype(np.float32)


class Fixed:
    """An encoder with the vectors that it is given, one after the other; NaN in a row: featureless."""

    name, dimension, fingerprint, backend = "fixed", DIMENSION, BASE, "by hand"
    needs, batch_size, min_batch_size = Needs(hash=True), 3, 2

    def __init__(self, vectors, parts=None):
        self._vectors, self._parts = np.asarray(vectors, np.float32), parts

    def encode(self, prepared):
        found = self._vectors[: len(prepared)]
        featureless = np.isnan(found).any(axis=1)
        return Encoded(np.where(featureless[:, None], np.float32(0), found), featureless, self._parts)


def test_the_axes_are_those_along_which_vectors_differ_most(spread):
    found = fit(spread, 3, BASE)
    right = np.eye(DIMENSION)[:, [4, 1, 0]]
    lengths = np.linalg.norm(found.axes, axis=0)
    directions = found.axes / lengths
    assert np.allclose(np.abs(directions.T @ right), np.eye(3), atol=0.1)
    assert np.allclose(directions.T @ directions, np.eye(3), atol=ROUNDING)
    assert np.allclose(lengths, np.array([9, 3, 1]) ** -0.5, rtol=0.1)  # divided by the root of the deviation
    assert np.allclose(found.mean, spread.mean(axis=0), atol=1e-4)
    assert found.kept > 0.99
    assert (found.pictures, found.base) == (400, BASE)
    assert fit(spread, 2, BASE).kept < found.kept


def test_projected_vectors_have_unit_length_and_small_differences_count_more_than_before(spread):
    found = fit(spread, 3, BASE)
    vectors = found(spread)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=ROUNDING)
    whitened = (spread - spread.mean(axis=0))[:, [4, 1, 0]] / np.sqrt([9, 3, 1])
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    assert np.allclose(vectors @ vectors.T, whitened @ whitened.T, atol=0.1)


def test_pictures_that_hardly_differ_do_not_blow_up_what_is_rounding(spread):
    flat = spread * np.array([1, 1, 0, 0, 1, 0], np.float32)
    found = fit(flat, 5, BASE)
    assert np.isfinite(found.axes).all()
    assert np.linalg.norm(found.axes, axis=0).max() < 40 * np.linalg.norm(found.axes, axis=0).min()
    with pytest.raises(EncoderError, match="all have the same vector"):
        fit(np.ones((9, DIMENSION), np.float32), 3, BASE)


def test_the_same_vectors_give_the_same_projection_in_any_order(spread):
    one, other = fit(spread, 3, BASE), fit(spread[::-1].copy(), 3, BASE)
    assert np.allclose(one.axes, other.axes, atol=1e-4)


def test_a_projection_survives_its_file(spread, tmp_path):
    made = fit(spread, 3, BASE)
    save(made, tmp_path / "p.safetensors")
    read = load(tmp_path / "p.safetensors")
    assert read.digest == made.digest
    assert (read.base, read.pictures, round(read.kept, 5)) == (made.base, made.pictures, round(made.kept, 5))
    assert np.array_equal(read(spread), made(spread))


def test_a_file_that_cannot_be_written_is_named_and_a_complete_one_is_readable_as_others_are(spread, tmp_path):
    with pytest.raises(EncoderError, match="cannot be written"):
        save(fit(spread, 3, "base"), tmp_path / "no" / "p.safetensors")
    save(fit(spread, 3, "base"), tmp_path / "p.safetensors")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "p.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert {file.name for file in tmp_path.iterdir()} == {"p.safetensors", "other"}


def test_what_the_other_encoder_cannot_compare_stays_featureless(spread):
    made = fit(spread, 3, BASE)
    rows = [spread[0], np.full(DIMENSION, np.nan), made.mean]
    encoder = Projected(Fixed(rows), made)
    encoded = encoder.encode([Prepared((1, 1))] * 3)
    assert encoded.featureless.tolist() == [False, True, True]
    assert not encoded.vectors[1:].any()
    assert encoded.vectors.shape == (3, 3)
    assert (encoder.needs, encoder.batch_size, encoder.min_batch_size) == (Needs(hash=True), 3, 2)
    assert encoder.backend == "by hand, 6 values reduced to 3"


def test_the_parts_of_another_encoder_s_vectors_are_projected_as_the_vectors_are(spread):
    made = fit(spread, 3, BASE)
    parts = spread[:12].reshape(4, 3, DIMENSION).copy()
    parts[1, 2] = made.mean  # nothing is left of it: then the whole stands for it
    rows = spread[20:24].copy()
    rows[3] = np.nan
    encoded = Projected(Fixed(rows, parts), made).encode([Prepared((1, 1))] * 4)
    assert encoded.parts.shape == (4, 3, 3)
    assert encoded.parts.dtype == np.float32
    assert np.allclose(encoded.parts[0], made(spread[:3]))
    assert np.allclose(encoded.parts[1], [*made(spread[3:5]), encoded.vectors[1]])
    assert encoded.featureless.tolist() == [False, False, False, True]
    assert Projected(Fixed(rows), made).encode([Prepared((1, 1))] * 4).parts is None


def test_the_fingerprint_covers_the_other_encoder_and_the_projection(spread):
    other = Fixed([])
    other.fingerprint = "fixed:fedcba9876543210"
    of = [(Fixed([]), fit(spread, 3, BASE)), (Fixed([]), fit(spread, 2, BASE)), (Fixed([]), fit(spread * 2, 3, BASE))]
    of += [(other, fit(spread, 3, other.fingerprint))]
    found = [Projected(*each).fingerprint for each in of]
    assert len(set(found)) == 4
    assert all(each.startswith("projected:") for each in found)
    assert Projected(*of[0]).fingerprint == found[0]


def test_a_real_encoder_can_be_reduced_and_passes_the_probe(rng, tmp_path):
    random = np.random.default_rng(rng.randrange(1 << 30))
    pictures = [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(60)]
    base = Pdq()
    save(fit(encode_pictures(base, pictures).vectors, 20, base.fingerprint), tmp_path / "p.safetensors")
    encoder = projected(base, tmp_path / "p.safetensors")
    assert len(probe_vector(encoder)) == encoder.dimension == 20
    assert agrees(encoder, probe_vector(projected(base, tmp_path / "p.safetensors")).tolist())


@pytest.mark.parametrize(
    ("pictures", "to", "words"),
    [
        (400, 6, "can be reduced to 1 to 5 values, not to 6"),
        (400, 0, "not to 0"),
        (3, 3, "3 pictures differ in at most 2 ways: give more to keep 3 values"),
        (0, 3, "0 pictures differ in at most 0 ways"),
    ],
)
def test_too_few_pictures_or_too_many_values_are_an_error(spread, pictures, to, words):
    with pytest.raises(EncoderError, match=words):
        fit(spread[:pictures], to, BASE)


def test_a_projection_of_another_encoder_is_refused(spread):
    with pytest.raises(EncoderError, match="was made for the encoder other:1, but this one is fixed:0123"):
        Projected(Fixed([]), fit(spread, 3, "other:1"))
    with pytest.raises(EncoderError, match="is for 5 values, not 6"):
        Projected(Fixed([]), fit(spread[:, :5], 3, BASE))


FACTS = {"version": "1", "base": BASE, "pictures": "400", "kept": "0.9"}
GOOD = {"mean": np.zeros(6, np.float32), "axes": np.eye(6, dtype=np.float32)[:, :3].copy()}
DAMAGED = {
    "no axes": ({"mean": GOOD["mean"]}, FACTS, "is not a projection, or damaged"),
    "no facts": (GOOD, {}, "is not a projection, or damaged"),
    "a later version": (GOOD, {**FACTS, "version": "2"}, "was made by a later version"),
    "axes that are not finite": ({**GOOD, "axes": GOOD["axes"] * np.nan}, FACTS, "are not a projection"),
    "an axis of length 0": ({**GOOD, "axes": GOOD["axes"] * np.float32([1, 1, 0])}, FACTS, "are not a projection"),
    "shapes that do not fit": ({**GOOD, "mean": np.zeros(5, np.float32)}, FACTS, "are not a projection"),
    "a mean that is not finite": ({**GOOD, "mean": GOOD["mean"] + np.inf}, FACTS, "are not a projection"),
    "another type": ({**GOOD, "axes": GOOD["axes"].astype(np.float64)}, FACTS, "are not a projection"),
}


@pytest.mark.parametrize("why", DAMAGED)
def test_a_file_that_is_no_projection_is_refused(tmp_path, why):
    tensors, facts, words = DAMAGED[why]
    save_file(tensors, tmp_path / "p.safetensors", metadata=facts)
    with pytest.raises(EncoderError, match=words):
        load(tmp_path / "p.safetensors")


def test_a_missing_or_cut_file_is_named(spread, tmp_path):
    with pytest.raises(
        EncoderError, match=r"there is no projection at .*: restore it, or make one with `vigilens encoders reduce`"
    ):
        load(tmp_path / "none.safetensors")
    save(fit(spread, 3, BASE), tmp_path / "p.safetensors")
    content = (tmp_path / "p.safetensors").read_bytes()
    (tmp_path / "p.safetensors").write_bytes(content[:-40])
    with pytest.raises(EncoderError, match="is not a projection, or damaged"):
        load(tmp_path / "p.safetensors")
