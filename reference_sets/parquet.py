"""Writes a set to a Parquet file, and reads it. Other tools can read it too (pandas, FAISS, Qdrant, pgvector, LanceDB).

Columns: `id`, `label` (text), `vector` (float32 of fixed length, unit length, so inner product is cosine), `features`
(bytes), `mirror_vector` and `mirror_features`, which are null in sets that store no mirror images, and the other facts
of a reference (`model.Reference`), `extra` as JSON. The set's description is JSON in the file's metadata under
`vigilens.set`: the keys and texts of `description.py`.

The format grows by adding. `id`, `label` and `vector` must be there; any other missing column or key has its default.
An unknown key of the description is kept; an unknown column is left out.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from reference_sets import description
from reference_sets.errors import DamagedSet, NewerSet, UnknownSet
from reference_sets.files import replacing
from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.model import Mirrored, Part, Reference, ReferenceSet
from reference_sets.store import Store
from vectors.errors import StoreError
from vectors.index import EXACT

DESCRIPTION = b"vigilens.set"
SUFFIXES = (".parquet", ".pq")
GROUP = 1000  # rows in memory at a time
NEEDED = ("id", "label", "vector")


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: the set as it is now, whether it was created, and how many rows the file had."""

    set: ReferenceSet
    made: bool
    rows: int


