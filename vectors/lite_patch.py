"""A patch of Milvus Lite (3.2): a search or query reads only the fields that it needs, not whole rows.

For every hit, its engine converts the whole row to Python objects, with vector and keypoints, then keeps only the
label, and goes through the whole schema for each field. For the 50 nearest references of 64 images the conversion took
more than half of the search, 60 of 109 ms, and the schema a third of the rest. To count rows for which a condition
holds, it converted them all: 615 ms for 4,000 of 8,000 rows with keypoints.

A query with a condition looks only at the rows for which the condition holds. The engine looks, row by row in Python,
for the newest version of every row of the collection first: in a set of 1,000,000 hashes that took 5 s for each query.
"""

from collections.abc import Iterable, Mapping, Sequence
from threading import local
from typing import Any, NamedTuple

import numpy as np
from milvus_lite.adapter.grpc import servicer
from milvus_lite.engine import collection
from milvus_lite.search import filter as filters
from milvus_lite.search import indexed_filter

from vectors import lite_search, lite_texts
from vectors.index import SCORES_EXACTLY

# These functions are not public. A version of Milvus Lite without them is not patched.
_search_whole: Any = getattr(collection, "execute_search_with_index", None)
_assemble_whole: Any = getattr(collection, "assemble_candidates", None)
_query_whole: Any = getattr(collection.Collection, "query", None)
_get_whole: Any = getattr(collection.Collection, "get", None)
_holds_in_file: Any = getattr(indexed_filter, "evaluate_segment_filter", None)
_holds_in_memory: Any = getattr(filters, "evaluate_mask", None)
_version: Any = getattr(servicer, "get_version", None)
_OMITTED = object()
_ROWS_AND_COLUMNS = 2

_asked = local()  # .fields: the fields of the query that this thread is answering


class _Narrow:
    """A segment (the rows of one file) that reads only some fields of its rows. All else is as in the segment."""

    def __init__(self, segment: Any, fields: Iterable[str]) -> None:
        self._segment = segment
        self._columns = [(name, segment.table.column(name)) for name in segment.table.schema.names if name in fields]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segment, name)

    def row_to_dict(self, row: int) -> dict[str, Any]:
        """Return a row; the engine calls this."""
        return {name: column[row].as_py() for name, column in self._columns}


class _NarrowMemory:
    """The rows that are not in a file yet, with only some of their fields."""

    def __init__(self, memory: Any, fields: Iterable[str]) -> None:
        self._memory = memory
        self._fields = set(fields)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)

    def materialize_row(self, batch: int, row: int) -> dict[str, Any]:
        """Return a row; the engine calls this."""
        rows = self._memory._insert_batches[batch]  # noqa: SLF001 (a patch; batches are only ever appended)
        return {name: rows.column(name)[row].as_py() for name in rows.schema.names if name in self._fields}

    def get(self, key: Any, partition_filter: Any = None) -> dict[str, Any] | None:
        """Return the row with this key; the engine calls this."""
        place = None if partition_filter else getattr(self._memory, "_pk_index", {}).get(key)
        if place is None:
            whole: dict[str, Any] | None = self._memory.get(key, partition_filter=partition_filter)
            return whole
        return self.materialize_row(*place[:2])


class _NarrowCollection:
    """A collection of which the rows have only some of their fields."""

    def __init__(self, whole: Any, fields: Iterable[str]) -> None:
        self._whole = whole
        self._fields = set(fields)
        self._memtable = _NarrowMemory(whole._memtable, fields)  # noqa: SLF001

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def _read_snapshot(self) -> tuple[list[_Narrow], Any]:
        segments, deleted = self._whole._read_snapshot()  # noqa: SLF001
        return [_Narrow(segment, self._fields) for segment in segments], deleted


def _search(*, segments: Iterable[Any], output_fields: list[str] | None, **others: Any) -> Any:
    files = list(segments)
    if output_fields is None or not _is_plain(files, output_fields, others):
        return _search_whole(segments=files, output_fields=output_fields, **others)
    rows = lite_search.Collection(
        files,
        others["memtable"],
        others["delta_index"].snapshot,
        others["vector_field"],
        others.get("compiled_filter"),
        others.get("indexed_filter_plan"),
    )
    fields = [name for name in output_fields if name != others["pk_field"]]
    queries = np.asarray(others["query_vectors"], np.float32)
    return lite_search.search(queries, rows, others["top_k"], fields, others.get("search_params"))


def _is_plain(segments: Iterable[Any], fields: Iterable[str], others: Mapping[str, Any]) -> bool:
    """Return whether a search needs nothing but cosines of all rows, and fields of the schema."""
    columns = [set(segment.table.schema.names) for segment in segments]
    return (
        others["metric_type"] == "COSINE"
        and others["query_vectors"].ndim == _ROWS_AND_COLUMNS
        and not others.get("partition_names")
        and all("$meta" not in names and names.issuperset(fields) for names in columns)
        and all(segment.vector_data(others["vector_field"])[1] is None for segment in segments)
    )


class _Holding(NamedTuple):
    """Rows of one segment, or of the memory, for which a condition holds and of which there is no newer row."""

    source: Any
    places: list[Any]  # as the engine names the rows
    keys: list[Any]
    numbers: Any  # of the writes; a higher one is newer


