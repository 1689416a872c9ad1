"""ops/systemd: what systemd itself says about the units, and what the service needs of them."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from run import needs_program

from vigilens.cli import main

UNITS = sorted((Path(__file__).parents[2] / "ops/systemd").glob("*.service"))
PROGRAM = "/opt/vigilens/bin/vigilens"
EXPOSED = 2.0  # of 10, by systemd's own measure; a unit without any of these keys has 9.6


def named(path):
    return path.stem


def values(unit):
    """All values of each key."""
    found = {}
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The units with a program that exists here."""
    needs_program("systemd-analyze")
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        (folder / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def analyze(*words):
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_systemd_finds_no_mistake_in_the_units(copies):
    assert len(UNITS) == 3
    assert analyze("verify", "--man=no", *sorted(copies.glob("*.service"))) == (0, "")


def test_a_key_that_is_written_wrong_is_found(copies, tmp_path):
    broken = tmp_path / "broken.service"
    broken.write_text((copies / UNITS[0].name).read_text().replace("Restart=", "Restrat="))
    assert "Restrat" in analyze("verify", "--man=no", broken)[1]


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_a_unit_can_do_little_but_its_work(copies, unit):
    code, said = analyze("security", "--offline=true", f"--threshold={EXPOSED * 10:.0f}", copies / unit.name)
    assert code == 0, said


@pytest.mark.parametrize("unit", UNITS, ids=named)
def test_a_unit_starts_a_command_that_there_is_and_is_started_again_for_as_long_as_it_takes(unit):
    found = values(unit)
    (start,) = found["ExecStart"]
    program, *words = start.split()
    assert program == PROGRAM
    assert words[0] in main.list_commands(click.Context(main))
    options = [word for word in words if word.startswith("--")]
    said = CliRunner().invoke(main, [words[0], "--help"]).output
    assert [option for option in options if option not in said] == []
    assert found["Restart"] == ["on-failure"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert "${" not in start  # others can read the command line, and an address may be a secret
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)=[^…\s]", unit.read_text())


def test_a_stop_lets_the_service_finish_with_its_decoders_and_a_decoder_without_memory_does_not_end_it():
    (service,) = (values(unit) for unit in UNITS if unit.stem == "vigilens")
    assert service["KillMode"] == ["mixed"]
    assert service["OOMPolicy"] == ["continue"]
    assert int(service["TimeoutStopSec"][0]) >= 60
