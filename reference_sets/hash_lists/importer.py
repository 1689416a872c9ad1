"""Hash lists → sets of hashes. Can be interrupted at any time and run again.

A list is read twice. First its last word about each entry is found (`survey.py`), so that nothing is written that the
list itself takes back. Then what is withdrawn is removed, new and changed entries are written, and at last the values
that the list has replaced, or no longer has, are removed.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from reference_sets.hash_lists.entry import Entry, Item, Kind
from reference_sets.hash_lists.sets import ID_DIGITS, kinds_in, reference
from reference_sets.hash_lists.survey import WIDTH, Ids, Numbers, Survey
from reference_sets.model import Reference, ReferenceSet
from reference_sets.restrict import kept
from reference_sets.rows import Stored
from reference_sets.store import Store
from vectors.errors import StoreError

# References in one version of the set: 3 s in Milvus Lite. A running service reads each version; a claim is renewed
# with each message.
AT_ONCE = 20_000

Progress = Callable[[int], None]


@dataclass(slots=True)
class Imported:
    """The result, also while it is not complete.

    Attributes:
        added: hashes that are new in the set.
        changed: hashes whose facts were written again.
        same: hashes that were in the set like this already.
        withdrawn: references that the list takes back.
        replaced: references that have another value in the list now.
        pruned: references that the list no longer has.
    """

    added: int = 0
    changed: int = 0
    same: int = 0
    withdrawn: int = 0
    replaced: int = 0
    pruned: int = 0


class PrunesAll(StoreError):  # noqa: N818 (named after what it does)
    """Nothing of this source would be left in the set."""


@dataclass(slots=True)
class Importer:
    """Brings a set up to date with a list.

    Args:
        store: where the set is.
        described: the set.
        found: the survey of the list.
        prune: whether to remove what the list no longer has.
        all_of_them: whether that may be everything that this source gave.
    """

    store: Store
    described: ReferenceSet
    found: Survey
    prune: bool = False
    all_of_them: bool = False
    done: Imported = field(default_factory=Imported)

    def run(self, items: Iterable[Item], progress: Progress = lambda _: None) -> Imported:
        """Bring the set up to date.

        Args:
            items: the same as were surveyed.
            progress: called with the number of entries that were done since the last call.

        Raises:
            PrunesAll: see there; then nothing is changed.
            StoreError: the set holds pictures, or see `Store`.
        """
        kinds = kinds_in(self.described)
        if not kinds:
            raise StoreError(f"the set {self.described.name} holds pictures, not hashes: take another name")
        wanted = self.found.of(kinds)
        there, facts = self._there()
        plan = _plan(self.found, wanted, there, facts, prune=self.prune)
        if len(plan.pruned) and not self.all_of_them and not plan.kept:
            raise PrunesAll(
                f"the list has nothing of the {len(there)} references that {self.found.source} gave to "
                f"{self.described.name} before: is it the right list? --yes removes them"
            )
        self.done.withdrawn = self._delete(plan.withdrawn)
        self._write(items, wanted, plan.facts, progress)
        self.done.replaced = self._delete(plan.replaced)
        self.done.pruned = self._delete(plan.pruned)
        if self.done.added + self.done.changed >= AT_ONCE:
            self.store.flush(self.described.name)
        return self.done

    def _there(self) -> tuple[Ids, Numbers]:
        """Return the ids of all references that this source gave before, and numbers that stand for their facts.

        The facts of a row that an interrupted run left behind count as different: its version never was published, so
        a running service would not read it.
        """
        ids, facts = [np.zeros(0, f"S{WIDTH}")], [np.zeros(0, np.uint64)]
        for part in self.store.listed(self.described.name, self.found.source):
            ids.append(np.array([id_ for id_, _ in part], "S"))
            published = (one if one.version <= self.described.version else None for _, one in part)
            facts.append(np.array([_stored_facts(one) for one in published], np.uint64))
        return np.concatenate(ids), np.concatenate(facts)

    def _write(self, items: Iterable[Item], wanted: NDArray[np.bool_], facts: Numbers, progress: Progress) -> None:
        for part in _parts(items, wanted, facts):
            new = [(reference(entry, self.found.source), there) for entry, there in part]
            different = [(one, there) for one, there in new if not there or _facts(one) != there]
            ids = [one.id for one, there in different if there]
            stored, extras = self.store.stored(self.described.name, ids), self.store.extras(self.described.name, ids)
            # What breaker and operator decided stays. The row may then be what it was.
            whole = [
                (kept(one, stored[one.id].facts, extras.get(one.id, {})) if one.id in stored else one, there)
                for one, there in different
            ]
            written = [one for one, there in whole if _facts(one) != there]
            self.store.upsert(self.described.name, written)
            again = sum(one.id in stored for one in written)
            self.done.changed += again
            self.done.added += len(written) - again
            self.done.same += len(new) - len(written)
            progress(len(part))

    def _delete(self, ids: Sequence[str]) -> int:
        return self.store.delete(self.described.name, ids) if ids else 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done: for each entry the facts that the set has, or 0; and the ids of references to remove."""

    facts: Numbers
    withdrawn: list[str]
    replaced: list[str]
    pruned: list[str]
    kept: int


