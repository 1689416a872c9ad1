"""A set as a Parquet file that other tools read too (pandas, FAISS, Qdrant, pgvector, LanceDB …).

Columns: `id`, `label` (text), `vector` (float32 of fixed length, unit length, so inner product is cosine), `features`
(bytes), and `mirror_vector` and `mirror_features`, which are null in sets that store no mirror images. The set's
description is JSON in the file's metadata under `vigilens.set`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from reference_sets.model import CheckThresholds, Kind, Mirrored, Reference, ReferenceSet, Seen, Thresholds, Verify
from reference_sets.store import Store
from vectors.errors import StoreError, UnknownSet

DESCRIPTION = b"vigilens.set"
GROUP = 1000  # rows in memory at a time
COLUMNS = ("id", "label", "vector", "features")
MIRROR_COLUMNS = ("mirror_vector", "mirror_features")


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
    """Make a set of a file, or add the file's references to a set that is there (which keeps its own description).

    Can be interrupted and run again: a reference is replaced by itself. Mirror images are left out where the set stores
    none.

    Args:
        store: where the set will be.
        file: as `write` made it.
        name: of the set; empty: the name in the file.
        fingerprint: of the encoder in use.
        progress: told how many more rows are in.

    Raises:
        StoreError: the file's vectors are of another encoder than the one in use or the set's; its references have no
            features or mirror images and the set needs them; or the file is damaged.
    """
    source = _open(file)
    described = _described(file, source)
    described = replace(described, name=name or described.name, version=1)
    _same(file, described.encoder, fingerprint, "the encoder in use is")
    there, made = _ready(store, file, described)
    stored = there.mirrored is Mirrored.STORED
    rows = 0
    for group in _groups(file, source, described.dimension):
        store.upsert(described.name, group if stored else [replace(known, mirror=None) for known in group])
        rows += len(group)
        progress(len(group))
    if rows:
        store.flush(described.name)
    return Imported(store.describe(described.name), made, rows)


def count(file: Path) -> int:
    """Rows of a file, from its footer."""
    return int(_open(file).metadata.num_rows)


def _ready(store: Store, file: Path, described: ReferenceSet) -> tuple[ReferenceSet, bool]:
    """A fitting set, and whether it had to be made."""
    try:
        there = store.describe(described.name)
    except UnknownSet:
        store.create(described)
        return described, True
    _same(file, described.encoder, there.encoder, f"the set {there.name} was made by")
    return there, False


def _same(file: Path, theirs: str, ours: str, who: str) -> None:
    if theirs != ours:
        raise StoreError(
            f"the vectors in {file} were made by the encoder {theirs}, {who} {ours}: they cannot be compared; "
            "use that encoder, or gather the pictures again with `vigilens sets add`"
        )


def _schema(described: ReferenceSet) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    vector = pa.list_(pa.float32(), described.dimension)
    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("vector", vector, nullable=False),
        pa.field("features", pa.binary(), nullable=False),
        pa.field("mirror_vector", vector),
        pa.field("mirror_features", pa.binary()),
    ]
    return pa.schema(columns, metadata={DESCRIPTION: json.dumps(asdict(described), ensure_ascii=False)})


def _table(group: list[Reference], schema: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    vector = schema.field("vector").type
    columns = [
        [known.id for known in group],
        [known.label for known in group],
        _vectors([known.vector for known in group], vector),
        [known.features for known in group],
        _vectors([known.mirror.vector if known.mirror else None for known in group], vector),
        [known.mirror.features if known.mirror else None for known in group],
    ]
    return pa.table(columns, schema=schema)


def _vectors(rows: Sequence[tuple[float, ...] | None], vector: Any) -> Any:
    """A column of vectors, null where there is none."""
    import pyarrow as pa  # noqa: PLC0415

    nothing = (0.0,) * vector.list_size
    flat = np.asarray([row or nothing for row in rows], dtype=np.float32).ravel()
    mask = pa.array([row is None for row in rows], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=vector, mask=mask)


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
    missing = {*COLUMNS, *MIRROR_COLUMNS} - set(schema.names)
    text = (schema.metadata or {}).get(DESCRIPTION)
    if missing or text is None:
        what = f"the columns {', '.join(sorted(missing))}" if missing else "the set's description in its metadata"
        raise StoreError(f"{file} is not a set exported by `vigilens sets export`: it lacks {what}")
    try:
        facts = json.loads(text)
        facts["kind"] = Kind(facts["kind"])
        facts["thresholds"] = Thresholds(**facts["thresholds"])
        facts["verify"] = Verify(facts["verify"])
        facts["check"] = CheckThresholds(**facts["check"])
        facts["mirrored"] = Mirrored(facts["mirrored"])
        facts["probe"] = tuple(map(float, facts["probe"]))
        return ReferenceSet(**facts)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"the description of the set in {file} is damaged ({error}); export it again") from error


def _groups(file: Path, source: Any, dimension: int) -> Iterator[list[Reference]]:
    import pyarrow as pa  # noqa: PLC0415

    vector = pa.list_(pa.float32())
    types = (pa.string(), pa.string(), vector, pa.binary(), vector, pa.binary())
    columns = [*COLUMNS, *MIRROR_COLUMNS]
    target = pa.schema(list(zip(columns, types, strict=True)))
    try:
        for batch in source.iter_batches(batch_size=GROUP, columns=columns):
            table = pa.Table.from_batches([batch]).select(columns).cast(target)
            if any(table[column].null_count for column in COLUMNS):
                raise StoreError(f"{file} has rows without id, label, vector or features; export it again")
            yield [_reference(row) for row in table.to_pylist()]
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{file} is damaged, or its vectors are not of {dimension} values: {error}") from error


def _reference(row: Mapping[str, Any]) -> Reference:
    vector, features = row["mirror_vector"], row["mirror_features"]
    mirror = None if vector is None else Seen(tuple(vector), features or b"")
    return Reference(row["id"], row["label"], tuple(row["vector"]), row["features"], mirror)
