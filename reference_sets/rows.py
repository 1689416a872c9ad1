"""References as Milvus holds them: fields, rows, and checks of what Milvus does not check. Pure.

A reference is one row, or two in sets that store mirror images: its own under its id, the mirror image's under the id
and `~m`, which no id can end in.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_sets.model import Mirrored, Reference, ReferenceSet, Seen, Verify
from vectors.errors import StoreError

MAX_ID = 128
MAX_LABEL = 1024
MAX_TEXT = 65_535  # Milvus's limit for a VARCHAR, in bytes
# Base64 makes 64,000 characters of them. Base85 would make 6 % less, and takes Python 50 times as long to read.
MAX_FEATURES = 48_000
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
# Milvus Lite and pymilvus put ids unquoted into filter expressions: a quote in an id would break them.
ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MIRROR = "~m"
# float32 unit vectors of 1024 values are within 1e-6; half precision, rounded and not normalised again, within 1e-3.
UNIT_TOLERANCE = 1e-3
MOST_ROWS = 500
MESSAGE_BYTES = 32 * 1024 * 1024  # half of what a server takes in one message


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
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID + len(MIRROR))
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    schema.add_field("label", DataType.VARCHAR, max_length=MAX_LABEL)
    schema.add_field("features", DataType.VARCHAR, max_length=MAX_TEXT)
    schema.add_field("mirrored", DataType.BOOL)
    return schema


def rows_at_once(dimension: int) -> int:
    """How many rows, however full, one message holds; even, so that a reference and its mirror image go together."""
    fit = MESSAGE_BYTES // (MAX_TEXT + MAX_LABEL + MAX_ID + 4 * dimension)
    return min(fit, MOST_ROWS) // 2 * 2


def key(id_: str, *, mirrored: bool) -> str:
    """Primary key of a reference's row or of its mirror image's."""
    return id_ + MIRROR if mirrored else id_


def of_key(text: str) -> tuple[str, bool]:
    """The reference's id, and whether the row is its mirror image's."""
    return text.removesuffix(MIRROR), text.endswith(MIRROR)


def to_rows(references: Sequence[Reference], described: ReferenceSet) -> list[dict[str, Any]]:
    """Rows for an upsert, the last of those with the same id; a mirror image's row follows its reference's.

    Raises:
        StoreError: an id, label, vector or features that Milvus would refuse or silently never find; no features where
            the set's check needs them; a mirror image in a set that stores none, or none in one that does.
    """
    for known in references:
        _check(known, described)
    seen = [one for known in references for _, one in _seen(known)]
    if seen:
        vectors = np.asarray([one.vector for one in seen], dtype=np.float32)
        checked(vectors, described.dimension, "a reference's vector")
    unique = {known.id: known for known in references}
    return [
        {
            "id": key(known.id, mirrored=mirrored),
            "vector": list(one.vector),
            "label": known.label,
            "features": base64.b64encode(one.features).decode(),
            "mirrored": mirrored,
        }
        for known in unique.values()
        for mirrored, one in _seen(known)
    ]


def from_rows(row: Mapping[str, Any], mirror: Mapping[str, Any] | None) -> Reference:
    """The reference that a row, and its mirror image's if it has one, hold."""
    own = _from_row(row)
    return Reference(row["id"], row["label"], own.vector, own.features, None if mirror is None else _from_row(mirror))


def features_of(row: Mapping[str, Any]) -> bytes:
    """A row's features."""
    return base64.b64decode(row["features"])


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


def _seen(known: Reference) -> list[tuple[bool, Seen]]:
    """The reference and, marked so, its mirror image if it has one."""
    return [(False, Seen(known.vector, known.features)), *([(True, known.mirror)] if known.mirror else [])]


def _from_row(row: Mapping[str, Any]) -> Seen:
    return Seen(tuple(float(value) for value in row["vector"]), features_of(row))


def _check(known: Reference, described: ReferenceSet) -> None:
    if not ID.fullmatch(known.id):
        raise StoreError(f"{json.dumps(known.id)} cannot be an id: 1-{MAX_ID} letters, digits and . _ : -")
    if len(known.label.encode()) > MAX_LABEL:
        raise StoreError(f"the label of {known.id} has more than {MAX_LABEL} bytes: {known.label[:60]}…")
    # With one for each or for none, a set's rows say how many references there are, and no mirrored copy is missed.
    if described.mirrored is Mirrored.STORED and known.mirror is None:
        raise StoreError(
            f"the reference {known.id} has no mirror image, which the set {described.name} stores: gather the pictures "
            "again with `vigilens sets add`"
        )
    if described.mirrored is not Mirrored.STORED and known.mirror is not None:
        raise StoreError(f"leave out the mirror image of {known.id}: the set {described.name} stores none")
    for _, one in _seen(known):
        _check_seen(known.id, one, described)


def _check_seen(id_: str, one: Seen, described: ReferenceSet) -> None:
    if len(one.vector) != described.dimension:
        raise StoreError(f"the reference {id_} has {len(one.vector)} values, the set's have {described.dimension}")
    if len(one.features) > MAX_FEATURES:
        raise StoreError(f"the features of {id_} have {len(one.features)} bytes, {MAX_FEATURES} fit")
    if described.verify is not Verify.OFF and not one.features:
        raise StoreError(
            f"the reference {id_} has no features, which the check of the set {described.name} needs: gather the "
            "pictures again with `vigilens sets add`"
        )
