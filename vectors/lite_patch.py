"""A search of Milvus Lite reads of each row it found what was asked for, and not all of it.

For every hit Milvus Lite's engine (3.2) makes Python objects of the whole row, its vector and keypoints too, and then
keeps the label. For the 50 nearest of 64 images that was more than half of the search, 60 of 109 ms.
"""

from collections.abc import Iterable
from typing import Any

from milvus_lite.engine import collection

# Not public: a version that has it no more searches as it does by itself.
_search_whole: Any = getattr(collection, "execute_search_with_index", None)


class _Narrow:
    """A segment (rows of one file) whose rows have some of their fields; the rest is the segment's own."""

    def __init__(self, segment: Any, fields: Iterable[str]) -> None:
        self._segment = segment
        self._columns = [(name, segment.table.column(name)) for name in segment.table.schema.names if name in fields]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segment, name)

    def row_to_dict(self, row: int) -> dict[str, Any]:
        """As the engine asks for it."""
        return {name: column[row].as_py() for name, column in self._columns}


def _search(*, segments: Iterable[Any], output_fields: list[str] | None, **others: Any) -> Any:
    if output_fields is not None:  # "$meta" has the fields that a schema does not name
        segments = [_Narrow(segment, {*output_fields, "$meta"}) for segment in segments]
    return _search_whole(segments=segments, output_fields=output_fields, **others)


def read_less() -> None:
    """Let the engines of this process search so. Can be repeated."""
    if _search_whole is not None:
        collection.execute_search_with_index = _search
