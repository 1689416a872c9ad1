"""The errors of this room. Each message is one sentence for the operator.

StoreError                      something must be fixed: a wrong token, a file in use, a vector of the wrong length
├── NoCollection                there is no collection of that name
├── reference_sets.errors       there is no set of that name, or its description cannot be read
└── reference_sets.in_force     the sets cannot be matched with this encoder
patience.Away                   Milvus does not answer; the call has waited, if it has patience
"""


class StoreError(Exception):
    """Milvus cannot do what was asked, and trying again will not help. The message says what will help."""


class NoCollection(StoreError):  # noqa: N818 (named after what happened)
    """There is no collection of that name in this database."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(f"there is no collection named {name} in {place}")
        self.name = name
