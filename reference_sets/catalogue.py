"""Sets by their names: made, described, listed and dropped.

One collection per set; all that describes the set in the collection's properties. Collections without our properties
are somebody else's and are left alone.

A set is the ready collection with its name among the properties; of several, the one with the highest version, then
the last by its collection's name. So a copy becomes the set by one write of a property, and the set is never missing
for a moment: a missing set would allow everything.
"""

import json
from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from patience import Patience
from reference_sets import description, model, rows
from reference_sets.claims import Claim, Claims
from reference_sets.errors import BadDescription, UnknownSet
from reference_sets.model import Listing, ReferenceSet
from reference_sets.names import Found, all_of, found_in
from vectors.database import Database
from vectors.errors import NoCollection, StoreError

T = TypeVar("T")


class Catalogue:
    """The sets of one Milvus database, by their names. Safe to use from several threads.

    Args:
        uri, token, database, timeout_s, patience: see `vectors.database.Database`.

    Every method raises `StoreError` for what trying again will not fix, `UnknownSet` for a name that is not there,
    `BadDescription` for a set that cannot be read, and `Away` when Milvus does not answer (after waiting, if there is
    patience). So does the constructor, which connects.
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
        self._database = Database(uri, token=token, database=database, timeout_s=timeout_s, patience=patience)
        self._claims = Claims(self._database)
        self._collections: dict[str, str] = {}  # name of a set → of its collection, as when the sets were read last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and, as its last user in this process, the file. Can be repeated."""
        self._database.close()

    def create(self, new: ReferenceSet) -> None:
        """Make an empty set.

        Raises:
            StoreError: the name is taken or not a name.
        """
        if not description.NAME.fullmatch(new.name):
            raise StoreError(f"{json.dumps(new.name)} cannot name a set: 1-64 letters, digits and _, a letter first")
        collections = self._database.all()
        if new.name in found_in(collections):
            raise StoreError(f"{new.name} exists already in {self._database.place}; take another name or drop it")
        # Two that make one set in the same moment want the same collection, and Milvus refuses the second. A name that
        # a copy or somebody else's collection has taken is passed over.
        tails = ("", *(f"_{number}" for number in range(2, len(collections) + 3)))
        collection = next(name for tail in tails if (name := new.name + tail) not in collections)
        facts = {**description.to_facts(new), description.READY: "true"}
        self._database.create(collection, rows.fields(new.dimension), description.to_properties(facts))

    def describe(self, name: str) -> ReferenceSet:
        """All that describes a set, of one moment."""
        return self._found(name).described()

    def listing(self) -> Listing:
        """All sets of the database, by name: those that can be read, and those that cannot, with the reason."""
        sets: list[ReferenceSet] = []
        unreadable: list[model.UnreadableSet] = []
        for name, found in self._all().items():
            try:
                sets.append(found.described())
            except BadDescription as error:
                unreadable.append(model.UnreadableSet(name, str(error)))
        return Listing(tuple(sets), tuple(unreadable))

    def sets(self) -> tuple[ReferenceSet, ...]:
        """All sets of the database, by name.

        Raises:
            BadDescription: one cannot be read. `listing` has all others then.
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
        """Remove a set and all its references; also one whose description is damaged."""
        collections = all_of(self._database.all(), name)
        if not collections:
            raise UnknownSet(name, self._database.place)
        for collection in collections:  # copies first: none of them shall become the set
            self._database.drop(collection)

    def _publish(self, name: str, write: Callable[[str, Claim], Mapping[str, str] | None]) -> None:
        """Write under a claim on the set's next version."""
        collection, done = self._collections.get(name) or self._found(name).collection, False

        def attempt(claim: Claim) -> Mapping[str, str] | None:
            nonlocal collection, done
            # A copy that became the set meanwhile did so under a claim on this collection.
            claimed, collection = collection, self._found(name).collection
            done = claimed == collection
            return write(collection, claim) if done else None

        while not done:
            try:
                self._claims.publish(collection, name, attempt)
            except NoCollection:  # dropped since the sets were read; `_found` says if the set is gone with it
                collection = self._found(name).collection

    def _on(self, name: str, action: Callable[[str], T]) -> T:
        """What `action` returns for the set's collection: as it was last known, else as it is now."""
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
