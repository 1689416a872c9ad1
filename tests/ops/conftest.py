"""The programs of Prometheus, from where `make prometheus` put them."""

import subprocess

import pytest
from run import missing

from harness.prometheus import NoPrometheus, program


@pytest.fixture(scope="session")
def tool():
    """Runs promtool or amtool; returns whether it succeeded, and what it said."""

    def run(name, *words, folder=None):
        try:
            command = [str(program(name)), *map(str, words)]
        except NoPrometheus as why:
            missing(str(why))
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        return done.returncode == 0, done.stdout + (done.stderr if done.returncode else "")

    return run
