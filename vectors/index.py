"""How the vectors of a collection are searched: all compared, or by an approximate index of Milvus."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXACT, IVF_FLAT, IVF_SQ8, HNSW = "exact", "ivf_flat", "ivf_sq8", "hnsw"
APPROXIMATE = (IVF_FLAT, IVF_SQ8, HNSW)

_TYPES = {EXACT: "FLAT", IVF_FLAT: "IVF_FLAT", IVF_SQ8: "IVF_SQ8", HNSW: "HNSW"}  # as Milvus names them
# The most that Milvus accepts for a search. With as many, every index that there may be finds almost everything: for
# the second in which a reader does not know yet that the index has changed.
_ALL_CELLS, _ALL_NEIGHBOURS = 65_536, 32_768
SCORES_EXACTLY = "+exact"  # end of the version that a server names if its scores are exact whatever the index
ROUNDED = (IVF_SQ8,)  # indexes that keep one byte for each value, so that the scores of a server are not exact


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection.

    Attributes:
        kind: one of EXACT and APPROXIMATE.
        build: what it is built with: `nlist`, the number of cells, or `M` and `efConstruction`.
        search: what is looked at in a search: `nprobe` cells, or `ef` neighbours.
    """

    kind: str = EXACT
    build: Mapping[str, int] = field(default_factory=dict)
    search: Mapping[str, int] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """Milvus's name of the kind."""
        return _TYPES[self.kind]

    def params(self, top_k: int) -> dict[str, int]:
        """Return the parameters of a search for `top_k` rows."""
        if self.kind == EXACT:
            return {"nprobe": _ALL_CELLS, "ef": _ALL_NEIGHBOURS}
        near = self.search.get("ef", _ALL_NEIGHBOURS)
        return {"nprobe": self.search.get("nprobe", _ALL_CELLS), "ef": min(max(near, top_k), _ALL_NEIGHBOURS)}

    def is_built(self, described: Mapping[str, Any]) -> bool:
        """Return whether this is the index that Milvus describes."""
        found = {**described, **_nested(described.get("params"))}
        return found.get("index_type") == self.type and all(
            str(found.get(name)) == str(value) for name, value in self.build.items()
        )


def _nested(params: Any) -> dict[str, Any]:
    """Return the parameters that Milvus Lite describes as one text."""
    if isinstance(params, str):
        params = json.loads(params)
    return dict(params) if isinstance(params, Mapping) else {}