def write(store: Store, name: str, file: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """Write a set to a file, and return the number of its references.

    The file appears when it is complete. `progress` is called with the number of rows written since the last call.

    Raises:
        StoreError: the file's name does not have the suffix of a Parquet file, or the file cannot be written.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 (0.2 s)

    check_name(file)
    described = store.describe(name)
    schema = _schema(described)
    rows = 0
    with replacing(file) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        references = store.references(name)
        while group := list(islice(references, GROUP)):
            if (values := len(group[0].vector)) != described.dimension:
                what = f"its dimension is {described.dimension}, but its vectors have {values} values"
                raise StoreError(f"the description of the set {name} is damaged: {what}; create the set again")
            writer.write_table(_table(group, schema))
            rows += len(group)
            progress(len(group))
    return rows


def check_name(file: Path) -> None:
    """Raise StoreError if the file's name does not have the suffix of a Parquet file."""
    if file.suffix.lower() not in SUFFIXES:
        raise StoreError(f"{file} would be a Parquet file: its name must end in {' or '.join(SUFFIXES)}")


def describe(file: Path) -> ReferenceSet:
    """Return the set that a file describes, after a check of the file's columns.

    Raises:
        StoreError: it is not a Parquet file with a set in it.
    """
    return _described(file, _open(file))


def read(store: Store, file: Path, *, name: str = "", progress: Callable[[int], None] = lambda _: None) -> Imported:
    """Create a set from a file, or add the file's references to an existing set, which keeps its own description.

    Can be interrupted and run again: a reference is replaced by itself. Mirror images are left out if the set does not
    store them.

    Args:
        store: where the set will be.
        file: a file that `write` wrote.
        name: of the set; empty: the name in the file.
        progress: called with the number of rows added since the last call.

    Raises:
        StoreError: the file's vectors were made by another encoder than the set's; its references
            lack features or mirror images that the set needs; or the file or one of its rows is damaged (then the rows
            before it have been added).
    """
    source = _open(file)
    described = _described(file, source)
    described = replace(described, name=name or described.name, version=1, removed_version=0)
    if described.index != IN_MEMORY:  # an approximate index is chosen for the references that a set has
        described = replace(described, index=EXACT, index_options="")
    there, made = _ready(store, file, described)
    stored = there.mirrored is Mirrored.STORED
    rows = 0
    try:
        for group in _groups(file, source, described.dimension):
            store.upsert(described.name, group if stored else [replace(known, mirror=None) for known in group])
            rows += len(group)
            progress(len(group))
    except StoreError:
        if made and not rows:  # no empty set stays behind: if it is harmful, it would look like one to judge by
            store.drop(described.name)
        raise
    if rows:
        store.flush(described.name)
    return Imported(store.describe(described.name), made, rows)


def count(file: Path) -> int:
    """Return the number of rows of a file, from its footer."""
    return int(_open(file).metadata.num_rows)


def _ready(store: Store, file: Path, described: ReferenceSet) -> tuple[ReferenceSet, bool]:
    """Return the set to import into, and whether it was created for that."""
    try:
        there = store.describe(described.name)
    except UnknownSet:
        store.create(described)
        return described, True
    _same(file, described.encoder, there.encoder, f"the set {there.name} was made by")
    if (described.index == IN_MEMORY) != (there.index == IN_MEMORY):
        raise StoreError(
            f"{file} and the set {there.name} do not fit together: one holds hashes, and the other pictures; take "
            "another name"
        )
    return there, False


def _same(file: Path, theirs: str, ours: str, who: str) -> None:
    if theirs != ours:
        raise StoreError(
            f"the vectors in {file} were made by the encoder {theirs}, {who} {ours}: they cannot be compared; "
            "use that encoder, or add the pictures again with `vigilens sets add`"
        )


def _schema(described: ReferenceSet) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    columns = _columns(pa.list_(pa.float32(), described.dimension))
    facts = json.dumps(description.to_facts(described), ensure_ascii=False)
    named = [pa.field(name, type_, nullable=name.startswith("mirror_")) for name, type_ in columns.items()]
    return pa.schema(named, metadata={DESCRIPTION: facts})


def _columns(vector: Any) -> dict[str, Any]:
    """Return column → type; `vector` is the type of vectors."""
    import pyarrow as pa  # noqa: PLC0415

    texts = ("digest", "state", "ceiling", "source", "source_id", "extra")
    return {
        "id": pa.string(),
        "label": pa.string(),
        "vector": vector,
        "features": pa.binary(),
        "mirror_vector": vector,
        "mirror_features": pa.binary(),
        **dict.fromkeys(texts, pa.string()),
        **dict.fromkeys(("version", "disabled_until"), pa.int64()),
        "tags": pa.list_(pa.string()),
    }


def _table(group: list[Reference], schema: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    vector = schema.field("vector").type
    columns = {
        name: [getattr(known, name) for known in group]
        for name in schema.names
        if name not in {"vector", "extra", "mirror_vector", "mirror_features"}
    }
    columns |= {
        "vector": _vectors([known.vector for known in group], vector),
        "extra": [json.dumps(known.extra, ensure_ascii=False) for known in group],
        "mirror_vector": _vectors([known.mirror.vector if known.mirror else None for known in group], vector),
        "mirror_features": [known.mirror.features if known.mirror else None for known in group],
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _vectors(rows: Sequence[tuple[float, ...] | None], vector: Any) -> Any:
    """Return a column of vectors, with null for None."""
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
    missing = set(NEEDED) - set(schema.names)
    text = (schema.metadata or {}).get(DESCRIPTION)
    if missing or text is None:
        what = f"the columns {', '.join(sorted(missing))}" if missing else "the set's description in its metadata"
        raise StoreError(f"{file} is not a set exported by `vigilens sets export`: it lacks {what}")
    if len(set(schema.names)) < len(schema.names):
        raise StoreError(f"{file} has two columns of one name; export the set again")
    try:
        facts = {key: str(value) for key, value in json.loads(text).items()}
        return description.from_facts(facts.get("name", file.stem), facts)
    except (ValueError, AttributeError, DamagedSet) as error:
        # Its own fix is for a set in Milvus.
        what = error.problem if isinstance(error, DamagedSet) else str(error)
        raise StoreError(f"the description of the set in {file} is damaged ({what}); export it again") from error
    except NewerSet as error:
        raise StoreError(f"{file} cannot be imported: {error.problem}; use the version that exported it") from error


def _groups(file: Path, source: Any, dimension: int) -> Iterator[list[Reference]]:
    import pyarrow as pa  # noqa: PLC0415

    columns = {name: type_ for name, type_ in _columns(pa.list_(pa.float32())).items() if name in _names(source)}
    target = pa.schema(list(columns.items()))
    start = 0
    try:
        for batch in source.iter_batches(batch_size=GROUP, columns=list(columns)):
            table = pa.Table.from_batches([batch]).select(list(columns)).cast(target)
            yield [_reference(file, number, row) for number, row in enumerate(table.to_pylist(), start + 1)]
            start += len(table)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{file} is damaged, or its vectors are not of {dimension} values: {error}") from error


def _names(source: Any) -> list[str]:
    return list(source.schema_arrow.names)


_FACTS = {one.name for one in fields(Reference)} - {"features", "mirror", "version", "tags", "extra"}


def _reference(file: Path, number: int, row: Mapping[str, Any]) -> Reference:
    """Return the reference in a row; `number` counts from 1."""
    where = f"row {number} of {file} ({row['id']})"
    if empty := [name for name in NEEDED if row[name] is None]:
        raise StoreError(f"{where} has no {' and no '.join(empty)}; export the set again")
    facts = {name: row[name] for name in _FACTS & row.keys() if row[name] is not None}
    facts["vector"] = tuple(facts["vector"])
    mirror = None
    if row.get("mirror_vector") is not None:
        mirror = Part(tuple(row["mirror_vector"]), _features(where, row.get("mirror_features")))
    tags = tuple(row.get("tags") or ())
    return Reference(
        **facts, features=_features(where, row.get("features")), mirror=mirror, tags=tags, extra=_extra(where, row)
    )


def _features(where: str, features: bytes | None) -> bytes:
    """Return the features if the check can read them, or b"" if there are none."""
    from embedding.local.features import FeaturesError, unpack  # noqa: PLC0415 (OpenCV)

    if not features:
        return b""
    try:
        unpack(features)
    except FeaturesError as error:
        raise StoreError(f"{where} has features that cannot be read: {error}") from error
    return features


def _extra(where: str, row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        extra = json.loads(row.get("extra") or "{}")
    except ValueError as error:
        raise StoreError(f"{where} has an extra that is not JSON: {error}; export the set again") from error
    if not isinstance(extra, dict):
        raise StoreError(f"{where} has an extra that is not a JSON object; export the set again")
    return extra
