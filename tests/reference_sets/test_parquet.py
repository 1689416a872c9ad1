"""A set as a Parquet file: whole, readable by others, and refused where it does not fit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from milvus_fixtures import FINGERPRINT, make_set, mirrored, references, unit

from reference_sets import parquet as exchange
from reference_sets.model import CheckThresholds, Mirrored, Thresholds, Verify
from reference_sets.store import Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


@pytest.fixture
def exported(store: Store, tmp_path: Path) -> Path:
    """A set of 2,300 references with features, as a file."""
    store.create(make_set("alpha"))
    known = [replace(one, features=one.id.encode()) for one in references(unit(2300, 1))]
    store.upsert("alpha", known)
    assert exchange.write(store, "alpha", tmp_path / "alpha.parquet") == 2300
    return tmp_path / "alpha.parquet"


def test_a_set_comes_back_as_it_was_with_a_version_of_its_own(store: Store, exported: Path):
    done = exchange.read(store, exported, name="beta", fingerprint=FINGERPRINT)
    assert (done.made, done.rows) == (True, 2300)
    assert replace(done.set, version=1) == make_set("beta")
    as_ids = {known.id: known for known in store.references("alpha")}
    assert {known.id: known for known in store.references("beta")} == as_ids


def test_features_and_mirror_images_travel_and_go_only_into_sets_that_want_them(store: Store, tmp_path: Path):
    facts = {"verify": Verify.REQUIRED, "check": CheckThresholds(0.125, 0.25), "mirrored": Mirrored.STORED}
    store.create(make_set("alpha", **facts))
    known = mirrored(references(unit(5, 2)))
    store.upsert("alpha", known)
    file = tmp_path / "alpha.parquet"
    assert exchange.write(store, "alpha", file) == 5
    table = pq.read_table(file)
    assert table.schema.field("mirror_vector").type == pa.list_(pa.float32(), 8)

    done = exchange.read(store, file, name="beta", fingerprint=FINGERPRINT)
    assert replace(done.set, version=1) == make_set("beta", **facts)
    assert (done.rows, sorted(store.references("beta"), key=lambda one: one.id)) == (5, known)

    store.create(make_set("plain"))
    exchange.read(store, file, name="plain", fingerprint=FINGERPRINT)
    assert {one.mirror for one in store.references("plain")} == {None}
    exchange.write(store, "plain", file)
    assert pq.read_table(file)["mirror_vector"].null_count == 5
    with pytest.raises(StoreError, match="has no mirror image, which the set beta stores"):
        exchange.read(store, file, name="beta", fingerprint=FINGERPRINT)
    assert sorted(store.references("beta"), key=lambda one: one.id) == known


def test_importing_again_changes_no_row_and_an_existing_set_keeps_its_thresholds(store: Store, exported: Path):
    store.change("alpha", thresholds=Thresholds(0.1, 0.2))
    done = exchange.read(store, exported, fingerprint=FINGERPRINT)
    assert (done.made, done.set.thresholds, store.count("alpha")) == (False, Thresholds(0.1, 0.2), 2300)


def test_other_tools_read_the_file_without_us(exported: Path):
    table = pq.read_table(exported)
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 8)
    vectors = np.stack(table["vector"].to_numpy())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    row = table.slice(0, 1).to_pylist()[0]
    np.testing.assert_array_equal(np.float32(row["vector"]), unit(2300, 1)[int(row["id"].removeprefix("ref-"))])
    assert row["features"] == row["id"].encode()


def test_vectors_of_another_encoder_are_refused_and_nothing_is_made(store: Store, exported: Path):
    with pytest.raises(StoreError, match=r"made by the encoder test:.*the encoder in use is pdq:other"):
        exchange.read(store, exported, name="beta", fingerprint="pdq:other")
    store.create(make_set("gamma", encoder="pdq:other"))
    with pytest.raises(StoreError, match="the set gamma was made by pdq:other"):
        exchange.read(store, exported, name="gamma", fingerprint=FINGERPRINT)
    assert {known.name for known in store.sets()} == {"alpha", "gamma"}
    assert store.count("gamma") == 0


def test_files_that_hold_no_set_are_one_clear_sentence(store: Store, exported: Path, tmp_path: Path):
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 not really")
    with pytest.raises(StoreError, match="is not a Parquet file"):
        exchange.describe(bad)
    table = pq.read_table(exported)
    pq.write_table(table.drop(["label"]), bad)
    with pytest.raises(StoreError, match="it lacks the columns label"):
        exchange.describe(bad)
    pq.write_table(table.replace_schema_metadata(None), bad)
    with pytest.raises(StoreError, match="it lacks the set's description"):
        exchange.describe(bad)
    pq.write_table(table.replace_schema_metadata({"vigilens.set": '{"kind": "harmful"}'}), bad)
    with pytest.raises(StoreError, match="is damaged"):
        exchange.describe(bad)
    with pytest.raises(StoreError, match="cannot be read"):
        exchange.read(store, tmp_path / "nowhere", fingerprint=FINGERPRINT)


def test_rows_that_milvus_would_take_and_never_find_are_refused(store: Store, exported: Path, tmp_path: Path):
    table = pq.read_table(exported).slice(0, 3)
    zeros = pa.array([[0.0] * 8] * 3, type=pa.list_(pa.float32(), 8))
    pq.write_table(table.set_column(2, "vector", zeros), tmp_path / "zeros.parquet")
    with pytest.raises(StoreError, match="unit length"):
        exchange.read(store, tmp_path / "zeros.parquet", name="beta", fingerprint=FINGERPRINT)
    pq.write_table(table.set_column(1, "label", pa.nulls(3, pa.string())), tmp_path / "nulls.parquet")
    with pytest.raises(StoreError, match="rows without id, label"):
        exchange.read(store, tmp_path / "nulls.parquet", name="beta", fingerprint=FINGERPRINT)


def test_an_export_that_fails_leaves_no_half_file(store: Store, tmp_path: Path):
    with pytest.raises(StoreError, match="there is no set named nowhere"):
        exchange.write(store, "nowhere", tmp_path / "out.parquet")
    store.create(make_set("alpha"))
    with pytest.raises(StoreError, match="cannot be written"):
        exchange.write(store, "alpha", tmp_path / "nowhere" / "out.parquet")
    assert not list(tmp_path.glob("*.part"))
    assert exchange.write(store, "alpha", tmp_path / "empty.parquet") == 0
    assert exchange.read(store, tmp_path / "empty.parquet", name="beta", fingerprint=FINGERPRINT).rows == 0
