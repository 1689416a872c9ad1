"""A set as a Parquet file: complete, readable by other tools, and refused if it does not fit."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from milvus_fixtures import features, make_set, mirrored, references, unit

from reference_sets import parquet as exchange
from reference_sets.model import CheckThresholds, Mirrored, Thresholds, Verify
from reference_sets.store import Store, StoreError, UnknownSet


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


@pytest.fixture
def exported(store: Store, tmp_path: Path) -> Path:
    """A set of 2,300 references with features, as a file."""
    store.create(make_set("alpha"))
    known = [replace(one, features=features(one.id)) for one in references(unit(2300, 1))]
    store.upsert("alpha", known)
    assert exchange.write(store, "alpha", tmp_path / "alpha.parquet") == 2300
    return tmp_path / "alpha.parquet"


def test_an_imported_set_is_as_it_was_except_for_its_version(store: Store, exported: Path):
    done = exchange.read(store, exported, name="beta")
    assert (done.made, done.rows) == (True, 2300)
    assert replace(done.set, version=1) == make_set("beta")
    alpha, beta = ({one.id: replace(one, version=0) for one in store.references(name)} for name in ("alpha", "beta"))
    assert alpha == beta


def test_features_and_mirror_images_are_exported_and_imported_only_into_sets_that_need_them(
    store: Store, tmp_path: Path
):
    facts = {"verify": Verify.REQUIRED, "check": CheckThresholds(0.125, 0.25), "mirrored": Mirrored.STORED}
    store.create(make_set("alpha", **facts))
    known = mirrored(references(unit(5, 2)))
    store.upsert("alpha", known)
    file = tmp_path / "alpha.parquet"
    assert exchange.write(store, "alpha", file) == 5
    table = pq.read_table(file)
    assert table.schema.field("mirror_vector").type == pa.list_(pa.float32(), 8)

    done = exchange.read(store, file, name="beta")
    assert replace(done.set, version=1) == make_set("beta", **facts)
    known = [replace(one, version=2) for one in known]
    assert (done.rows, sorted(store.references("beta"), key=lambda one: one.id)) == (5, known)

    store.create(make_set("plain"))
    exchange.read(store, file, name="plain")
    assert {one.mirror for one in store.references("plain")} == {None}
    exchange.write(store, "plain", file)
    assert pq.read_table(file)["mirror_vector"].null_count == 5
    with pytest.raises(StoreError, match="has no mirror image, which the set beta stores"):
        exchange.read(store, file, name="beta")
    assert sorted(store.references("beta"), key=lambda one: one.id) == known


def test_importing_again_changes_no_row_and_an_existing_set_keeps_its_thresholds(store: Store, exported: Path):
    store.change("alpha", thresholds=Thresholds(0.1, 0.2))
    done = exchange.read(store, exported)
    assert (done.made, done.set.thresholds, store.count("alpha")) == (False, Thresholds(0.1, 0.2), 2300)


def test_other_tools_read_the_file_without_us(exported: Path):
    table = pq.read_table(exported)
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 8)
    vectors = np.stack(table["vector"].to_numpy())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    row = table.slice(0, 1).to_pylist()[0]
    np.testing.assert_array_equal(np.float32(row["vector"]), unit(2300, 1)[int(row["id"].removeprefix("ref-"))])
    assert row["features"] == features(row["id"])
    assert (row["version"], row["digest"], row["tags"], row["extra"]) == (2, "", [], "{}")


def test_vectors_of_another_encoder_are_refused_and_no_set_is_created(store: Store, exported: Path):
    store.create(make_set("gamma", encoder="pdq:other"))
    with pytest.raises(StoreError, match="the set gamma was made by pdq:other"):
        exchange.read(store, exported, name="gamma")
    assert {known.name for known in store.sets()} == {"alpha", "gamma"}
    assert store.count("gamma") == 0


def test_files_without_a_set_are_refused_in_one_sentence(store: Store, exported: Path, tmp_path: Path):
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
    pq.write_table(table.append_column("id", table["id"]), bad)
    with pytest.raises(StoreError, match="has two columns of one name"):
        exchange.describe(bad)
    text = json.loads(table.schema.metadata[b"vigilens.set"])
    pq.write_table(table.replace_schema_metadata({"vigilens.set": json.dumps({**text, "severity": "9999"})}), bad)
    with pytest.raises(StoreError, match=r"the set in .*bad\.parquet is damaged .severity is .*; export it again$"):
        exchange.describe(bad)
    with pytest.raises(StoreError, match="cannot be read"):
        exchange.read(store, tmp_path / "nowhere")


def test_rows_that_milvus_would_accept_and_never_find_are_refused(store: Store, exported: Path, tmp_path: Path):
    table = pq.read_table(exported).slice(0, 3)
    zeros = pa.array([[0.0] * 8] * 3, type=pa.list_(pa.float32(), 8))
    pq.write_table(table.set_column(2, "vector", zeros), tmp_path / "zeros.parquet")
    with pytest.raises(StoreError, match="unit length"):
        exchange.read(store, tmp_path / "zeros.parquet", name="beta")
    pq.write_table(table.set_column(1, "label", pa.nulls(3, pa.string())), tmp_path / "nulls.parquet")
    with pytest.raises(StoreError, match=r"row 1 of .*nulls\.parquet \(ref-\d+\) has no label"):
        exchange.read(store, tmp_path / "nulls.parquet", name="beta")


@pytest.mark.parametrize(
    "damage",
    [
        ("features", b"12345", "features that cannot be read: 5 bytes are no features"),
        ("features", features("x")[:-1], "features that cannot be read: the features are damaged"),
        ("mirror_features", b"12345", "features that cannot be read"),
        ("extra", "{", "an extra that is not JSON"),
        ("extra", "[1]", "an extra that is not a JSON object"),
    ],
)
def test_a_damaged_row_is_named_and_not_imported(store: Store, exported: Path, tmp_path: Path, damage: tuple):
    column, value, sentence = damage
    table = pq.read_table(exported).slice(0, 3)
    rows = table.to_pylist()
    rows[1][column] = value
    rows[1]["mirror_vector"] = rows[1]["vector"]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), tmp_path / "bad.parquet")
    with pytest.raises(StoreError, match=rf"row 2 of .*bad\.parquet \({rows[1]['id']}\) has {sentence}"):
        exchange.read(store, tmp_path / "bad.parquet", name="beta")
    with pytest.raises(UnknownSet):  # an empty set would look like one to judge by
        store.describe("beta")


def test_all_facts_of_a_reference_are_exported_and_imported(store: Store, tmp_path: Path):
    (plain,) = references(unit(1, 3))
    facts = {"digest": "0f" * 32, "state": "disabled", "disabled_until": 17, "ceiling": "review", "source": "partner"}
    known = replace(plain, **facts, source_id="ü-1", tags=("a", 'b "c"'), extra={"a": {"b": [1, 2.5, None, "ü"]}})
    store.create(make_set("alpha"))
    store.upsert("alpha", [known])
    exchange.write(store, "alpha", tmp_path / "alpha.pq")
    exchange.read(store, tmp_path / "alpha.pq", name="beta")
    assert list(store.references("beta")) == [replace(known, version=2)]


def test_a_file_of_the_previous_version_is_read_and_a_key_of_a_later_version_is_exported_again(
    store: Store, tmp_path: Path
):
    before = json.loads(Path(__file__).with_name("before.json").read_text(encoding="utf-8"))
    facts = {key.removeprefix("vigilens."): text for key, text in before.items()} | {"dimension": "8"}
    rows = {"id": ["a", "b"], "label": ["one", "two"], "vector": [row.tolist() for row in unit(2, 4)], "moon": [1, 2]}
    file = tmp_path / "before.parquet"
    pq.write_table(pa.table(rows).replace_schema_metadata({"vigilens.set": json.dumps(facts)}), file)
    done = exchange.read(store, file)
    assert (done.made, done.rows, done.set.name, done.set.severity) == (True, 2, "spam", 40)
    assert store._database.properties("spam")["vigilens.tomorrow"] == '{"level": 3}'
    assert sorted((one.id, one.label, one.features) for one in store.references("spam")) == [
        ("a", "one", b""),
        ("b", "two", b""),
    ]
    exchange.write(store, "spam", tmp_path / "again.parquet")
    metadata = json.loads(pq.read_schema(tmp_path / "again.parquet").metadata[b"vigilens.set"])
    assert metadata["tomorrow"] == '{"level": 3}'

    pq.write_table(
        pa.table(rows).replace_schema_metadata({"vigilens.set": json.dumps(facts | {"needs": "moon"})}), file
    )
    with pytest.raises(StoreError, match=r"before\.parquet cannot be imported: the set spam needs moon"):
        exchange.read(store, file, name="beta")
    assert [known.name for known in store.sets()] == ["spam"]


def test_a_set_whose_dimension_is_not_that_of_its_vectors_is_not_exported(store: Store, exported: Path, tmp_path: Path):
    assert exported.exists()
    store._database.alter("alpha", {"vigilens.dimension": "3"})
    with pytest.raises(StoreError, match="its dimension is 3, but its vectors have"):
        exchange.write(store, "alpha", tmp_path / "out.parquet")


def test_an_export_that_fails_leaves_no_incomplete_file(store: Store, tmp_path: Path):
    with pytest.raises(StoreError, match="there is no set named nowhere"):
        exchange.write(store, "nowhere", tmp_path / "out.parquet")
    store.create(make_set("alpha"))
    with pytest.raises(StoreError, match="cannot be written"):
        exchange.write(store, "alpha", tmp_path / "nowhere" / "out.parquet")
    with pytest.raises(StoreError, match=r"x\.csv would be a Parquet file: its name must end in \.parquet or \.pq"):
        exchange.write(store, "alpha", tmp_path / "x.csv")
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*.csv"))
    assert exchange.write(store, "alpha", tmp_path / "empty.parquet") == 0
    assert exchange.read(store, tmp_path / "empty.parquet", name="beta").rows == 0
