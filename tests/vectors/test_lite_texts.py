"""Features in Milvus Lite stay on the disk: what is derived for that can be damaged or missing. On real files."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from milvus_fixtures import make_set, references, unit
from milvus_lite.engine import collection, compaction, flush
from milvus_lite.storage import data_file, segment
from milvus_lite.storage.memtable import MemTable

from reference_sets.model import Neighbour, Verify
from reference_sets.store import Store
from vectors import lite_merging, lite_texts
from vectors.lite_server import LiteServer

LONG = 17_108
SMAPS = Path("/proc/self/smaps")
_build_whole = MemTable._build_data_table
_boundaries = compaction.COMPACTION_BUCKET_BOUNDARIES


def with_features(known, seed=0):
    rng = np.random.default_rng(seed)
    return [replace(one, features=rng.bytes(LONG)) for one in known]


def read(store, known, name="alpha"):
    found = store.features(name, [Neighbour(one.id, "", 0.5) for one in known])
    return {id_: data for (id_, _), (data, _) in found.items()}


def mapped(folder):
    """Bytes of the files of a folder that are in this process's memory."""
    areas = re.findall(r"^\S+ \S+ \S+ \S+ \S+ +(\S.*)\n(?:.+: .+\n)*?Rss: +(\d+)", SMAPS.read_text(), re.MULTILINE)
    return sum(1024 * int(size) for name, size in areas if name.startswith(str(folder)))


def derived(folder):
    return sorted(folder.glob("sets.db/**/texts/*"))


@pytest.fixture
def unpatched(monkeypatch):
    """Milvus Lite as it is published."""
    monkeypatch.setattr(lite_merging, "apply_patch", lambda: None)
    for module in (segment, compaction):
        monkeypatch.setattr(module, "read_data_file", data_file.read_data_file)
    for module in (flush, compaction):
        monkeypatch.setattr(module, "write_data_file", data_file.write_data_file)
    monkeypatch.setattr(compaction.CompactionManager, "_compact_files", lite_merging._compact_whole)
    monkeypatch.setattr(compaction, "COMPACTION_BUCKET_BOUNDARIES", _boundaries)
    monkeypatch.setattr(MemTable, "_build_data_table", _build_whole)
    return monkeypatch


def test_a_file_of_the_published_engine_is_opened_and_its_features_are_not_in_memory(tmp_path, unpatched):
    path, known = str(tmp_path / "sets.db"), with_features(references(unit(200, 1)))
    with Store(path) as store:
        store.create(make_set("alpha", verify=Verify.SUPPORTS))
        store.upsert("alpha", known)
        store.flush("alpha")
    assert derived(tmp_path) == []
    before = {each: each.read_bytes() for each in tmp_path.glob("sets.db/**/*.parquet")}
    unpatched.undo()
    for _ in range(2):
        allocated = pa.total_allocated_bytes()
        with Store(path) as store:
            assert read(store, known) == {one.id: one.features for one in known}
            assert pa.total_allocated_bytes() - allocated < 80 * LONG
            if hasattr(lite_texts.mmap, "MADV_DONTNEED"):
                lite_texts._read_since[0] = 2 * lite_texts._MAPPED_BYTES
                assert read(store, known[:1]) == {known[0].id: known[0].features}
                assert mapped(tmp_path) < 80 * LONG
    assert {each: each.read_bytes() for each in tmp_path.glob("sets.db/**/*.parquet")} == before
    assert len(derived(tmp_path)) == 1
    unpatched.setattr(lite_merging, "apply_patch", lambda: None)


@pytest.fixture
def written(tmp_path):
    """A closed file with two data files, and its references."""
    known = with_features(references(unit(60, 1)))
    with Store(str(tmp_path / "sets.db")) as store:
        store.create(make_set("alpha", verify=Verify.SUPPORTS))
        for half in (known[:30], known[30:]):
            store.upsert("alpha", half)
            store.flush("alpha")
    assert len(derived(tmp_path)) == 2
    return known


def torn(one: Path, _: Path) -> None:
    one.write_bytes(one.read_bytes()[:-1000])


def exchanged(one: Path, other: Path) -> None:
    shutil.copy(other, one)


def empty(one: Path, _: Path) -> None:
    one.write_bytes(b"")


