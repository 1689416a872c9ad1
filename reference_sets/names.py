"""Finds the collection that is the set with a name. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from reference_sets import description
from reference_sets.errors import DamagedSet
from reference_sets.model import ReferenceSet

Collections = Mapping[str, Mapping[str, str]]  # name → properties


@dataclass(frozen=True, slots=True)
class Found:
    """A set that was found: its name, the name of its collection, and the facts that describe it."""

    name: str
    collection: str
    facts: Mapping[str, str]

    def described(self) -> ReferenceSet:
        """Return the set.

        Raises:
            BadDescription: see `description.from_facts`.
        """
        return description.from_facts(self.name, self.facts)


def found_in(collections: Collections) -> dict[str, Found]:
    """Return name → set, sorted by name: of several ready collections with one name, the one with the highest version.

    At the same version it is the last one by the collection's name. A collection whose version cannot be read takes
    precedence over all others, because it may be the newest: then the set is damaged, and never silently an older one.
    """
    ours = [one for one in _ours(collections) if description.is_ready(one.facts)]
    return {one.name: one for one in sorted(ours, key=lambda one: (one.name, _version(one), one.collection))}


def all_of(collections: Collections, name: str) -> list[str]:
    """Return all collections that have this name, ready or not, and the set itself last."""
    theirs = [one for one in _ours(collections) if one.name == name]
    ranked = sorted(theirs, key=lambda one: (description.is_ready(one.facts), _version(one), one.collection))
    return [one.collection for one in ranked]


def _ours(collections: Collections) -> list[Found]:
    facts = {collection: description.facts_of(properties) for collection, properties in collections.items()}
    return [Found(description.name_of(one, its), one, its) for one, its in facts.items() if its]


def _version(one: Found) -> float:
    try:
        return description.version_of(one.name, one.facts)
    except DamagedSet:
        return float("inf")
