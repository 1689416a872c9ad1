"""Errors of the sets. Each message is one sentence for the operator. Import them from `reference_sets.store`.

vectors.errors.StoreError
├── UnknownSet       there is no set of that name
└── BadDescription   the set cannot be used for judging as it is
    ├── DamagedSet   one of its properties is missing or makes no sense
    └── NewerSet     a newer version of Vigilens made it, and its matches have another meaning
"""

from vectors.errors import StoreError


class UnknownSet(StoreError):  # noqa: N818 (named after what happened)
    """There is no set of that name in this database."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(f"there is no set named {name} in {place}; `vigilens sets list` shows what is there")
        self.name = name


class BadDescription(StoreError):  # noqa: N818 (named after what happened)
    """The description of a set cannot be read. Never skip it silently: a set that is not searched finds nothing."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class DamagedSet(BadDescription):
    """A property of the set is missing or makes no sense.

    Attributes:
        key: key of the property, without our prefix.
        problem: what is wrong with it, without the fix, which is for a set in Milvus.
    """

    def __init__(self, name: str, key: str, why: str, fix: str) -> None:
        super().__init__(name, f"the description of the set {name} is damaged: {key} {why}; {fix}")
        self.key, self.problem = key, f"{key} {why}"


class NewerSet(BadDescription):
    """The set needs something that this version of Vigilens does not know.

    Attributes:
        problem: what that is, without the fix, which is for a set in Milvus.
    """

    def __init__(self, name: str, needs: str, again: str = "") -> None:
        self.problem = (
            f"the set {name} needs {needs}, which this version of Vigilens does not know: a match with it would mean "
            "something else"
        )
        fixes = ", ".join(one for one in ("use the version that made it", again) if one)
        super().__init__(name, f"{self.problem}; {fixes}, or name the other sets in sets.use")
