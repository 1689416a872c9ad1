"""The commands for sets, on a database of their own, and pictures to add."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from vigilens.cli import main


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `vigilens sets …` on a database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGILENS_MILVUS__URI", str(tmp_path / "sets.db"))
    monkeypatch.setenv("VIGILENS_SETS__DEFAULT_ENCODER", "pdq")  # its thresholds are known numbers

    def run(*words: str, answer: str = "") -> Result:
        return CliRunner().invoke(main, ["sets", *words], input=answer)

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures with detail, and a text."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        small = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(small).resize((240, 240), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder
