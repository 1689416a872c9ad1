"""Planted copies: vectors as edited copies of references have, whose references are known. Pure.

They tell how many copies an approximate index misses. How many of the exact nearest neighbours it finds does not: most
of these are no copies, and to miss them is harmless.

A planted copy is a reference's vector turned towards the mean of four others, until it has the cosine that an edited
copy has. With 6,000 copies of 240 photographs in 36 edits among 22,000 references, IVF_SQ8 with 512 cells found .71 of
the real copies and .77 of planted ones with 16 cells looked at, .89 and .92 with 64, .96 and .96 with 128, and .995 and
.985 with 256. Turned towards one other reference they are found more often (.84, .95, .97, .99), and in any direction
at all .99 at once, because no reference lies there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Deciles (5 %, 15 %, …) of the cosine of a copy's vector and its reference's, for the copies above that are among the
# 35 nearest, with the encoder `words`.
COSINES = (0.38, 0.43, 0.48, 0.51, 0.55, 0.59, 0.63, 0.69, 0.75, 0.86)
_OTHERS = 4


class Planted(NamedTuple):
    """Planted copies, n of them.

    Attributes:
        vectors: (n, dimension), unit length.
        sources: (n,), the row of the reference that each is a copy of.
        cosines: (n,), of a copy and its reference.
    """

    vectors: Floats
    sources: NDArray[np.intp]
    cosines: Floats


def planted(references: Floats, number: int, least: float, random: np.random.Generator) -> Planted:
    """Return `number` planted copies of references (rows, dimension), at least 5 of unit length.

    Args:
        references: some of a set's.
        number: of copies.
        least: the lowest similarity at which a copy matters: the review threshold of a set that similarity decides.
        random: chooses references, others, and cosines.
    """
    lengths = np.linalg.norm(references, axis=1, keepdims=True)
    unit = references / np.where(lengths == 0, 1, lengths)
    sources = random.integers(0, len(unit), number)
    near = unit[sources]
    towards = sum(unit[(sources + random.integers(1, len(unit), number)) % len(unit)] for _ in range(_OTHERS))
    rest = towards - np.einsum("ij,ij->i", towards, near)[:, None] * near
    away = np.linalg.norm(rest, axis=1, keepdims=True)
    noise = random.standard_normal(rest.shape)  # where all others are the reference itself
    noise -= np.einsum("ij,ij->i", noise, near)[:, None] * near
    rest = np.where(away > 1e-3, rest, noise)  # noqa: PLR2004 (far above rounding)
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    usual = np.array([cosine for cosine in COSINES if cosine >= least] or [max(least, COSINES[-1])])
    cosines = random.choice(usual, number)[:, None]
    vectors = cosines * near + np.sqrt(1 - cosines**2) * rest
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Planted(vectors.astype(np.float32), sources, np.einsum("ij,ij->i", vectors, near).astype(np.float32))


def bounds(hits: int, of: int) -> tuple[float, float]:
    """Return the one-sided 95 % bounds of a share (Wilson, 1927; JASA 22, 209): lower and upper. 0 and 1 of nothing."""
    if not of:
        return 0.0, 1.0
    z = 1.645  # 95 % of a normal distribution are below
    share, square = hits / of, z * z / of
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * float(np.sqrt(share * (1 - share) / of + square / of / 4))
    return max(0.0, middle - half), min(1.0, middle + half)