def _plan(found: Survey, wanted: NDArray[np.bool_], there: Ids, facts: Numbers, *, prune: bool) -> _Plan:
    expected = np.zeros(len(wanted), np.uint64)
    if not len(there):
        return _Plan(expected, [], [], [], 0)
    kept = np.isin(there, found.ids[wanted])
    ends, lengths = _ends(there)
    listed_ends, listed_lengths = _ends(found.ids[wanted])
    withdrawn = ~kept & np.isin(ends, found.gone)
    replaced = np.zeros(len(there), np.bool_)
    for length in np.unique(listed_lengths):  # an id has one value of each kind
        replaced |= (lengths == length) & np.isin(ends, listed_ends[listed_lengths == length])
    replaced &= ~kept & ~withdrawn
    pruned = ~kept & ~withdrawn & ~replaced if prune else np.zeros(len(there), np.bool_)
    gone, old, missing = ([id_.decode() for id_ in there[some].tolist()] for some in (withdrawn, replaced, pruned))
    known, order = wanted & np.isin(found.ids, there), np.argsort(there)
    expected[known] = facts[order][np.searchsorted(there, found.ids[known], sorter=order)]
    return _Plan(expected, gone, old, missing, kept=len(there) - len(missing))


def _ends(ids: Ids) -> tuple[Numbers, NDArray[np.int64]]:
    """Return the numbers at the ends of ids, and the ids' lengths; 0 for an id of another form."""
    texts = [id_ if id_[-ID_DIGITS - 1 : -ID_DIGITS] == b"-" else b"0" for id_ in ids.tolist()]
    return (
        np.array([_number(text[-ID_DIGITS:]) for text in texts], np.uint64),
        np.array([len(text) for text in texts], np.int64),
    )


def _number(digits: bytes) -> int:
    try:
        return int(digits, 16)
    except ValueError:
        return 0


def _parts(items: Iterable[Item], wanted: NDArray[np.bool_], facts: Numbers) -> Iterator[list[tuple[Entry, int]]]:
    """Yield the wanted entries, each with the facts that the set has, `AT_ONCE` at a time."""
    entries = (one for one in items if isinstance(one, Entry))
    chosen = ((one, there) for one, use, there in zip(entries, wanted.tolist(), facts.tolist(), strict=False) if use)
    while part := list(islice(chosen, AT_ONCE)):
        yield part


def _facts(one: Reference) -> int:
    """Return a number that stands for the facts that come from a list; never 0 or 1."""
    text = json.dumps((one.label, one.ceiling, one.source_id, one.tags))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) | 2


def _stored_facts(one: Stored | None) -> int:
    if one is None:
        return 1
    facts = one.facts
    return _facts(Reference("", one.label, (), ceiling=facts.ceiling, source_id=facts.source_id, tags=facts.tags))


def chosen(found: Survey, take: str, there: ReferenceSet | None) -> str:
    """Return what is taken of a list: "pdq" or "exact".

    Args:
        found: the survey of the list.
        take: what the operator asks for; empty: what the set holds, else PDQ if the list has any.
        there: the set, if there is one.

    Raises:
        StoreError: the set holds pictures, or other hashes than the operator asks for.
    """
    held: tuple[Kind, ...] = () if there is None else kinds_in(there)
    if there is not None and not held:
        raise StoreError(f"the set {there.name} holds pictures, not hashes: take another name")
    holds = "" if not held else "pdq" if "pdq" in held else "exact"
    if there is not None and take and take != holds:
        raise StoreError(f"the set {there.name} holds hashes of the kind {holds}, not {take}: take another name")
    return take or holds or ("pdq" if found.kinds["pdq"] or not found.kinds else "exact")
