"""References as rows of Milvus: columns, rows, and checks of what Milvus does not check. Pure.

A reference is one row or two: its own row has its id as key, and that of its mirror image has the id with the suffix
`~m`, which no id can end in. The column `part` has the suffix, or is empty.

Neither Milvus Lite nor server 2.3 can add a column later, so all columns exist from the start. `tags` and `extra` are
JSON; server 2.3 accepts objects only, so the tags are a list in an object.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reference_sets.in_memory.constants import EXACT, IN_MEMORY
from reference_sets.model import DISABLED, Mirrored, Part, Reference, ReferenceFacts, ReferenceSet, Verify
from vectors.checks import checked
from vectors.errors import StoreError

MAX_ID = 128
MAX_LABEL = 1024
MAX_SHORT = 256  # state, ceiling, source, source_id
MAX_TEXT = 65_535  # Milvus's limit for a VARCHAR, in bytes; the limit for JSON is one more
# As Base64 these are 64,000 characters. Base85 would be 6 % shorter, but takes Python 50 times as long to decode.
MAX_FEATURES = 48_000
# Milvus Lite and pymilvus put ids into filter expressions without escaping: a quote in an id would break them.
ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SHA256 = re.compile(r"(?:[0-9a-f]{64})?")  # or the PDQ hash in a list of them
MD5_SHA1_SHA256 = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")
OWN, MIRROR = "", "~m"
MOST_ROWS = 500
MESSAGE_BYTES = 32 * 1024 * 1024  # half of what a server accepts in one message
ALL = (
    *("id", "vector", "label", "features", "part", "digest", "version", "state"),
    *("disabled_until", "ceiling", "source", "source_id", "tags", "extra"),
)
FACTS = ReferenceFacts._fields
IS_DISABLED = f'state == "{DISABLED}"'  # condition of a row, perhaps only until some time


class Stored(NamedTuple):
    """What is stored of a reference besides what it is compared by."""

    label: str
    digest: str
    version: int
    facts: ReferenceFacts


def fields(dimension: int) -> Any:
    """Return the schema of a set's collection."""
    from pymilvus import DataType, MilvusClient  # noqa: PLC0415 (1.5 s)

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID + len(MIRROR))
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    texts = {"label": MAX_LABEL, "features": MAX_TEXT, "part": 16, "digest": 64}
    texts |= dict.fromkeys(("state", "ceiling", "source", "source_id"), MAX_SHORT)
    for name, length in texts.items():
        # A server of version 2.4 or newer then maps the features into memory; 2.3 and Milvus Lite ignore it.
        mapped = {"mmap_enabled": True} if name == "features" else {}
        schema.add_field(name, DataType.VARCHAR, max_length=length, **mapped)
    schema.add_field("mirrored", DataType.BOOL)
    for name in ("version", "disabled_until"):
        schema.add_field(name, DataType.INT64)
    for name in ("tags", "extra"):
        schema.add_field(name, DataType.JSON)
    return schema


def in_use(at: float) -> str:
    """Return the condition of the rows that are in use at a time, in seconds since 1970, UTC."""
    return f'state != "{DISABLED}" or (disabled_until > 0 and disabled_until <= {int(at)})'


def key(id_: str, *, mirrored: bool) -> str:
    """Return the primary key of a reference's row, or of its mirror image's row."""
    return id_ + (MIRROR if mirrored else OWN)


def of_key(text: str) -> tuple[str, bool]:
    """Return the reference's id, and whether the row is that of its mirror image."""
    return text.removesuffix(MIRROR), text.endswith(MIRROR)


def check(references: Sequence[Reference], described: ReferenceSet) -> None:
    """Check references before they are written.

    Raises:
        StoreError: an id, label, vector or features that Milvus would refuse or silently never find; features are
            missing and the set's check needs them; or a mirror image is there and the set does not store it, or the
            other way round.
    """
    for known in references:
        _check(known, described)
    if all_parts := [one for known in references for _, one in _parts(known)]:
        vectors = np.asarray([one.vector for one in all_parts], dtype=np.float32)
        checked(vectors, described.dimension, "a reference's vector")


