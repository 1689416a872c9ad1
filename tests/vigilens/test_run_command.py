"""How `vigilens run` ends if it cannot go on: its last line on stderr is a line of its log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.load import PREFIX

ROOT = Path(__file__).parents[2]
# The service ends with an error; all around it is as in `vigilens run`.
ENDING = """
import sys
from consumer import service
from vigilens.cli import main

def run(*_):
    {raising}

service.run = run
main(["run"])
"""


@pytest.fixture
def ended(tmp_path):
    """Exit code and stderr of `vigilens run` whose service runs the statement `raising`."""

    def end(raising, **settings):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        done = subprocess.run(
            [sys.executable, "-c", ENDING.format(raising=raising)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), **settings},
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    return end


EXPECTED = "from patience import Away; raise Away('milvus stayed away for 5 s')"
UNEXPECTED = "raise ZeroDivisionError('no such thing')"


def test_an_expected_error_is_one_json_line_with_its_class(ended):
    code, said = ended(EXPECTED)
    (line,) = said.splitlines()
    last = json.loads(line)
    assert code == 1
    assert (last["level"], last["logger"], last["message"]) == ("ERROR", "vigilens.service", "ended")
    assert (last["error"], last["why"]) == ("Away", "milvus stayed away for 5 s")
    assert "exception" not in last


def test_an_unexpected_error_is_one_json_line_with_its_traceback_inside(ended):
    code, said = ended(UNEXPECTED)
    (line,) = said.splitlines()
    last = json.loads(line)
    assert code == 1
    assert (last["level"], last["message"], last["error"]) == ("CRITICAL", "ended", "ZeroDivisionError")
    assert last["exception"].startswith("Traceback")
    assert last["exception"].endswith("ZeroDivisionError: no such thing")


def test_the_last_line_is_text_if_the_log_is_text(ended):
    code, said = ended(EXPECTED, VIGILENS_LOG__FORMAT="text")
    assert code == 1
    (line,) = said.splitlines()
    assert line.endswith("ERROR   ended error=Away why=milvus stayed away for 5 s")


def test_mistakes_in_the_settings_are_one_line_too(ended):
    code, said = ended(EXPECTED, VIGILENS_BATCH__IMAGES="none", VIGILENS_HTTP__PORT="none")
    (line,) = said.splitlines()
    last = json.loads(line)
    assert (code, last["error"]) == (1, "SettingsError")
    assert len(last["why"].splitlines()) == 2


def test_an_interruption_before_the_service_runs_is_not_an_error(ended):
    assert ended("raise KeyboardInterrupt") == (130, "")
