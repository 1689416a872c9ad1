"""Sets that are lists of hashes: what describes one, and the references in it."""

import hashlib
from dataclasses import replace

from reference_sets.defaults import defaults, new_set
from reference_sets.hash_lists.entry import Entry, Kind
from reference_sets.in_memory.constants import EXACT, IN_MEMORY, NO_VECTOR
from reference_sets.model import Kind as Means
from reference_sets.model import Reference, ReferenceSet
from reference_sets.rows import MAX_LABEL, MAX_SHORT

PDQ: tuple[Kind, ...] = ("pdq",)
DIGESTS: tuple[Kind, ...] = ("md5", "sha1", "sha256")
MOST_TAGS = 100
ID_DIGITS = 16


def new_hash_set(  # noqa: PLR0913 (one for each fact, by keyword)
    name: str, *, exact: bool, kind: Means = Means.HARMFUL, category: str = "", severity: int = 50, note: str = ""
) -> ReferenceSet:
    """Return the description of an empty list, for `Store.create`.

    Args:
        name: of the set.
        exact: a list of digests of files; else of PDQ hashes.
        kind: what a match means.
        category: if empty, the name is used.
        severity: 0 to 100.
        note: free text.

    Raises:
        ValueError: a number is out of range.
    """
    from embedding.pdq import Pdq  # noqa: PLC0415 (Pillow)

    digests = new_set(None, name, kind=kind, category=category, severity=severity, note=note)
    if exact:
        return digests
    fingerprint = Pdq.fingerprint
    return replace(digests, encoder=fingerprint, thresholds=defaults(fingerprint, kind).thresholds)


def kinds_in(described: ReferenceSet) -> tuple[Kind, ...]:
    """Return which hashes can be in a set; empty if it is a set of pictures."""
    if described.index != IN_MEMORY:
        return ()
    return DIGESTS if described.encoder == EXACT else PDQ


def suffix(source: str, source_id: str) -> str:
    """Return the end of the ids of all references that a source gave under an id of its own."""
    return hashlib.sha256(f"{source}\0{source_id}".encode(errors="surrogatepass")).hexdigest()[:ID_DIGITS]


def reference(entry: Entry, source: str) -> Reference:
    """Return the reference for an entry of a source's list."""
    return Reference(
        f"{entry.value}-{suffix(source, entry.source_id)}",
        _cut(entry.label, MAX_LABEL),
        NO_VECTOR,
        digest=entry.value,
        ceiling=entry.ceiling,
        source=source,
        source_id=_cut(entry.source_id, MAX_SHORT),
        tags=tuple(_cut(tag, MAX_SHORT) for tag in entry.tags[:MOST_TAGS]),
    )


def _cut(text: str, most: int) -> str:
    """Return a text as valid Unicode of at most so many bytes."""
    return text.encode(errors="replace")[:most].decode(errors="ignore")
