"""How a set is searched, as its description says: exactly, in memory, or by an approximate index of Milvus. Pure.

The key `index_options` has a JSON object: what the index is built with (`nlist`, or `M` and `efConstruction`), what a
search looks at (`nprobe` or `ef`), and what was measured when it was chosen (`recall`, `cosine`, `references`).
"""

import json
from collections.abc import Mapping
from typing import Any

from reference_sets.model import ReferenceSet
from vectors.index import APPROXIMATE, Index

_BUILD, _SEARCH = ("nlist", "M", "efConstruction"), ("nprobe", "ef")
_KEYS = "vigilens.index", "vigilens.index_options"


def index_of(properties: Mapping[str, str]) -> Index:
    """Return the index that a collection with these properties should have."""
    kind, options = (properties.get(key, "") for key in _KEYS)
    return _index(kind, options)


def index(known: ReferenceSet) -> Index:
    """Return the index of a set."""
    return _index(known.index, known.index_options)


def measured(known: ReferenceSet) -> dict[str, Any]:
    """Return what was measured when the set's index was chosen; empty if the set is searched exactly."""
    found = _read(known.index_options) if known.index in APPROXIMATE else {}
    return {key: value for key, value in found.items() if key not in {*_BUILD, *_SEARCH}}


def _index(kind: str, options: str) -> Index:
    if kind not in APPROXIMATE:
        return Index()
    given = {key: int(value) for key, value in _read(options).items() if key in {*_BUILD, *_SEARCH}}
    build = {key: given[key] for key in _BUILD if key in given}
    return Index(kind, build, {key: given[key] for key in _SEARCH if key in given})


def _read(options: str) -> dict[str, Any]:
    """Return the options; those that cannot be read are left out: then Milvus's own values are used."""
    try:
        found = json.loads(options or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