def _query(self: Any, expr: str | None = None, output_fields: Any = _OMITTED, **others: Any) -> Any:
    """Answer a query. The engine omits `output_fields` only when it counts; None or "*" asks for whole rows."""
    if output_fields is _OMITTED and expr and _holds_in_file and _holds_in_memory:
        return [None] * _count(self, expr, others)
    fields = [self._pk_name] if output_fields is _OMITTED else output_fields
    _asked.fields = None if fields is None or "*" in fields else {*fields, self._pk_name}
    try:
        rows = _query_whole(self, expr, output_fields=fields, **others)
        lite_texts.give_back(rows)
        return rows
    finally:
        _asked.fields = None


def _get(self: Any, pks: list[Any], *options: Any, output_fields: Any = None, **others: Any) -> Any:
    """Return the rows with these keys."""
    narrow = output_fields is not None and "*" not in output_fields and not others.get("expr") and not options
    of = _NarrowCollection(self, {*output_fields, self._pk_name, "$meta"}) if narrow else self
    rows = _get_whole(of, pks, *options, output_fields=output_fields, **others)
    lite_texts.give_back(rows)
    return rows


def _count(self: Any, expr: str, others: Mapping[str, Any]) -> int:
    """Return the number of rows for which a condition holds."""
    self._require_loaded()
    compiled = self._compile_filter(expr, timezone=others.get("timezone"))
    segments, deleted = self._read_snapshot()
    plan, parts = self._indexed_filter_plan(compiled), others.get("partition_names")
    gone = dict(deleted.snapshot)  # key → number of the write that deleted it, in files and in memory
    for key, (number, *_) in self._memtable.delete_index_snapshot().items():
        gone[key] = max(number, gone.get(key, -1))
    count = 0
    for one in _holding(segments, self._memtable, compiled, plan, parts):
        possible = set(one.keys) & gone.keys()
        pairs = zip(one.keys, one.numbers, strict=True) if possible else ()
        count += len(one.keys) - sum(key in possible and gone[key] > int(number) for key, number in pairs)
    return count


def _assemble(*, segments: Iterable[Any], memtable: Any, **others: Any) -> Any:
    fields = getattr(_asked, "fields", None)
    if fields is None:
        return _assemble_whole(segments=segments, memtable=memtable, **others)
    fields = {*fields, "$meta"}
    compiled = others.get("filter_compiled")
    if compiled is None or not _holds_in_file or not _holds_in_memory:
        others["vector_field"] = None  # a query does not compare vectors
        narrow = [_Narrow(segment, fields) for segment in segments]
        return _assemble_whole(segments=narrow, memtable=_NarrowMemory(memtable, fields), **others)
    plan, parts = others.get("indexed_filter_plan"), others.get("partition_names")
    held = _holding(list(segments), memtable, compiled, plan, parts)
    keys = [key for one in held for key in one.keys]
    numbers = np.concatenate([np.zeros(0, np.uint64), *(one.numbers for one in held)])
    sources: list[tuple[Any, Any]] = []
    for one in held:
        source = _NarrowMemory(memtable, fields) if one.source is memtable else _Narrow(one.source, fields)
        sources += [(source, place) for place in one.places]
    return keys, numbers, np.zeros((len(keys), 0), np.float32), sources, np.ones(len(keys), np.bool_)


def _holding(
    segments: Sequence[Any], memtable: Any, compiled: Any, plan: Any, parts: Sequence[str] | None
) -> list[_Holding]:
    """Return the rows for which the condition holds. A row may have older versions, for which it held or did not."""
    in_memory, numbers, _, places, table = memtable.to_search_snapshot(
        vector_field=None, partition_names=parts, include_table=True
    )
    segments = [one for one in segments if one.num_rows and (not parts or one.partition in parts)]
    newest, found = set(in_memory), []
    for segment in segments:
        rows = np.flatnonzero(_holds_in_file(segment, compiled, plan)).tolist()
        old = _outdated(segment, {segment.pks[row] for row in rows}, segments, newest)
        rows = [row for row in rows if segment.pks[row] not in old] if old else rows
        found.append(_Holding(segment, rows, [segment.pks[row] for row in rows], segment.seqs[rows]))
    if in_memory:
        rows = np.flatnonzero(_holds_in_memory(compiled, table)).tolist()
        keys = [in_memory[row] for row in rows]
        found.append(_Holding(memtable, [places[row] for row in rows], keys, numbers[rows]))
    return found


def _outdated(segment: Any, keys: set[Any], segments: Sequence[Any], newest: set[Any]) -> set[Any]:
    """Return those of the segment's keys of which a newer row is in another segment or in memory."""
    old = keys & newest
    for other in segments:
        if other is not segment:
            rows, others = segment.pk_to_row, other.pk_to_row
            old |= {key for key in keys & others.keys() if other.seqs[others[key]] > segment.seqs[rows[key]]}
    return old


def apply_patch() -> None:
    """Patch Milvus Lite in this process. Can be repeated."""
    if _search_whole is not None and lite_search.fits():
        collection.execute_search_with_index = _search
        if _version is not None:
            servicer.get_version = lambda: _version() + SCORES_EXACTLY
    if _assemble_whole is not None and _query_whole is not None:
        collection.assemble_candidates = _assemble
        collection.Collection.query = _query
    if _get_whole is not None and hasattr(collection.Collection, "_read_snapshot"):
        collection.Collection.get = _get
