"""What Milvus does not do: it accepts vectors that it never finds, and some of its indexes round the scores. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vectors.errors import StoreError

# float32 unit vectors of 1024 values are within 1e-6 of length one; those in half precision, rounded and not normalised
# again, within 1e-3.
UNIT_TOLERANCE = 1e-3


def checked(vectors: NDArray[np.float32], dimension: int, what: str) -> NDArray[np.float32]:
    """Return the vectors (n, d) unchanged, if all are unit vectors of this dimension.

    Milvus accepts NaN and zeros and then never finds them; its error for a wrong dimension names no collection.

    Raises:
        StoreError: a vector has another dimension, NaN, infinity, or a length other than one.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:  # noqa: PLR2004 (rows and columns)
        raise StoreError(f"{what} must have {dimension} values, got an array of shape {vectors.shape}")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)  # written so that NaN counts as wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        raise StoreError(f"{what} must be of unit length, row {row} has length {lengths[row]:g}")
    return vectors


def scored(query: NDArray[np.float32], hits: Sequence[Any], top_k: int) -> list[dict[str, Any]]:
    """Return the hits with the cosines of their stored vectors, best first."""
    if not hits:
        return []
    vectors = np.array([hit["entity"]["vector"] for hit in hits], np.float32)
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1)
    best = np.argsort(-cosines, kind="stable")[:top_k]
    return [{"id": hits[at]["id"], "distance": float(cosines[at]), "entity": hits[at]["entity"]} for at in best]
