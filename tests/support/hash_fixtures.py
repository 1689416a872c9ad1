"""Runs `vigilens sets …` on a database of its own, and lists of hashes for it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vigilens.cli import main


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `vigilens sets …` on a database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGILENS_MILVUS__URI", str(tmp_path / "sets.db"))
    monkeypatch.setenv("VIGILENS_ENCODER__NAME", "pdq")

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, ["sets", *words])

    return run


@pytest.fixture
def bring(sets, tmp_path: Path):
    """Imports a text as a list named list.txt into the set `known`."""

    def bringing(text: str, *words: str, name: str = "list.txt") -> Result:
        (tmp_path / name).write_text(text)
        return sets("import-hashes", name, "--set", "known", *words)

    return bringing


@pytest.fixture
def listed(sets):
    """The references of the set `known`: value → facts."""

    def listing(*words: str) -> dict[str, dict]:
        done = sets("references", "known", "--json", *words)
        assert done.exit_code == 0, done.output
        return {one["digest"]: one for one in json.loads(done.stdout)}

    return listing
