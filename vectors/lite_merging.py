"""A patch of Milvus Lite (3.2): writing and merging its files takes memory for a part of the rows, not for all of them.

Its engine reads the files that it merges into memory as a whole and copies them four times; from 2 GB of features on
it fails, because Arrow's texts have offsets of 32 bits. It merges every four files of more than 100 MB, so that all of
a large set is written again with every third file. And the rows of a new file are made into Python objects first.

Here the engine works out with keys and numbers of writes which rows it keeps, and these are copied a part at a time.
"""

import os
from collections.abc import Sequence
from threading import local
from typing import Any

import numpy as np
import pyarrow as pa
from milvus_lite.constants import DATA_FILE_TEMPLATE, SEQ_FORMAT_WIDTH
from milvus_lite.engine import compaction, flush
from milvus_lite.index.brute_force import BruteForceIndex
from milvus_lite.storage import memtable, segment

from vectors import lite_texts

# Not public. A version of Milvus Lite that lacks one of them is not patched.
_MANAGER: Any = getattr(compaction, "CompactionManager", None)
_compact_whole: Any = getattr(_MANAGER, "_compact_files", None)
_index_whole: Any = getattr(segment.Segment, "build_or_load_index", None)
_MEMORY: Any = getattr(memtable, "MemTable", None)
# Files of four times the size are merged with one another, those of 1.6 GB and more only when there are 32 of them.
BOUNDARIES = [1_000_000, 10_000_000, 100_000_000, 400_000_000, 1_600_000_000]
_PLACE = "\0place"  # column of the row's number in the files that are merged

_merging = local()  # .key: the name of the primary key; .tables: the files that this thread is merging


def _compact(self: Any, *which: Any) -> None:
    _merging.key, _merging.tables = self._pk_name, []
    try:
        _compact_whole(self, *which)
    finally:
        _merging.key, _merging.tables = None, []


def _read(path: str) -> Any:
    """Return keys and numbers of a file that is merged: all that the engine needs to choose among its rows."""
    table, before = lite_texts.opened(path), sum(each.num_rows for each in _merging.tables)
    _merging.tables.append(table)
    places = pa.array(range(before, before + table.num_rows), pa.int64())
    return pa.table({_merging.key: table.column(_merging.key), "_seq": table.column("_seq"), _PLACE: places})


def _write_merged(table: Any, folder: str, seq_min: int, seq_max: int) -> str:
    rows = lite_texts.picked(pa.concat_tables(_merging.tables), table.column(_PLACE).to_pylist())
    return _write(rows, folder, seq_min, seq_max)


def _write(table: Any, folder: str, seq_min: int, seq_max: int) -> str:
    """Write a data file; returns its path in the folder."""
    name = DATA_FILE_TEMPLATE.format(min=seq_min, max=seq_max, w=SEQ_FORMAT_WIDTH)
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)  # noqa: PTH103, PTH118 (the engine's paths are texts)
    lite_texts.write(table, os.path.join(folder, "data", name))  # noqa: PTH118 (likewise)
    return f"data/{name}"


def _rows_in_memory(self: Any, rows: Sequence[tuple[int, int]]) -> Any:
    """Return these rows, each named by its batch and its place there."""
    batches = self._insert_batches
    starts = [0]
    for batch in batches:
        starts.append(starts[-1] + batch.num_rows)
    schema = self._data_schema
    table = pa.Table.from_batches(batches).select(schema.names)
    return lite_texts.picked(table, [starts[batch] + row for batch, row in rows]).cast(schema)


def _index(self: Any, spec: Any, folder: str) -> None:
    """Load or build a segment's index. That for exact search has a copy of all vectors: one of the two is enough."""
    _index_whole(self, spec, folder)
    index = self.indexes.get(spec.field_name)
    if isinstance(index, BruteForceIndex):
        vectors = self.vector_data(spec.field_name)[0]
        if np.array_equal(getattr(index, "_vectors", np.zeros(0)), vectors):
            index._vectors = vectors  # noqa: SLF001 (a patch)


def apply_patch() -> None:
    """Patch Milvus Lite in this process. Can be repeated."""
    patched = (
        (segment, "read_data_file", lite_texts.read),
        (compaction, "read_data_file", _read),
        (compaction, "write_data_file", _write_merged),
        (compaction, "COMPACTION_BUCKET_BOUNDARIES", BOUNDARIES),
        (flush, "write_data_file", _write),
        (_MANAGER, "_compact_files", _compact),
        (segment.Segment, "build_or_load_index", _index),
        (_MEMORY, "_build_data_table", _rows_in_memory),
    )
    if all(hasattr(where, name) for where, name, _ in patched):
        for where, name, ours in patched:
            setattr(where, name, ours)
