"""Sets of hashes, and sets of pictures that were made with PDQ, → lists that other programs read."""

import csv
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from reference_sets.files import replacing
from reference_sets.hash_lists.entry import DIGITS
from reference_sets.hash_lists.lines import TX_HEADER
from reference_sets.hash_lists.sets import DIGESTS, kinds_in
from reference_sets.model import ReferenceFacts, ReferenceSet
from reference_sets.store import Store
from vectors.errors import StoreError

FORMATS = ("pdq", "csv")
# The names that `tx` gives to algorithms; it does not know SHA-1 and SHA-256.
_NAMES = {DIGITS["md5"]: "photo_md5", DIGITS["sha1"]: "sha1", DIGITS["sha256"]: "sha256"}
_OPINIONS = {None: "POSITIVE_CLASS", "block": "POSITIVE_CLASS", "review": "DISPUTED", "nothing": "NEGATIVE_CLASS"}

Exported = tuple[str, ReferenceFacts]  # value, facts


def write(
    store: Store, name: str, file: Path, format_: str, progress: Callable[[int], None] = lambda _: None
) -> tuple[int, int]:
    """Write a list, and return the number of hashes in it, and of those left out because they are disabled.

    The file appears when it is complete.

    Args:
        store: where the set is.
        name: of the set.
        file: will be replaced.
        format_: "pdq" for lines `pdq HASH`, "csv" for the columns of `tx`.
        progress: called with the number of hashes written since the last call.

    Raises:
        StoreError: the set has no such hashes, or the file cannot be written.
    """
    described = store.describe(name)
    digests = kinds_in(described) == DIGESTS
    if digests and format_ == "pdq":
        raise StoreError(f"the set {name} holds digests of files: write them with --format csv")
    now, written, left = time.time(), 0, 0
    with replacing(file) as part, part.open("w", encoding="utf-8", newline="") as out:
        if format_ == "csv":
            out.write(_row(TX_HEADER))
        for some in _hashes(store, described):
            used = [one for one in some if one[1].in_use(now)]
            out.writelines(_line(one, format_, digests=digests) for one in used)
            written += len(used)
            left += len(some) - len(used)
            progress(len(some))
    return written, left


def _hashes(store: Store, described: ReferenceSet) -> Iterator[list[Exported]]:
    """Yield the hashes of a set, a few thousand at a time or one by one."""
    from embedding.pdq import DIMENSION, Pdq  # noqa: PLC0415 (Pillow)

    if kinds_in(described):
        for some in store.listed(described.name):
            yield [(stored.digest, stored.facts) for _, stored in some]
    elif described.encoder == Pdq.fingerprint and described.dimension == DIMENSION:
        for one in store.references(described.name):
            bits = np.asarray(one.vector, np.float32) > 0
            facts = ReferenceFacts(one.ceiling, one.state, one.disabled_until, one.source, one.source_id, one.tags)
            yield [(np.packbits(bits).tobytes().hex(), facts)]
    else:
        raise StoreError(
            f"the set {described.name} was made by the encoder {described.encoder}: only sets of hashes, and sets of "
            "pictures of the encoder pdq, can be written as a hash list"
        )


def _line(one: Exported, format_: str, *, digests: bool) -> str:
    value, facts = one
    if format_ == "pdq":
        return f"pdq {value}\n"
    kind = _NAMES[len(value)] if digests else "pdq"
    tags = " ".join("_".join(tag.split()) for tag in facts.tags)
    return _row([kind, value, facts.source, _OPINIONS[facts.cap], tags])


def _row(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
