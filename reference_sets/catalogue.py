"""Creates, describes, lists and drops sets by their names.

A set is one collection, and everything that describes the set is in the collection's properties. Collections without
our properties belong to somebody else and are not touched.

The collection of a set is the ready one with the set's name in its properties; of several, the one with the highest
version, then the last one by the collection's name. So a copy becomes the set by writing one property, and the set is
never missing, not even for a moment: a missing set would allow everything.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

from patience import Patience
from reference_sets import description, rows
from reference_sets.claims import Claim, Claims
from reference_sets.errors import BadDescription, UnknownSet
from reference_sets.indexes import index_of
from reference_sets.model import ReferenceSet
from reference_sets.names import Found, all_of, found_in
from vectors.database import Database
from vectors.errors import NoCollection, StoreError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnreadableSet:
    """A set whose description cannot be read, and why: one sentence that names the fix."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Listing:
    """All sets of a database, by name."""

    sets: tuple[ReferenceSet, ...]
    unreadable: tuple[UnreadableSet, ...]


class Catalogue:
    """The sets of one Milvus database, by their names. Safe to use from several threads.

    Args:
        uri, token, database, timeout_s, patience: see `vectors.database.Database`.

    Every method raises `StoreError` if trying again will not help, `UnknownSet` if there is no set of that name,
    `BadDescription` if the set's description cannot be read, and `Away` if Milvus does not answer (after waiting, if
    there is patience). So does the constructor, which connects.
    """

    def __init__(
        self,
        uri: str,
        *,
        token: str = "",
        database: str = "",
        timeout_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._database = Database(
            uri, token=token, database=database, timeout_s=timeout_s, patience=patience, index_of=index_of
        )
        self._claims = Claims(self._database)
        self._collections: dict[str, str] = {}  # set → its collection, as last read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and, as its last user in this process, the file. Can be repeated."""
        self._database.close()

    def create(self, new: ReferenceSet) -> None:
        """Create an empty set.

        Raises:
            StoreError: the name is taken or not valid.
        """
        if not description.NAME.fullmatch(new.name):
            raise StoreError(f"{json.dumps(new.name)} cannot name a set: 1-64 letters, digits and _, a letter first")
        collections = self._database.all()
        if new.name in found_in(collections):
            raise StoreError(f"{new.name} exists already in {self._database.place}; take another name or drop it")
        # Two processes that create a set at the same moment choose the same collection, and Milvus refuses one.
        # A name that a copy or somebody else's collection has taken is skipped.
        tails = ("", *(f"_{number}" for number in range(2, len(collections) + 3)))
        collection = next(name for tail in tails if (name := new.name + tail) not in collections)
        facts = {**description.to_facts(new), "created": secrets.token_hex(8), description.READY: "true"}
        facts = description.stamped(facts)
        self._database.create(collection, rows.fields(new.dimension), description.to_properties(facts))

    def describe(self, name: str) -> ReferenceSet:
        """Return everything that describes a set, as of one moment."""
        return self._found(name).described()

    def listing(self) -> Listing:
        """Return all sets of the database, by name: those that can be read, and those that cannot, with the reason."""
        sets: list[ReferenceSet] = []
        unreadable: list[UnreadableSet] = []
        for name, found in self._all().items():
            try:
                sets.append(found.described())
            except BadDescription as error:
                unreadable.append(UnreadableSet(name, str(error)))
        return Listing(tuple(sets), tuple(unreadable))

    def sets(self) -> tuple[ReferenceSet, ...]:
        """Return all sets of the database, by name.

        Raises:
            BadDescription: one cannot be read. `listing` returns the others then.
        """
        return tuple(found.described() for found in self._all().values())

    def _all(self) -> dict[str, Found]:
        sets = found_in(self._database.all())
        self._collections = {name: found.collection for name, found in sets.items()}
        return sets

    def _found(self, name: str) -> Found:
        found = self._all().get(name)
        if found is None:
            raise UnknownSet(name, self._database.place)
        return found

    def drop(self, name: str) -> None:
        """Remove a set and all its references, even if its description is damaged."""
        collections = all_of(self._database.all(), name)
        if not collections:
            raise UnknownSet(name, self._database.place)
        for collection in collections:  # copies first: none of them may become the set
            self._database.drop(collection)

    def _publish(self, name: str, write: Callable[[str, Claim], Mapping[str, str] | None]) -> None:
        """Call `write` under a claim on the set's next version, and publish that version."""
        collection, done = self._collections.get(name) or self._found(name).collection, False

        def attempt(claim: Claim) -> Mapping[str, str] | None:
            nonlocal collection, done
            # If a copy has become the set meanwhile, that was done under a claim on this collection.
            claimed, collection = collection, self._found(name).collection
            done = claimed == collection
            return write(collection, claim) if done else None

        while not done:
            try:
                self._claims.publish(collection, name, attempt)
            except NoCollection:  # dropped since the sets were read; `_found` raises if the set is gone too
                collection = self._found(name).collection

    def _on(self, name: str, action: Callable[[str], T]) -> T:
        """Return what `action` returns for the set's collection: the last known one, else the one that it has now."""
        collection = self._collections.get(name)
        if collection is not None:
            try:
                return action(collection)
            except NoCollection:
                pass
        try:
            return action(self._found(name).collection)
        except NoCollection as error:
            raise UnknownSet(name, self._database.place) from error