def test_what_is_derived_is_made_again_when_it_is_damaged(tmp_path, written):
    one, other = derived(tmp_path)
    right = one.read_bytes()
    for damage in (torn, exchanged, empty):
        damage(one, other)
        left = one.with_name("data_000900_000901.unfinished")
        left.write_bytes(b"of a process that was killed")
        with Store(str(tmp_path / "sets.db")) as store:
            assert read(store, written) == {each.id: each.features for each in written}, damage
        assert one.read_bytes() == right
        assert derived(tmp_path) == [one, other]


def test_features_stay_in_memory_where_nothing_can_be_derived(tmp_path, written, caplog):
    folder = derived(tmp_path)[0].parent
    shutil.rmtree(folder)
    folder.write_bytes(b"a file where the folder should be")
    with Store(str(tmp_path / "sets.db")) as store:
        assert read(store, written) == {each.id: each.features for each in written}
    assert {record.message.split(" in ")[0] for record in caplog.records} >= {"the features"}


def test_rows_survive_changes_deletions_and_merges_of_files_as_they_were_written(tmp_path, rng):
    """The smallest file has some 100 KB, so that four of them are merged again and again."""
    expected, known = {}, with_features(references(unit(90, 1)))
    path = str(tmp_path / "sets.db")
    with Store(path) as store:
        store.create(make_set("alpha", verify=Verify.OFF))
        for step in range(14):
            some = rng.sample(known, 20)
            some = with_features(some, step) if step % 4 else [replace(one, features=b"") for one in some]
            gone = rng.sample(known, 3)
            store.upsert("alpha", some)
            store.delete("alpha", [one.id for one in gone])
            expected |= {one.id: one.features for one in some}
            expected = {id_: data for id_, data in expected.items() if id_ not in {one.id for one in gone}}
            store.flush("alpha")
            assert read(store, known) == expected
    stored = {each.stem for each in tmp_path.glob("sets.db/**/data/*.parquet")}
    assert len(stored) < 8
    assert {each.stem for each in derived(tmp_path)} <= stored
    with Store(path) as store:
        assert read(store, known) == expected
        assert {one.id: one.features for one in store.references("alpha")} == expected


def test_no_row_is_lost_when_the_process_is_killed_while_files_are_written_and_merged(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES", "200000")
    known = with_features(references(unit(100, 1)))
    there = known[: 9 * rng.randrange(5, 11)]
    server = LiteServer(tmp_path / "sets.db")
    with Store(server.uri) as store:
        store.create(make_set("alpha", verify=Verify.SUPPORTS))
        for start in range(0, len(there), 9):
            store.upsert("alpha", there[start : start + 9])
        server.kill()
    with Store(str(tmp_path / "sets.db")) as store:
        assert read(store, there) == {one.id: one.features for one in there}
    assert {each.suffix for each in derived(tmp_path)} == {".arrow"}


def test_long_texts_are_compressed_and_a_reader_of_parquet_finds_them(tmp_path):
    texts = [f"{number:05}" * 800 for number in range(50)]
    table = pa.table({"id": [str(one) for one in range(50)], "features": texts, "label": ["same"] * 50})
    lite_texts.write(table, str(tmp_path / "data_1_50.parquet"))
    assert pq.read_table(tmp_path / "data_1_50.parquet").equals(table)
    assert (tmp_path / "data_1_50.parquet").stat().st_size < 50 * 800


def test_a_milvus_lite_without_the_patched_function_is_left_alone(monkeypatch):
    monkeypatch.delattr(flush, "write_data_file")
    monkeypatch.setattr(segment, "read_data_file", data_file.read_data_file)
    lite_merging.apply_patch()
    assert segment.read_data_file is data_file.read_data_file
    assert collection.Segment is segment.Segment


def test_a_file_with_the_name_of_a_former_one_that_is_still_in_use_is_read_itself(tmp_path):
    path = tmp_path / "data" / "rows.parquet"
    path.parent.mkdir()
    kinds = (("old", 5000), ("new", 5))  # different texts: of equal ones a file has one
    tables = [pa.table({"id": [name] * 9, "features": [f"{row}" * size for row in range(9)]}) for name, size in kinds]
    pq.write_table(tables[0], path)
    former = lite_texts.read(str(path))
    pq.write_table(tables[1], path)
    assert lite_texts.read(str(path)) == tables[1]
    assert lite_texts.opened(str(path)) == tables[1]
    assert former == tables[0]
