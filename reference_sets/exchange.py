"""A set as a Parquet file that other tools read too (pandas, FAISS, Qdrant, pgvector, LanceDB …).

Columns: `id`, `label` (text), `vector` (float32 of fixed length, unit length, so inner product is cosine), `features`.
The set's description is JSON in the file's metadata under `vigilens.set`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from reference_sets.errors import StoreError, UnknownSet
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from reference_sets.store import Store

DESCRIPTION = b"vigilens.set"
GROUP = 1000  # rows in memory at a time


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: the set as it is now, whether it was made, and how many rows the file had."""

    set: ReferenceSet
    made: bool
    rows: int


def write(store: Store, name: str, file: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """Write a set to a file; returns the number of its references.

    The file appears when it is whole. `progress` is told how many more rows are written.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 (0.2 s)

    described = store.describe(name)
    schema = _schema(described)
    part = file.with_name(f".{file.name}.part")
    rows = 0
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            references = store.references(name)
            while group := list(islice(references, GROUP)):
                writer.write_table(_table(group, schema))
                rows += len(group)
                progress(len(group))
        part.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def describe(file: Path) -> ReferenceSet:
    """The set that a file holds, and checks of its columns.

    Raises:
        StoreError: it is not a Parquet file with a set in it.
    """
    return _described(file, _open(file))


def read(
    store: Store, file: Path, *, name: str = "", fingerprint: str, progress: Callable[[int], None] = lambda _: None
) -> Imported:
    """Make a set of a file, or add the file's references to a set that is there (which keeps its own thresholds).

    Can be interrupted and run again: a reference is replaced by itself.

    Args:
        store: where the set will be.
        file: as `write` made it.
        name: of the set; empty: the name in the file.
        fingerprint: of the encoder in use.
        progress: told how many more rows are in.

    Raises:
        StoreError: the file's vectors are of another encoder than the one in use or the set's, or the file is damaged.
    """
    source = _open(file)
    described = _described(file, source)
    described = replace(described, name=name or described.name, version=1)
    _same(file, described.encoder, fingerprint, "the encoder in use is")
    made = _ready(store, file, described)
    rows = 0
    for group in _groups(file, source, described.dimension):
        store.upsert(described.name, group)
        rows += len(group)
        progress(len(group))
    if rows:
        store.flush(described.name)
    return Imported(store.describe(described.name), made, rows)


def count(file: Path) -> int:
    """Rows of a file, from its footer."""
    return int(_open(file).metadata.num_rows)


def _ready(store: Store, file: Path, described: ReferenceSet) -> bool:
    """See that there is a fitting set; True if it had to be made."""
    try:
        there = store.describe(described.name)
    except UnknownSet:
        store.create(described)
        return True
    _same(file, described.encoder, there.encoder, f"the set {there.name} was made by")
    return False


def _same(file: Path, theirs: str, ours: str, who: str) -> None:
    if theirs != ours:
        raise StoreError(
            f"the vectors in {file} were made by the encoder {theirs}, {who} {ours}: they cannot be compared; "
            "use that encoder, or gather the pictures again with `vigilens sets add`"
        )


def _schema(described: ReferenceSet) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("vector", pa.list_(pa.float32(), described.dimension), nullable=False),
        pa.field("features", pa.binary(), nullable=False),
    ]
    return pa.schema(columns, metadata={DESCRIPTION: json.dumps(asdict(described), ensure_ascii=False)})


def _table(group: list[Reference], schema: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    flat = np.asarray([known.vector for known in group], dtype=np.float32).ravel()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), type=schema.field("vector").type)
    ids, labels = [known.id for known in group], [known.label for known in group]
    return pa.table([ids, labels, vectors, [known.features for known in group]], schema=schema)


def _open(file: Path) -> Any:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.ParquetFile(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise StoreError(f"{file} is not a Parquet file: {error}") from error


def _described(file: Path, source: Any) -> ReferenceSet:
    schema = source.schema_arrow
    missing = {"id", "label", "vector", "features"} - set(schema.names)
    text = (schema.metadata or {}).get(DESCRIPTION)
    if missing or text is None:
        what = f"the columns {', '.join(sorted(missing))}" if missing else "the set's description in its metadata"
        raise StoreError(f"{file} is not a set exported by `vigilens sets export`: it lacks {what}")
    try:
        facts = json.loads(text)
        facts["kind"] = Kind(facts["kind"])
        facts["thresholds"] = Thresholds(**facts["thresholds"])
        facts["probe"] = tuple(map(float, facts["probe"]))
        return ReferenceSet(**facts)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"the description of the set in {file} is damaged ({error}); export it again") from error


def _groups(file: Path, source: Any, dimension: int) -> Iterator[list[Reference]]:
    import pyarrow as pa  # noqa: PLC0415

    columns = ["id", "label", "vector", "features"]
    target = pa.schema(
        [("id", pa.string()), ("label", pa.string()), ("vector", pa.list_(pa.float32())), ("features", pa.binary())]
    )
    try:
        for batch in source.iter_batches(batch_size=GROUP, columns=columns):
            table = pa.Table.from_batches([batch]).select(columns).cast(target)
            if any(column.null_count for column in table.columns):
                raise StoreError(f"{file} has rows without id, label, vector or features; export it again")
            yield [
                Reference(row["id"], row["label"], tuple(row["vector"]), row["features"]) for row in table.to_pylist()
            ]
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{file} is damaged, or its vectors are not of {dimension} values: {error}") from error
