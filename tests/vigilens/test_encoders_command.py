"""`vigilens encoders …` as an operator uses it."""

import json
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from config.load import load
from embedding.projection import load as load_projection
from vigilens import wiring
from vigilens.cli import main


@pytest.fixture
def vigilens(tmp_path, monkeypatch):
    """Runs `vigilens …` with a database of its own, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGILENS_MILVUS__URI", str(tmp_path / "sets.db"))

    def run(*words, answer=""):
        return CliRunner().invoke(main, [str(word) for word in words], input=answer)

    return run


@pytest.fixture
def pictures(tmp_path):
    """40 pictures with detail, one without, and a text."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        small = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    Image.new("RGB", (96, 96), "white").save(folder / "white.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_the_list_names_each_encoder_its_sets_and_why_one_cannot_be_loaded(vigilens, tmp_path):
    mine = '[encoders.mine]\nkind = "onnx"\ncheckpoint = "none.onnx"\n'
    (tmp_path / "vigilens.toml").write_text(mine)
    assert vigilens("sets", "create", "spam", "--encoder", "pdq").exit_code == 0
    listed = vigilens("encoders", "list")
    assert listed.exit_code == 0, listed.output
    rows = {line.split("\t")[0]: line.split("\t") for line in listed.stdout.splitlines()}
    assert list(rows) == ["words", "pdq", "relatives", "mine"]
    assert rows["pdq"][1:3] == ["pdq", "256"]
    assert rows["pdq"][3].startswith("pdq:")
    assert rows["pdq"][4:] == ["spam", "float32"]
    assert rows["relatives"][1:3] == ["relatives", "1280"]
    assert rows["mine"][1:5] == ["onnx", "", "", ""]
    assert rows["mine"][5] == "not loaded: encoders.mine: there is no ONNX file at none.onnx: set checkpoint to one"
    as_json = {row["encoder"]: row for row in json.loads(vigilens("encoders", "list", "--json").stdout)}
    assert as_json["pdq"]["sets"] == ["spam"]
    assert [name for name, row in as_json.items() if row["default"]] == ["words"]


def test_without_milvus_the_encoders_are_listed_all_the_same(vigilens, monkeypatch):
    monkeypatch.setenv("VIGILENS_MILVUS__URI", "http://127.0.0.1:9")
    monkeypatch.setenv("VIGILENS_MILVUS__TIMEOUT_S", "1")
    listed = vigilens("encoders", "list")
    assert listed.exit_code == 0
    assert "which sets use them is not known" in listed.stderr
    assert len(listed.stdout.splitlines()) == 3


def test_an_encoder_is_reduced_and_its_table_can_be_pasted_into_the_settings(vigilens, pictures, tmp_path):
    made = vigilens("encoders", "reduce", "pdq", "--to", "8", "--pictures", pictures)
    assert made.exit_code == 0, made.output
    assert "2 of 42 files are left out" in made.stderr
    assert "pdq8.safetensors: 8 of 256 values" in made.stderr
    table = tomllib.loads(made.stdout)["encoders"]["pdq8"]
    assert table == {"kind": "pdq", "projection": str(tmp_path / "pdq8.safetensors")}
    (tmp_path / "vigilens.toml").write_text(made.stdout)
    encoder = wiring.encoders(load()).get("pdq8")
    assert encoder.dimension == 8
    assert encoder.fingerprint.startswith("projected:")
    assert load_projection(tmp_path / "pdq8.safetensors").pictures == 40
    created = vigilens("sets", "create", "short", "--encoder", "pdq8", "--review", "0.6", "--block", "0.9")
    assert created.exit_code == 0, created.output
    added = vigilens("sets", "add", "short", pictures / "0.png")
    assert "short: 1 added" in added.stdout


def test_what_the_encoder_needs_is_in_the_new_table_too(vigilens, pictures, tmp_path):
    (tmp_path / "vigilens.toml").write_text('[encoders.other]\nkind = "words"\ndevice = "cpu"\n')
    made = vigilens("encoders", "reduce", "other", "--to", "4", "--pictures", pictures, "--output", "o.safetensors")
    table = tomllib.loads(made.stdout)["encoders"]["other4"]
    assert table == {"kind": "words", "device": "cpu", "projection": str(tmp_path / "o.safetensors")}


def test_too_few_pictures_are_an_error(vigilens, pictures, tmp_path):
    refused = vigilens("encoders", "reduce", "pdq", "--to", "40", "--pictures", pictures)
    assert refused.exit_code == 1
    assert "40 pictures differ in at most 39 ways: give more to keep 40 values" in refused.stderr
    assert not (tmp_path / "pdq40.safetensors").exists()


@pytest.mark.parametrize("folder", ["nowhere", "pictures/0.png"])
def test_a_folder_that_is_not_there_is_named_before_anything_is_computed(vigilens, pictures, folder):
    words = ("encoders", "reduce", "pdq", "--to", "4", "--pictures", pictures)
    refused = vigilens(*words, "--output", f"{folder}/x.safetensors")
    assert (refused.exit_code, f"there is no folder {folder}" in refused.stderr) == (2, True)


def test_a_projection_is_only_overwritten_after_a_question(vigilens, pictures, tmp_path):
    words = ("encoders", "reduce", "pdq", "--to", "4", "--pictures", pictures)
    assert vigilens(*words).exit_code == 0
    before = (tmp_path / "pdq4.safetensors").read_bytes()
    (pictures / "0.png").unlink()
    refused = vigilens(*words, answer="n\n")
    assert refused.exit_code == 1
    assert "Sets that were made with it need it" in refused.stderr
    assert (tmp_path / "pdq4.safetensors").read_bytes() == before
    assert vigilens(*words, "--yes").exit_code == 0
    assert (tmp_path / "pdq4.safetensors").read_bytes() != before


def test_a_reduced_encoder_is_not_reduced_again(vigilens, pictures, tmp_path):
    made = vigilens("encoders", "reduce", "pdq", "--to", "8", "--pictures", pictures)
    (tmp_path / "vigilens.toml").write_text(made.stdout)
    again = vigilens("encoders", "reduce", "pdq8", "--to", "4", "--pictures", pictures)
    assert again.exit_code == 1
    assert "pdq8 is reduced already" in again.stderr
    unknown = vigilens("encoders", "reduce", "pdq9", "--to", "4", "--pictures", pictures)
    assert "there is no encoder pdq9" in unknown.stderr
