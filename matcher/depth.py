"""How many neighbours are checked: more in a large set, where other references are nearer than a copy's own. Pure."""

import math

_SMALL, _GROWTH, _DEEPEST = 2000, 0.4, 1000


def depth(shortlist: int, references: int) -> int:
    """The number of neighbours to check for each vector. `shortlist`, the setting, is that of sets of up to 2,000.

    2,500 copies in 18 edits, with the encoder `words`, are in the lists of 35 for .976 (2,100 references), .935
    (30,000) and .914 (100,000); in those of 100 for .952 (30,000); in those of 140 and 200 for .939 and .944 (100,000).
    """
    return min(round(shortlist * math.pow(max(1.0, references / _SMALL), _GROWTH)), _DEEPEST)
