"""A search of Milvus Lite: exact scores, and no Python for each row of the collection.

Milvus Lite 3.2 goes through all rows in Python before each search, to leave out those of which there is a newer
version, copies all vectors, and divides them by their lengths. Here the rows to leave out are remembered until the
files of the collection change, and the vectors are multiplied in place: 12 ms for one query of 100,000 rows, not 132.
Files that are searched often get bounds (bounds.py), with which most rows need not be compared in full.

Of an approximate index only the choice of rows is used, a few more than were asked for. Their scores are computed from
the stored vectors, so a score is exact whatever the index is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from milvus_lite.search.filter import evaluate_mask
from milvus_lite.search.indexed_filter import evaluate_segment_filter
from milvus_lite.storage.delta_index import DeltaIndex
from milvus_lite.storage.memtable import MemTable
from milvus_lite.storage.segment import Segment
from numpy.typing import NDArray

from vectors.bounds import Bounds, Floats, Found, Rows, best, bounds_of, nothing, pairs_of, with_pairs, worst_of

# Rows that are compared with all queries at once, at first and at most: the best of the first ones tell which of the
# next need a closer look. 32,768 rows and 160 queries make 20 MB.
_FIRST, _MOST = 4096, 32_768
_MORE = 16  # rows beyond those asked for: an index with one byte for each value confuses close neighbours
# Bounds of 100,000 vectors take as long to make as they save in 160 queries.
_LARGE, _OFTEN = 8192, 500
_EXACT = ("BRUTE_FORCE", "FLAT")


class _Prepared(NamedTuple):
    """What is remembered of a collection until its files change."""

    segments: tuple[Any, ...]
    outdated: dict[int, Rows]  # number of a segment → its rows of which another segment has a newer version
    lengths: dict[int, Floats]  # number of a segment → lengths of its vectors, if they are not all 1
    bounds: dict[int, Bounds | None]  # number of a segment → see there; None: they would not help
    asked: list[int]  # queries so far


# The engine has one of these for the rows of a collection that are in no file yet, and makes a new one at each flush.
_known: "WeakKeyDictionary[Any, _Prepared]" = WeakKeyDictionary()


class Collection(NamedTuple):
    """The rows to search, as the engine has them.

    Attributes:
        segments: its files.
        memtable: the rows that are in no file yet.
        deleted: key → number of the write that deleted it.
        field: name of the field with the vectors.
        condition: a compiled filter; None: all rows.
        plan: how the engine's scalar indexes answer it.
    """

    segments: Sequence[Any]
    memtable: Any
    deleted: Mapping[Any, int]
    field: str
    condition: Any = None
    plan: Any = None


class Source(NamedTuple):
    """Rows of one file, or those in memory.

    Attributes:
        keys: of the rows.
        vectors: (rows, dimension).
        lengths: of the vectors; None: all are 1.
        bounds: of the cosines; None: all vectors are compared.
        hidden: rows that must not be found; None: all may.
        index: of the engine; None: the vectors are compared one by one.
        read: returns some fields of some rows.
    """

    keys: Sequence[Any]
    vectors: Floats
    lengths: Floats | None
    bounds: Bounds | None
    hidden: NDArray[np.bool_] | None
    index: Any
    read: Callable[[Rows, Sequence[str]], list[dict[str, Any]]]


def fits() -> bool:
    """Return whether this version of Milvus Lite has the parts that are used here; they are not public."""
    of_segment, of_memory = {"vector_data"}, {"to_search_snapshot", "delete_index_snapshot"}
    slots = {"pks", "seqs", "table", "pk_to_row", "indexes"}
    return (
        of_segment <= set(dir(Segment))
        and slots <= set(getattr(Segment, "__slots__", ()))
        and of_memory <= set(dir(MemTable))
        and hasattr(DeltaIndex, "snapshot")
    )


def search(
    queries: Floats, rows: Collection, top_k: int, fields: Sequence[str], params: Mapping[str, Any] | None = None
) -> list[list[dict[str, Any]]]:
    """Return the rows nearest to each query by cosine, nearest first, as the engine's own search does.

    Args:
        queries: (n, dimension).
        rows: of the collection.
        top_k: the most rows for each query.
        fields: what is returned of a row.
        params: for approximate indexes.

    Returns:
        n lists of `id`, `distance` (1 - cosine) and `entity`.
    """
    sources = list(_sources(rows, len(queries)))
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    unit = np.ascontiguousarray(queries / np.where(lengths == 0, 1, lengths), np.float32)
    found = nothing(len(queries))
    for one in sources:
        found = _nearest(unit, one, found, top_k, params or {})
    return _hits(found, sources, fields)


def _sources(rows: Collection, queries: int) -> Iterator[Source]:
    segments = tuple(one for one in rows.segments if one.num_rows)
    prepared = _prepare(segments, rows.memtable, rows.field)
    prepared.asked[0] += queries
    memory = _in_memory(rows)
    gone = dict(rows.deleted)
    for key, (number, *_) in rows.memtable.delete_index_snapshot().items():
        gone[key] = max(number, gone.get(key, -1))
    for number, segment in enumerate(segments):
        hidden = _hidden(segment, prepared.outdated[number], memory.keys, gone)
        if rows.condition is not None:
            holds = np.asarray(evaluate_segment_filter(segment, rows.condition, rows.plan), np.bool_)
            hidden = ~holds if hidden is None else hidden | ~holds
        vectors, _ = segment.vector_data(rows.field)
        index = segment.indexes.get(rows.field)
        index = None if index is None or index.index_type in _EXACT else index
        lengths = prepared.lengths.get(number)
        bounds = _bounds(prepared, number, vectors) if index is None and lengths is None else None
        yield Source(segment.pks, vectors, lengths, bounds, hidden, index, _reader(segment.table))
    if memory.keys:
        yield memory


def _prepare(segments: tuple[Any, ...], memtable: Any, field: str) -> _Prepared:
    known = _known.get(memtable)
    if known is None or len(known.segments) != len(segments) or any(map(_differ, known.segments, segments)):
        lengths = {}
        for number, segment in enumerate(segments):
            of_segment = np.linalg.norm(segment.vector_data(field)[0], axis=1)
            if np.abs(of_segment - 1).max() > 1e-6:  # noqa: PLR2004 (the rounding of a float32)
                lengths[number] = np.where(of_segment == 0, 1, of_segment).astype(np.float32)
        known = _known[memtable] = _Prepared(segments, _outdated(segments), lengths, {}, [0])
    return known


def _bounds(prepared: _Prepared, number: int, vectors: Floats) -> Bounds | None:
    """Return the bounds of a file, once it is searched so often that they save more time than they take."""
    if number not in prepared.bounds and (len(vectors) < _LARGE or prepared.asked[0] < _OFTEN):
        return None
    if number not in prepared.bounds:
        prepared.bounds[number] = bounds_of(vectors)
    return prepared.bounds[number]


def _differ(one: Any, other: Any) -> bool:
    return one is not other


def _outdated(segments: Sequence[Any]) -> dict[int, Rows]:
    """Return for each segment the rows of which another segment has a newer version."""
    rows: dict[int, list[int]] = {number: [] for number in range(len(segments))}
    if len(segments) > 1:
        newest: dict[Any, tuple[int, int, int]] = {}  # key → number of the write, segment, row
        for number, segment in enumerate(segments):
            for key in newest.keys() & segment.pk_to_row.keys():
                row = segment.pk_to_row[key]
                write = int(segment.seqs[row])
                last = newest[key]
                if write > last[0]:
                    rows[last[1]].append(last[2])
                else:
                    rows[number].append(row)
            for row, (key, write) in enumerate(zip(segment.pks, segment.seqs.tolist(), strict=True)):
                if key not in newest or write > newest[key][0]:
                    newest[key] = (write, number, row)
    return {number: np.array(some, np.intp) for number, some in rows.items()}


def _hidden(segment: Any, outdated: Rows, newer: Sequence[Any], gone: Mapping[Any, int]) -> NDArray[np.bool_] | None:
    """Return which rows of a file have newer versions or are deleted; None: none."""
    rows = segment.pk_to_row
    in_memory = [rows[key] for key in newer if key in rows]
    deleted = [rows[key] for key in gone.keys() & rows.keys() if gone[key] > int(segment.seqs[rows[key]])]
    if not (len(outdated) or in_memory or deleted):
        return None
    hidden = np.zeros(segment.num_rows, np.bool_)
    for some in (outdated, in_memory, deleted):
        hidden[some] = True
    return hidden


def _in_memory(all_rows: Collection) -> Source:
    """Return the rows that are in no file yet."""
    memtable, condition = all_rows.memtable, all_rows.condition
    keys, _, vectors, places, table = memtable.to_search_snapshot(
        vector_field=all_rows.field, partition_names=None, include_table=condition is not None
    )
    hidden = None if condition is None or not keys else ~np.asarray(evaluate_mask(condition, table), np.bool_)

    def read(rows: Rows, fields: Sequence[str]) -> list[dict[str, Any]]:
        batches = memtable._insert_batches  # noqa: SLF001 (a patch; batches are only ever appended)
        found = []
        for batch, row in (places[row] for row in rows):
            found.append({name: batches[batch].column(name)[row].as_py() for name in fields})
        return found

    lengths = np.linalg.norm(vectors, axis=1) if keys else np.zeros(0)
    return Source(keys, vectors, np.where(lengths == 0, 1, lengths).astype(np.float32), None, hidden, None, read)


def _reader(table: Any) -> Callable[[Rows, Sequence[str]], list[dict[str, Any]]]:
    def read(rows: Rows, fields: Sequence[str]) -> list[dict[str, Any]]:
        if not fields:
            return [{} for _ in rows]
        columns = [table.column(name).take(rows).to_pylist() for name in fields]
        return [dict(zip(fields, values, strict=True)) for values in zip(*columns, strict=True)]

    return read


def _nearest(queries: Floats, source: Source, so_far: Found, top_k: int, params: Mapping[str, Any]) -> Found:
    """Return the nearest of a source and of those before it."""
    if source.bounds is not None:
        return source.bounds.nearest(queries, source.vectors, source.hidden, so_far, top_k)
    if source.index is None:
        return _all_compared(queries, source, so_far, top_k)
    valid = None if source.hidden is None else ~source.hidden
    more = min(top_k + _MORE, source.index.num_vectors)
    rows, _ = source.index.search(queries, more, valid_mask=valid, params=dict(params))
    chosen = source.vectors[np.maximum(rows, 0)]
    cosines = np.matmul(chosen, queries[:, :, None])[:, :, 0]
    if source.lengths is not None:
        cosines = cosines / source.lengths[np.maximum(rows, 0)]
    scores = np.concatenate([so_far.scores, np.where(rows < 0, -np.inf, cosines).astype(np.float32)], axis=1)
    both = best(scores, np.concatenate([so_far.rows, rows.astype(np.intp) + so_far.seen], axis=1), top_k)
    return Found(*both, so_far.seen + len(source.vectors))


def _all_compared(queries: Floats, source: Source, so_far: Found, top_k: int) -> Found:
    scores, rows, seen = so_far
    start, size = 0, max(_FIRST, top_k)
    while start < len(source.vectors):
        end = min(start + size, len(source.vectors))
        some = _compared(queries, source, slice(start, end))
        if scores.shape[1] < top_k:
            numbers = np.broadcast_to(np.arange(seen + start, seen + end), some.shape)
            scores, rows = best(np.concatenate([scores, some], 1), np.concatenate([rows, numbers], 1), top_k)
        else:
            query, row = pairs_of(some > worst_of(scores, top_k))
            scores, rows = with_pairs(scores, rows, (query, row, some[query, row]), seen + start, top_k)
        start, size = end, min(2 * size, _MOST)
    return Found(scores, rows, seen + len(source.vectors))


def _compared(queries: Floats, source: Source, part: slice) -> Floats:
    scores = queries @ source.vectors[part].T
    if source.lengths is not None:
        scores /= source.lengths[part]
    if source.hidden is not None:
        scores[:, source.hidden[part]] = -np.inf
    return scores


def _hits(found: Found, sources: Sequence[Source], fields: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return what the engine's search returns."""
    scores, rows, _ = found
    there = scores > -np.inf
    ends = np.cumsum([len(one.keys) for one in sources])
    hits: dict[int, tuple[Any, dict[str, Any]]] = {}
    wanted = np.unique(rows[there])
    for one, end in zip(sources, ends.tolist(), strict=True):
        first = end - len(one.keys)
        own = wanted[(wanted >= first) & (wanted < end)] - first
        read = zip(own.tolist(), one.read(own, fields), strict=True)
        hits |= {first + row: (one.keys[row], entity) for row, entity in read}
    cosines = np.maximum(1 - scores.astype(np.float64), 0)
    return [
        [
            {"id": hits[row][0], "distance": distance, "entity": hits[row][1]}
            for row, distance in zip(rows[query, kept].tolist(), cosines[query, kept].tolist(), strict=True)
        ]
        for query, kept in enumerate(there)
    ]
