"""Lists of hashes for the database of `sets`, and what became of them."""

import json
from pathlib import Path

import pytest
from click.testing import Result


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
