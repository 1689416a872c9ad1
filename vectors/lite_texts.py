"""Long texts of Milvus Lite's files, such as references' features, stay on the disk: they are mapped into memory.

Its engine keeps each data file in memory as a whole. 100,000 references with 23 KB of features each took 4.5 GB. Here
the columns with long texts of a Parquet file are written once more, as an Arrow file, whose pages the kernel reads when
they are needed and drops when memory is short. The Arrow file can be derived at any time: it names the Parquet file
that it was made of, and is made again when it is missing, damaged or of another file.
"""

import hashlib
import logging
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import pyarrow as pa
import pyarrow.parquet as pq

log = logging.getLogger(__name__)

FOLDER = "texts"  # beside the folder of the Parquet files, from which the engine removes all that it does not know
LONG = 1024  # bytes that the texts of a column have on average, from which on they are left on the disk
PART_BYTES = 32 * 1024 * 1024  # what is written at a time
_PART_ROWS = 1000  # rows of long texts that are read at a time: at most 64 MB
_MADE_OF = b"made_of"
_FOOTER = 8  # bytes at the end of a Parquet file: length of its metadata, and a mark

_MAPPED_BYTES = 32 * 1024 * 1024  # that are read before the pages are given back; they stay in the kernel's cache

_maps: "WeakSet[mmap.mmap]" = WeakSet()
_read_since = [0]  # bytes, since pages were given back
_loaded: "WeakValueDictionary[str, Any]" = WeakValueDictionary()  # path → table, of the files that the engine has open


def read(path: str) -> Any:
    """Return the rows of a data file as a table of which the long texts are not in memory."""
    # What was a file of this name before, of a collection that was dropped and made again, may still be in use.
    _loaded.pop(path, None)
    with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
        names, long = file.schema_arrow.names, _long(file)
    if not long:
        return pq.read_table(path)
    try:
        texts = _texts(Path(path), long)
    except (OSError, pa.ArrowException) as error:
        log.warning("the features in %s stay in memory (%s)", path, error)
        return pq.read_table(path)
    # In one piece, or the engine would copy the vectors.
    others = pq.read_table(path, columns=[name for name in names if name not in long]).combine_chunks()
    columns = {name: (texts if name in long else others).column(name) for name in names}
    table = _loaded[path] = pa.table(columns, schema=pq.read_schema(path).remove_metadata())
    del others
    pa.default_memory_pool().release_unused()  # what was copied; Arrow would keep it
    return table


def opened(path: str) -> Any:
    """Return the same as `read`; if the engine has the file open, it is not read again."""
    table = _loaded.get(path)
    return read(path) if table is None else table


def write(table: Any, path: str) -> None:
    """Write a data file, a part of the rows at a time. Long texts are compressed by more than the engine would."""
    kinds = {field.name: field.type for field in table.schema}
    texts = [name for name, kind in kinds.items() if pa.types.is_string(kind) or pa.types.is_binary(kind)]
    long = [name for name in texts if table.column(name).nbytes >= LONG * table.num_rows]
    options = {
        "compression": {name: "zstd" if name in long else "snappy" for name in kinds},
        "use_dictionary": [name for name in texts if name not in long],
        "write_statistics": [name for name in kinds if name not in long],
    }
    rows = max(1, PART_BYTES * table.num_rows // max(1, table.nbytes))
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        for start in range(0, table.num_rows, rows):
            writer.write_table(table.slice(start, rows))


def give_back(rows: Sequence[Mapping[str, Any]]) -> None:
    """Note that these rows were read. Now and then the pages that were are given back, or all would count as ours."""
    long = [name for name, value in rows[0].items() if isinstance(value, str) and len(value) >= LONG] if rows else []
    _read_since[0] += sum(len(row[name]) for row in rows for name in long)
    if _read_since[0] >= _MAPPED_BYTES and hasattr(mmap, "MADV_DONTNEED"):
        _read_since[0] = 0
        for each in list(_maps):
            each.madvise(mmap.MADV_DONTNEED)
        pa.default_memory_pool().release_unused()


def picked(table: Any, places: Sequence[int]) -> Any:
    """Return the rows at these places, without copying them. Arrow's `take` would copy all texts of the table first."""
    parts = [table.slice(start, size) for start, size in _runs(places)]
    return pa.concat_tables(parts) if parts else table.slice(0, 0)


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first place and length of runs of consecutive places."""
    start = size = 0
    for place in places:
        if size and place == start + size:
            size += 1
            continue
        if size:
            yield start, size
        start, size = place, 1
    if size:
        yield start, size


def _long(file: Any) -> list[str]:
    """Return the names of the columns with long texts."""
    schema, metadata = file.schema_arrow, file.metadata
    sizes: dict[str, int] = {}
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            sizes[column.path_in_schema] = sizes.get(column.path_in_schema, 0) + column.total_uncompressed_size
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    return [name for name in texts if metadata.num_rows and sizes.get(name, 0) >= LONG * metadata.num_rows]


def _texts(path: Path, long: Sequence[str]) -> Any:
    """Return the columns with long texts, mapped into memory."""
    beside, made_of = path.parent.parent / FOLDER / f"{path.stem}.arrow", _mark(path)
    table = _mapped(beside, made_of, long)
    if table is None:
        _remove_others(beside.parent, path.parent)
        _write(path, beside, made_of, long)
        table = _mapped(beside, made_of, long)
    if table is None:
        raise OSError(f"{beside} cannot be read back")
    return table


def _mapped(beside: Path, made_of: bytes, long: Sequence[str]) -> Any:
    """Return the table in a file; None if there is none, or it is damaged or made of another file."""
    try:
        with beside.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_RANDOM"):
            memory.madvise(mmap.MADV_RANDOM)  # a row is read, not its neighbours
        _maps.add(memory)
        reader = pa.ipc.open_file(pa.py_buffer(memory))
        table = reader.read_all()
    except (OSError, ValueError, pa.ArrowException):
        return None
    fits = (reader.schema.metadata or {}).get(_MADE_OF) == made_of and table.schema.names == list(long)
    return table if fits else None


def _mark(path: Path) -> bytes:
    """Return what tells a Parquet file from others: a digest of its metadata, which has sizes and least values."""
    with path.open("rb") as file:
        size = file.seek(-_FOOTER, os.SEEK_END) + _FOOTER
        length = int.from_bytes(file.read(4), "little") + _FOOTER
        file.seek(-min(size, length), os.SEEK_END)
        return hashlib.sha256(str(size).encode() + file.read()).hexdigest().encode()


def _write(path: Path, beside: Path, made_of: bytes, long: Sequence[str]) -> None:
    beside.parent.mkdir(exist_ok=True)
    unfinished = beside.with_suffix(".unfinished")
    try:
        with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as source, unfinished.open("wb") as file:
            schema = pa.schema([source.schema_arrow.field(name) for name in long], metadata={_MADE_OF: made_of})
            with pa.ipc.new_file(file, schema) as writer:
                for batch in source.iter_batches(_PART_ROWS, columns=list(long), use_threads=False):
                    writer.write_batch(pa.record_batch([batch.column(name) for name in long], schema=schema))
            file.flush()
            os.fsync(file.fileno())  # else a file of the right size with wrong pages could be there after a power cut
        unfinished.replace(beside)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _remove_others(folder: Path, sources: Path) -> None:
    """Remove files whose Parquet file is gone, and unfinished ones. Who has them mapped can go on reading them."""
    for each in folder.glob("*") if folder.is_dir() else ():
        if each.suffix != ".arrow" or not (sources / f"{each.stem}.parquet").exists():
            each.unlink(missing_ok=True)
