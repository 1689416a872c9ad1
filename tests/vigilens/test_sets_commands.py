"""`vigilens sets …` and `vigilens milvus` as an operator uses them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from detailed import detailed
from PIL import Image

from harness.ports import free_ports
from reference_sets.defaults import completed, defaults
from reference_sets.model import CheckThresholds, Mirrored, Thresholds, Verify
from reference_sets.store import Store
from vigilens.cli import main


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `vigilens sets …` on a database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGILENS_MILVUS__URI", str(tmp_path / "sets.db"))
    monkeypatch.setenv("VIGILENS_ENCODER__NAME", "pdq")  # its thresholds are known numbers

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


def test_a_set_is_made_filled_listed_shown_changed_and_dropped(sets, pictures: Path):
    assert sets("create", "spam", "--category", "ads", "--severity", "40").exit_code == 0
    added = sets("add", "spam", str(pictures))
    assert added.exit_code == 0, added.output
    assert "spam: 3 added, 0 known already, 1 refused of 4 files" in added.stdout
    assert "notes.txt: unknown_format" in added.stderr
    assert "0 added, 3 known already" in sets("add", "spam", str(pictures)).stdout
    (listed,) = json.loads(sets("list", "--json").stdout)
    assert (listed["name"], listed["references"], listed["review"], listed["block"]) == ("spam", 3, 0.5, 0.7578125)
    assert listed["encoder"].startswith("pdq:")
    assert "spam" in sets("list").stdout
    assert sets("thresholds", "spam", "--review", "0.7").exit_code == 0
    assert json.loads(sets("show", "spam", "--json").stdout)["review"] == 0.7
    assert sets("drop", "spam", answer="n\n").exit_code == 1
    assert sets("drop", "spam", answer="y\n").exit_code == 0
    assert json.loads(sets("list", "--json").stdout) == []


def test_the_check_and_mirrored_copies_are_chosen_shown_and_changed(sets, pictures: Path):
    given = ("--verify", "required", "--check-block", "0.2", "--mirrored", "stored")
    assert sets("create", "memes", *given).exit_code == 0
    waves = 127 + 120 * np.sin(np.linspace(0, 12, 240))
    Image.fromarray(np.tile(waves.astype(np.uint8), (240, 1))).save(pictures / "without_corners.png")
    added = sets("add", "memes", str(pictures))
    assert "memes: 4 added" in added.stdout
    assert "1 of the added have too little detail for the geometric check: they never match" in added.stdout
    facts = json.loads(sets("show", "memes", "--json").stdout)
    assert (facts["verify"], facts["check_review"], facts["check_block"]) == ("required", 0.2, 0.2)
    assert (facts["mirrored"], facts["references"]) == ("stored", 4)
    assert all(word in sets("show", "memes").stdout for word in ("verify", "check_review", "mirrored"))
    assert "(verify required)" in sets("thresholds", "memes", "--check-review", "0.1").stdout
    (listed,) = json.loads(sets("list", "--json").stdout)
    assert (listed["check_review"], listed["check_block"], listed["review"]) == (0.1, 0.2, 0.5)
    assert sets("thresholds", "memes", "--check-review", "0.3").exit_code == 2
    assert sets("create", "other", "--check-review", "0").exit_code == 2
    sets("create", "plain")
    facts = json.loads(sets("show", "plain", "--json").stdout)
    assert (facts["verify"], facts["mirrored"]) == ("off", "off")


def test_each_encoder_has_its_defaults():
    words, pdq, other = defaults("words"), defaults("pdq"), defaults("openclip")
    assert (words.verify, words.mirrored) == (Verify.REQUIRED, Mirrored.STORED)
    assert (pdq.verify, pdq.mirrored) == (other.verify, other.mirrored) == (Verify.OFF, Mirrored.OFF)
    assert words.thresholds
    assert pdq.thresholds == Thresholds(1 - 64 / 128, 1 - 31 / 128)
    assert other.thresholds is None
    assert [completed(CheckThresholds(0.3, 0.5), *given) for given in ((None, None), (0.6, None), (None, 0.2))] == [
        (0.3, 0.5),
        (0.6, 0.6),
        (0.2, 0.2),
    ]


def test_references_are_removed_by_id_by_label_and_by_picture(sets, pictures: Path):
    sets("create", "spam")
    sets("add", "spam", str(pictures))
    assert "1 removed" in sets("remove", "spam", "--label", "0.png", "--yes").stdout
    assert "1 removed" in sets("remove", "spam", str(pictures / "1.png"), "--yes").stdout
    assert sets("remove", "spam", str(pictures / "2.png"), answer="n\n").exit_code == 1
    with Store(os.environ["VIGILENS_MILVUS__URI"]) as store:
        (left,) = store.references("spam")
    assert left.label == "2.png"
    assert "1 removed" in sets("remove", "spam", "--id", left.id, "--yes").stdout
    assert sets("remove", "spam").exit_code == 2


def test_a_set_is_exported_and_imported_under_another_name(sets, pictures: Path, tmp_path: Path):
    sets("create", "spam")
    sets("add", "spam", str(pictures))
    file = str(tmp_path / "spam.parquet")
    assert "3 references of spam" in sets("export", "spam", file).stdout
    assert sets("export", "spam", file, answer="n\n").exit_code == 1
    assert "copy: 3 references in a new set" in sets("import", file, "--name", "copy").stdout
    assert "copy: 3 references added or replaced" in sets("import", file, "--name", "copy").stdout


def test_when_no_file_becomes_a_reference_the_exit_code_says_so(sets, pictures: Path):
    sets("create", "spam")
    assert sets("add", "spam", str(pictures / "notes.txt")).exit_code == 1


def test_mistakes_are_one_sentence_and_no_traceback(sets, pictures: Path):
    missing = sets("add", "nowhere", str(pictures))
    assert (missing.exit_code, "there is no set named nowhere" in missing.stderr) == (1, True)
    assert "exists already" in (sets("create", "spam"), sets("create", "spam"))[1].stderr
    assert sets("create", "other", "--review", "0.9", "--block", "0.8").exit_code == 2
    assert sets("thresholds", "spam").exit_code == 2
    assert "cannot name a set" in sets("create", "a-b").stderr


@pytest.mark.parametrize("words", [["milvus"], ["sets"], *(["sets", w] for w in ("create", "add", "remove"))])
def test_help_teaches_with_an_example(words: list[str]):
    assert "Example:" in CliRunner().invoke(main, [*words, "--help"]).stdout


def test_vigilens_milvus_serves_until_it_is_told_to_stop(tmp_path: Path):
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "vigilens.cli", "milvus", "--data", str(tmp_path / "sets.db"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            with Store(f"http://127.0.0.1:{port}") as store:
                assert store.sets() == ()
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (second.returncode, second.stdout) == (1, "")
            assert "cannot be listened on" in second.stderr
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_set_of_the_default_encoder_checks_and_stores_mirror_images_without_a_word(sets, pictures: Path, monkeypatch):
    monkeypatch.delenv("VIGILENS_ENCODER__NAME")
    Image.fromarray(detailed(1)).save(pictures / "detailed.png")
    assert sets("create", "spam").exit_code == 0
    assert "spam: 1 added" in sets("add", "spam", str(pictures / "detailed.png")).stdout
    shown = json.loads(sets("show", "spam", "--json").stdout)
    assert shown["encoder"].startswith("words:")
    assert (shown["verify"], shown["mirrored"], shown["references"]) == ("required", "stored", 1)
