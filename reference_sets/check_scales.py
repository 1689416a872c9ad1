"""The scales of the geometric check's scores, and thresholds of earlier ones carried over to the present one. Pure."""

from bisect import bisect_left

import numpy as np

from reference_sets.model import CHECK_VERSION

# For each earlier scale: scores in it, and the scores in the present scale that mean the same. Both columns rise, and
# between the rows it is linear. The first row is no evidence, the last one an identical picture: 64 / (64 + 6) in scale
# 1, because 64 cells can agree. The rows between them are measured, on 1,656 edited copies scored in both scales.
#
# Up to the default for block, numbers stay: at the same number the present scale lets fewer unrelated pictures pass and
# finds more copies (at 0.3 86 % instead of 78 %, at 0.6 68 % instead of 51 %). Above it, a row has the scores that the
# same share of the copies reaches, 39, 24 and 14 %.
_TABLES: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.0, 0.0), (0.3, 0.3), (0.6, 0.6), (0.7, 0.81), (0.8, 0.87), (0.85, 0.91), (64 / (64 + 6), 1.0)),
}


def carried_over(score: float, version: int) -> float:
    """Return the score in the present scale (`CHECK_VERSION`) that means what this score means in another one.

    Args:
        score: from 0 to what an identical picture has.
        version: of the scale that the score is in, 1 to `CHECK_VERSION`.

    Raises:
        ValueError: no picture has such a score.
    """
    if version == CHECK_VERSION:
        return score
    before, now = ([row[column] for row in _TABLES[version]] for column in (0, 1))
    if not 0 <= score <= before[-1]:
        raise ValueError(f"scores of scale {version} are 0 to {before[-1]:.3f}, got {score}")
    # Rounding must not lift a score above that of the next row.
    return min(float(np.interp(score, before, now)), now[bisect_left(before, score)])
