"""Values of a description as texts, and back. Pure. All readers raise ValueError if the text makes no sense."""

import base64
import math
import re
from collections.abc import Callable
from typing import cast, get_args

import numpy as np

from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.model import RANGES, Cap, Kind, Mirrored, Verify
from vectors.index import APPROXIMATE, EXACT

INDEXES = (EXACT, IN_MEMORY, *APPROXIMATE)  # ways of searching a set that this version knows


def same(text: str) -> str:
    """Read any text."""
    return text


def real(text: str) -> float:
    """Read a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it must be a finite number")
    return value


def flag(text: str) -> bool:
    """Read true or false."""
    if text not in {"true", "false"}:
        raise ValueError("it must be true or false")
    return text == "true"


def flagged(value: bool) -> str:  # noqa: FBT001 (it is the value)
    """Write true or false."""
    return "true" if value else "false"


def cap(text: str) -> Cap:
    """Read the highest level that is permitted."""
    if text not in get_args(Cap):
        raise ValueError(f"it must be one of {', '.join(get_args(Cap))}")
    return cast("Cap", text)


def index(text: str) -> str:
    """Read how a set is searched."""
    if text not in INDEXES:
        raise ValueError(f"it must be one of {', '.join(INDEXES)}")
    return text


def choice(kind: type[Kind | Verify | Mirrored]) -> Callable[[str], Kind | Verify | Mirrored]:
    """Return a reader of one of the values of `kind`."""

    def read(text: str) -> Kind | Verify | Mirrored:
        if text not in list(kind):
            raise ValueError(f"it must be one of {', '.join(kind)}")
        return kind(text)

    return read


def within(key: str, read: Callable[[str], float]) -> Callable[[str], float]:
    """Return a reader of a number within the range of this key."""

    def checked(text: str) -> float:
        value, (least, most) = read(text), RANGES[key]
        if not least <= value <= most:
            raise ValueError(f"it must be {least:g} to {most:g}")
        return value

    return checked


def scale(text: str) -> int:
    """Read the number of a scale."""
    version = int(text)
    if version < 1:
        raise ValueError("it must be 1 or more")
    return version


def vector(text: str) -> tuple[float, ...]:
    """Read float32 values, little-endian, in base64."""
    return tuple(np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").tolist())


def packed(values: tuple[float, ...]) -> str:
    """Write float32 values, little-endian, in base64."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def words(text: str) -> tuple[str, ...]:
    """Read words between commas or spaces."""
    return tuple(word for word in re.split(r"[,\s]+", text) if word)
