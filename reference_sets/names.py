"""Which collection is the set of a name. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from reference_sets import description
from reference_sets.errors import DamagedSet
from reference_sets.model import ReferenceSet

Collections = Mapping[str, Mapping[str, str]]  # name → properties


@dataclass(frozen=True, slots=True)
class Found:
    """A set that was found: its name, its collection's, and the facts that describe it."""

    name: str
    collection: str
    facts: Mapping[str, str]

    def described(self) -> ReferenceSet:
        """The set.

        Raises:
            BadDescription: see `description.from_facts`.
        """
        return description.from_facts(self.name, self.facts)


def found_in(collections: Collections) -> dict[str, Found]:
    """Name → set, by name: of several ready collections with one name, the one with the highest version.

    At the same version it is the last by the collection's name. One whose version cannot be read comes before all
    others, for it may be the newest: its set is damaged then, and never silently an older one.
    """
    ours = [one for one in _ours(collections) if description.is_ready(one.facts)]
    return {one.name: one for one in sorted(ours, key=lambda one: (one.name, _version(one), one.collection))}


def all_of(collections: Collections, name: str) -> list[str]:
    """All collections that have this name, ready or not: the set itself last."""
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
