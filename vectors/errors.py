"""Errors of the store, each one sentence for the operator. Import them from `reference_sets.store`.

StoreError            something must be mended: a wrong token, a file in use, a vector of the wrong length
├── UnknownSet        there is no set of that name
└── look.SetsUnfit    the sets cannot be matched with this encoder
patience.Away         Milvus is away; it was waited for if the store has patience
"""


class StoreError(Exception):
    """The sets cannot be read or changed, and trying again will not help. The message says what will."""


class UnknownSet(StoreError):  # noqa: N818 (named after what happened)
    """There is no set of that name in this database."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(f"there is no set named {name} in {place}; `vigilens sets list` shows what is there")
        self.name = name
