"""What belongs to a whole run of the tests: its seed, and what a missing service means."""

import os
import secrets
from dataclasses import dataclass

import pytest

SEED_VARIABLE = "TEST_SEED"
SEED = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(1_000_000))


def missing(what: str) -> None:
    """A service cannot be had: that is a skip on a laptop and a failure in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI is set, so this is a failure)")
    pytest.skip(what)


@dataclass(frozen=True)
class Topics:
    """Three topics and a group that no other test uses."""

    images: str
    verdicts: str
    metrics: str
    group: str
