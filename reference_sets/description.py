"""What describes a set, as properties of its collection: written, read and changed in one call each, never half."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from reference_sets.model import Changes, CheckThresholds, Kind, Mirrored, ReferenceSet, Thresholds, Verify
from vectors.connection import NOT_FOUND
from vectors.errors import StoreError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

PREFIX = "vigilens."
FORMAT = "2"  # of the properties below and of the rows (schema.py); a reader refuses others


def read(client: "MilvusClient", name: str, timeout_s: float) -> ReferenceSet | None:
    """The set of that name; None if there is none, or the collection is somebody else's. One call, so one moment."""
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

    try:
        found = client.describe_collection(name, timeout=timeout_s)
    except MilvusException as error:
        if error.code == NOT_FOUND:
            return None
        raise
    return from_properties(name, found["properties"])


def is_ours(client: "MilvusClient", name: str, timeout_s: float) -> bool:
    """Whether the collection is a set, be its description damaged or not."""
    found = client.describe_collection(name, timeout=timeout_s)["properties"]
    return any(key.startswith(PREFIX) for key in found)


def next_version(client: "MilvusClient", described: ReferenceSet, changes: Changes, timeout_s: float) -> ReferenceSet:
    """Write the changed facts and a version one higher; returns the set as it is now."""
    changed = replace(described, **changes, version=described.version + 1)
    before, after = to_properties(described), to_properties(changed)
    different = {key: value for key, value in after.items() if before[key] != value}
    client.alter_collection_properties(described.name, different, timeout=timeout_s)
    return changed


def to_properties(described: ReferenceSet) -> dict[str, str]:
    """All that describes a set, as strings under our prefix. They are written in one call, so never half."""
    facts = {
        "format": FORMAT,
        "kind": described.kind.value,
        "category": described.category,
        "severity": str(described.severity),
        "review": repr(described.thresholds.review),
        "block": repr(described.thresholds.block),
        "encoder": described.encoder,
        "dimension": str(described.dimension),
        "version": str(described.version),
        "probe": base64.b64encode(np.asarray(described.probe, dtype="<f4").tobytes()).decode(),
        "note": described.note,
        "verify": described.verify.value,
        "check_review": repr(described.check.review),
        "check_block": repr(described.check.block),
        "mirrored": described.mirrored.value,
    }
    return {PREFIX + key: value for key, value in facts.items()}


def from_properties(name: str, properties: Mapping[str, str]) -> ReferenceSet | None:
    """The set that a collection's properties describe; None if the collection is not one of ours.

    Raises:
        StoreError: our properties are there but damaged, or of a format that this version does not know.
    """
    facts = {key.removeprefix(PREFIX): value for key, value in properties.items() if key.startswith(PREFIX)}
    if not facts:
        return None
    if facts.get("format") != FORMAT:
        raise StoreError(
            f"the set {name} was made by another version of Vigilens; drop it, make it again and add its pictures"
        )
    try:
        return ReferenceSet(
            name=name,
            kind=Kind(facts["kind"]),
            category=facts["category"],
            severity=int(facts["severity"]),
            thresholds=Thresholds(float(facts["review"]), float(facts["block"])),
            encoder=facts["encoder"],
            dimension=int(facts["dimension"]),
            version=int(facts["version"]),
            probe=tuple(np.frombuffer(base64.b64decode(facts["probe"]), dtype="<f4").tolist()),
            note=facts["note"],
            verify=Verify(facts["verify"]),
            check=CheckThresholds(float(facts["check_review"]), float(facts["check_block"])),
            mirrored=Mirrored(facts["mirrored"]),
        )
    except (KeyError, ValueError) as error:
        raise StoreError(
            f"the description of the set {name} is damaged ({error}); drop it and make it again"
        ) from error
