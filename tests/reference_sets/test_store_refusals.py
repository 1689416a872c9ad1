"""What the store refuses before Milvus sees it: the checks are ours, so Milvus Lite in a file is enough to try them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from milvus_fixtures import DIMENSION, make_set, mirrored, references, unit

from reference_sets.model import Mirrored, Part, Reference, Verify
from reference_sets.rows import MAX_FEATURES, messages
from reference_sets.store import Store, StoreError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(str(tmp_path_factory.mktemp("milvus") / "sets.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def untouched(store: Store) -> str:
    """An empty set that stays so."""
    new = make_set()
    store.create(new)
    return new.name


@pytest.mark.parametrize(
    ("vector", "sentence"),
    [
        ([0.0] * DIMENSION, "unit length"),
        ([float("nan")] * DIMENSION, "unit length"),
        ([float("inf")] + [0.0] * (DIMENSION - 1), "unit length"),
        ([2.0] + [0.0] * (DIMENSION - 1), "unit length"),
        ([1.0], "has 1 values, those of the set have 8"),
    ],
)
def test_vectors_that_milvus_would_accept_and_never_find_are_refused(store, untouched, vector, sentence):
    with pytest.raises(StoreError, match=sentence):
        store.upsert(untouched, [Reference("x", "", tuple(vector))])
    with pytest.raises(StoreError, match="a query of"):
        store.search(untouched, np.asarray([vector], dtype=np.float32), 1)
    assert store.count(untouched) == 0
    assert store.describe(untouched).version == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"id": "it's"}, "cannot be an id"),
        ({"id": ""}, "cannot be an id"),
        ({"id": "x" * 129}, "cannot be an id"),
        ({"label": "ü" * 513}, "more than 1024 bytes"),
        ({"id": "ref~m"}, "cannot be an id"),
        ({"features": bytes(48_001)}, "48001 bytes, at most 48000 fit"),
        ({"digest": "A" * 64}, "digest of ref-1 must be of 64 hexadecimal digits"),
        ({"source_id": "ü" * 129}, "source_id of ref-1 has more than 256 bytes"),
        ({"extra": {"x": "y" * 65_535}}, "extra of ref-1 have more than 65535 bytes"),
        ({"tags": ("y" * 65_535,)}, "tags of ref-1 have more than 65535 bytes"),
        ({"mirror": Part((1.0,) + (0.0,) * (DIMENSION - 1))}, "leave out the mirror image"),
    ],
)
def test_references_that_do_not_fit_are_refused_before_any_is_written(store, untouched, changes, sentence):
    good, bad = references(unit(2, 15))
    with pytest.raises(StoreError, match=sentence):
        store.upsert(untouched, [good, replace(bad, **changes)])
    assert store.count(untouched) == 0


def test_a_set_that_needs_features_or_mirror_images_refuses_references_without_them(store: Store):
    new = make_set(verify=Verify.REQUIRED, mirrored=Mirrored.STORED)
    store.create(new)
    good, other = mirrored(references(unit(2, 17)))
    for bad, sentence in (
        (replace(other, features=b""), "has no features, which the check of the set"),
        (replace(other, mirror=replace(other.mirror, features=b"")), "has no features"),
        (replace(other, mirror=replace(other.mirror, vector=(2.0,) * DIMENSION)), "unit length"),
        (replace(other, mirror=None), f"has no mirror image, which the set {new.name} stores"),
    ):
        with pytest.raises(StoreError, match=sentence):
            store.upsert(new.name, [good, bad])
    assert store.count(new.name) == 0


def test_a_message_has_a_reference_with_its_mirror_image_and_no_more_than_a_server_accepts():
    for dimension in (8, 1024, 32_768):
        vector = (1.0,) + (0.0,) * (dimension - 1)
        full = Part(vector, bytes(MAX_FEATURES))
        known = [
            Reference(f"{i}", "ü" * 512, vector, full.features, full, extra={"x": "y" * 60_000}) for i in range(300)
        ]
        sent = list(messages(known, 7))
        assert [row["id"] for rows in sent for row in rows] == [f"{i}{part}" for i in range(300) for part in ("", "~m")]
        assert {rows[0]["part"] for rows in sent} == {""}
        assert max(len(rows) for rows in sent) <= 500
        weights = [sum(len(row["features"]) + 1024 + 4 * dimension + 60_000 for row in rows) for rows in sent]
        assert 20 * 1024 * 1024 < weights[0] < 64 * 1024 * 1024
        assert {row["version"] for rows in sent for row in rows} == {7}


@pytest.mark.parametrize("bad", ["", "1st", "with space", "dash-ed", "x" * 65, "ümlaut", "a/b"])
def test_invalid_names_of_sets_are_refused(store: Store, bad: str):
    with pytest.raises(StoreError, match="cannot name a set"):
        store.create(replace(make_set(), name=bad))
