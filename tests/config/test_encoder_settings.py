"""The tables of encoders in the settings."""

import os
from pathlib import Path

import pytest

from config.load import PREFIX, SettingsError, load, load_with_sources
from config.settings import BUILT_IN


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Path:
    file = Path("mine.toml").absolute()
    file.write_text(text)
    return file


def mistakes(file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(file)
    return str(caught.value).splitlines()


def test_an_encoder_is_a_table_with_a_name_and_what_it_lacks_has_defaults():
    file = written('[encoders.clip]\nkind = "openclip"\nmodel = "ViT-B-32"\ncheckpoint = "clip.pt"\n')
    encoders = load(file).encoders
    assert set(encoders) == {*BUILT_IN, "clip"}
    assert (encoders["clip"].model, encoders["clip"].device) == ("ViT-B-32", "auto")


def test_the_environment_sets_single_keys_of_encoders(monkeypatch):
    monkeypatch.setenv("VIGILENS_ENCODERS__CLIP_LARGE__KIND", "onnx")
    monkeypatch.setenv("VIGILENS_ENCODERS__CLIP_LARGE__CHECKPOINT", "clip.onnx")
    monkeypatch.setenv("VIGILENS_ENCODERS__CLIP_LARGE__INPUT", '{"size": [224, 224]}')
    found = load_with_sources()
    clip = found.settings.encoders["clip_large"]
    assert (clip.kind, clip.checkpoint, clip.input) == ("onnx", "clip.onnx", {"size": [224, 224]})
    assert found.sources["encoders.clip_large.kind"] == "VIGILENS_ENCODERS__CLIP_LARGE__KIND"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[encoders.clip]\nmodel = "a"\n', "encoders.clip.kind: is missing"),
        ('[encoders.clip]\nkind = "onnxx"\n', "encoders.clip.kind (set in "),
        ('[encoders.clip]\nkind = "pdq"\nmodle = "a"\n', "encoders.clip.modle (in "),
        ('[encoders]\nclip = "a"\n', "encoders.clip (in "),
        ('[encoder]\nname = "pdq"\nmodel = ""\n', "[encoder] has become one table for each encoder"),
    ],
)
def test_a_mistake_in_the_table_of_an_encoder_is_one_sentence_with_its_key(text, sentence):
    (mistake,) = mistakes(written(text))
    assert sentence in mistake


def test_the_former_variables_of_the_encoder_are_explained(monkeypatch):
    monkeypatch.setenv("VIGILENS_ENCODER__NAME", "pdq")
    assert "[encoders.NAME]" in mistakes()[0]
