"""Settings of a whole test run: its seed, and what happens when a service is missing."""

import os
import secrets
import shutil
from dataclasses import dataclass

import pytest

SEED_VARIABLE = "TEST_SEED"
SEED = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(1_000_000))


def missing(what: str) -> None:
    """Skip the test because a service is missing; in CI, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI is set, so this is a failure)")
    pytest.skip(what)


def needs_program(*names: str) -> None:
    """Skip the test where a program is absent that only some examples need, in CI too."""
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


@dataclass(frozen=True)
class Topics:
    """Four topics and a group that no other test uses."""

    images: str
    verdicts: str
    metrics: str
    group: str
    alerts: str = ""
