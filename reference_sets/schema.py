"""References as Milvus holds them: fields, rows, and checks of what Milvus does not check. Pure."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_sets.errors import StoreError
from reference_sets.model import Reference, ReferenceSet

MAX_ID = 128
MAX_LABEL = 1024
MAX_TEXT = 65_535  # Milvus's limit for a VARCHAR, in bytes
MAX_FEATURES = 48 * 1024  # base85 makes 61,440 characters of them
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
# Milvus Lite and pymilvus put ids unquoted into filter expressions: a quote in an id would break them.
ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# float32 unit vectors of 1024 values are within 1e-6; half precision, rounded and not normalised again, within 1e-3.
UNIT_TOLERANCE = 1e-3


def check_set(new: ReferenceSet) -> None:
    """Raise StoreError for what Milvus would refuse, or would take and never match."""
    if not NAME.fullmatch(new.name):
        raise StoreError(f"{json.dumps(new.name)} cannot name a set: 1-64 letters, digits and _, a letter first")
    if not 0 <= new.severity <= 100:  # noqa: PLR2004 (model.ReferenceSet's range)
        raise StoreError(f"severity must be 0 to 100, got {new.severity}")
    if not 2 <= new.dimension <= 32_768:  # noqa: PLR2004 (Milvus's range)
        raise StoreError(f"dimension must be 2 to 32768, got {new.dimension}")


def fields(dimension: int) -> Any:
    """Schema of a set's collection."""
    from pymilvus import DataType, MilvusClient  # noqa: PLC0415 (1.5 s)

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    schema.add_field("label", DataType.VARCHAR, max_length=MAX_LABEL)
    schema.add_field("features", DataType.VARCHAR, max_length=MAX_TEXT)
    return schema


def to_rows(references: Sequence[Reference], dimension: int) -> list[dict[str, Any]]:
    """Rows for an upsert, the last of those with the same id.

    Raises:
        StoreError: an id, label, vector or features that Milvus would refuse or silently never find.
    """
    for known in references:
        _check(known, dimension)
    if references:
        checked(np.asarray([known.vector for known in references], dtype=np.float32), dimension, "a reference's vector")
    unique = {known.id: known for known in references}
    return [
        {
            "id": known.id,
            "vector": list(known.vector),
            "label": known.label,
            "features": base64.b85encode(known.features).decode(),
        }
        for known in unique.values()
    ]


def from_row(row: Mapping[str, Any]) -> Reference:
    """The reference that a row holds."""
    return Reference(
        id=row["id"],
        label=row["label"],
        vector=tuple(float(value) for value in row["vector"]),
        features=base64.b85decode(row["features"]),
    )


def checked(vectors: NDArray[np.float32], dimension: int, what: str) -> NDArray[np.float32]:
    """The vectors (n, d), if cosine means something for all of them.

    Milvus takes NaN and zeros and never finds them; a wrong length comes back as an error without a name.

    Raises:
        StoreError: another dimension, NaN, infinity, or length other than one.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:  # noqa: PLR2004 (rows and columns)
        raise StoreError(f"{what} must have {dimension} values, got an array of shape {vectors.shape}")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)  # written so that NaN is wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        raise StoreError(f"{what} must be of unit length, row {row} has length {lengths[row]:g}")
    return vectors


def _check(known: Reference, dimension: int) -> None:
    if not ID.fullmatch(known.id):
        raise StoreError(f"{json.dumps(known.id)} cannot be an id: 1-{MAX_ID} letters, digits and . _ : -")
    if len(known.vector) != dimension:
        raise StoreError(f"the reference {known.id} has {len(known.vector)} values, the set's have {dimension}")
    if len(known.label.encode()) > MAX_LABEL:
        raise StoreError(f"the label of {known.id} has more than {MAX_LABEL} bytes: {known.label[:60]}…")
    if len(known.features) > MAX_FEATURES:
        raise StoreError(f"the features of {known.id} have {len(known.features)} bytes, {MAX_FEATURES} fit")