def messages(references: Sequence[Reference], version: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows in messages that a server accepts. A reference's rows are in the same message.

    Of several references with the same id, the last one is written.

    Args:
        references: references that passed `check`.
        version: the version of the set that writes them.
    """
    message: list[dict[str, Any]] = []
    size = 0
    for known in {known.id: known for known in references}.values():
        rows = [_row(known, part, one, version) for part, one in _parts(known)]
        more = sum(_bytes(row) for row in rows)
        if message and (len(message) + len(rows) > MOST_ROWS or size + more > MESSAGE_BYTES):
            yield message
            message, size = [], 0
        message += rows
        size += more
    if message:
        yield message


def from_rows(row: Mapping[str, Any], mirror: Mapping[str, Any] | None) -> Reference:
    """Return the reference in a row with the fields `ALL`, and in the row of its mirror image if there is one."""
    own = _from_row(row)
    return Reference(
        id=row["id"],
        label=row["label"],
        vector=own.vector,
        features=own.features,
        mirror=None if mirror is None else _from_row(mirror),
        digest=row["digest"],
        version=int(row["version"]),
        state=row["state"],
        disabled_until=int(row["disabled_until"]),
        ceiling=row["ceiling"],
        source=row["source"],
        source_id=row["source_id"],
        tags=tuple(row["tags"].get("tags", ())),
        extra=dict(row["extra"]),
    )


def features_of(row: Mapping[str, Any]) -> bytes:
    """Return a row's features."""
    return base64.b64decode(row["features"])


def facts_of(row: Mapping[str, Any]) -> ReferenceFacts:
    """Return the facts in a row with the fields `FACTS`."""
    short = (row["ceiling"], row["state"], int(row["disabled_until"]), row["source"], row["source_id"])
    return ReferenceFacts(*short, tuple(row["tags"].get("tags", ())))


def stored_of(row: Mapping[str, Any]) -> Stored:
    """Return what is stored of a reference, from a row with the fields `FACTS`, label, digest and version."""
    return Stored(row["label"], row["digest"], int(row["version"]), facts_of(row))


def _parts(known: Reference) -> list[tuple[str, Part]]:
    """Return the reference and, if it has one, its mirror image, each with its suffix."""
    return [(OWN, Part(known.vector, known.features)), *([(MIRROR, known.mirror)] if known.mirror else [])]


def _row(known: Reference, part: str, one: Part, version: int) -> dict[str, Any]:
    return {
        "id": known.id + part,
        "vector": list(one.vector),
        "label": known.label,
        "features": base64.b64encode(one.features).decode(),
        "mirrored": part == MIRROR,
        "part": part,
        "digest": known.digest,
        "version": version,
        "state": known.state,
        "disabled_until": known.disabled_until,
        "ceiling": known.ceiling,
        "source": known.source,
        "source_id": known.source_id,
        "tags": {"tags": list(known.tags)},
        "extra": known.extra,
    }


def _bytes(row: Mapping[str, Any]) -> int:
    """Return about how many bytes the row has in a message."""
    texts = sum(4 * len(value) for value in row.values() if isinstance(value, str))
    texts -= 3 * len(row["features"])  # a Base64 character is one byte
    return texts + 4 * len(row["vector"]) + len(_json(row["tags"])) + len(_json(row["extra"]))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _from_row(row: Mapping[str, Any]) -> Part:
    return Part(tuple(float(value) for value in row["vector"]), features_of(row))


def _check(known: Reference, described: ReferenceSet) -> None:
    if not ID.fullmatch(known.id):
        raise StoreError(f"{json.dumps(known.id)} cannot be an id: 1-{MAX_ID} letters, digits and . _ : -")
    _check_facts(known, described)
    # All references must have one, or none: else some mirrored copies would be missed.
    if described.mirrored is Mirrored.STORED and known.mirror is None:
        raise StoreError(
            f"the reference {known.id} has no mirror image, which the set {described.name} stores: add the pictures "
            "again with `vigilens sets add`"
        )
    if described.mirrored is not Mirrored.STORED and known.mirror is not None:
        raise StoreError(f"leave out the mirror image of {known.id}: the set {described.name} does not store it")
    for _, one in _parts(known):
        _check_part(known.id, one, described)


def _check_facts(known: Reference, described: ReferenceSet) -> None:
    if len(known.label.encode()) > MAX_LABEL:
        raise StoreError(f"the label of {known.id} has more than {MAX_LABEL} bytes: {known.label[:60]}…")
    if described.encoder == EXACT and not MD5_SHA1_SHA256.fullmatch(known.digest):
        raise StoreError(f"the digest of {known.id} must be an MD5, SHA-1 or SHA-256: 32, 40 or 64 hexadecimal digits")
    if described.encoder != EXACT and not SHA256.fullmatch(known.digest):
        raise StoreError(f"the digest of {known.id} must be of 64 hexadecimal digits, or empty")
    if described.index == IN_MEMORY and not known.digest:
        raise StoreError(f"the reference {known.id} has no hash, and the set {described.name} is a list of hashes")
    for name in ("state", "ceiling", "source", "source_id"):
        if len(getattr(known, name).encode()) > MAX_SHORT:
            raise StoreError(f"the {name} of {known.id} has more than {MAX_SHORT} bytes; shorten it")
    for name, value in (("tags", {"tags": list(known.tags)}), ("extra", known.extra)):
        if len(_json(value)) > MAX_TEXT:
            raise StoreError(f"the {name} of {known.id} have more than {MAX_TEXT} bytes as JSON; leave some out")


def _check_part(id_: str, one: Part, described: ReferenceSet) -> None:
    if len(one.vector) != described.dimension:
        raise StoreError(
            f"the reference {id_} has {len(one.vector)} values, those of the set have {described.dimension}"
        )
    if len(one.features) > MAX_FEATURES:
        raise StoreError(f"the features of {id_} have {len(one.features)} bytes, at most {MAX_FEATURES} fit")
    if described.verify is not Verify.OFF and not one.features:
        raise StoreError(
            f"the reference {id_} has no features, which the check of the set {described.name} needs: add the "
            "pictures again with `vigilens sets add`"
        )
