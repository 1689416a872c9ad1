"""The tables of encoders in the settings."""

import json
from pathlib import Path

import pytest
from settings_file import mistakes, written

from config.load import PREFIX, load, load_with_sources
from config.settings import BUILT_IN
from vigilens.commands.config import as_toml


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
        ('[encoders.clip]\nmodel = "a"\n', "encoders.clip.kind: is missing beside encoders.clip.model (set in "),
        ("[encoders.clip]\n", "encoders.clip (in mine.toml): the table is empty; set kind to one of words, pdq,"),
        ('[encoders.clip]\nkind = "onnxx"\n', "encoders.clip.kind (set in "),
        ('[encoders.clip]\nkind = "pdq"\nmodle = "a"\n', "clip.modle (in mine.toml): no such key; did you mean model?"),
        ('[encoders.clip]\nkind = "pdq"\nx = "a"\n', "no such key; the keys are kind, model, checkpoint,"),
        ('[encoders]\nclip = "a"\n', "encoders.clip (in mine.toml): must be a table"),
        ("encoders = 5\n", "encoders (in mine.toml): must be a table"),
        ('[[encoders]]\nkind = "pdq"\n', "encoders (in mine.toml): must be a table"),
        ('[encoders."a.b"]\nkind = "pdq"\n', "encoders.a.b.kind (in mine.toml): a.b cannot name an encoder: take 1-32"),
        ('[encoders.""]\nkind = "pdq"\n', 'encoders..kind: "" cannot name an encoder'),
        ('[encoders."a b"]\nkind = "pdq"\n', "(encoders.a b.kind set in mine.toml)"),
        (
            '[encoders.clip]\nkind = "pdq"\ncheckpoint = "a"\n',
            "clip.checkpoint has no effect, because encoders.clip.kind is pdq",
        ),
        (
            '[encoders.clip]\nkind = "onnx"\ncheckpoint = "a"\ninput = 5\n',
            "encoders.clip.input (set in mine.toml): should be a table",
        ),
        ('[encoder]\nname = "pdq"\nmodel = ""\n', "[encoder] has become one table for each encoder"),
    ],
)
def test_a_mistake_in_the_table_of_an_encoder_is_one_sentence_with_its_key(text, sentence):
    (mistake,) = mistakes(written(text).relative_to(Path.cwd()))
    assert sentence in mistake


def test_the_table_of_a_built_in_encoder_may_be_empty():
    assert set(load(written("[encoders.relatives]\n")).encoders) == set(BUILT_IN)


@pytest.mark.parametrize("name", ["ENCODER__NAME", "ENCODER"])
def test_the_former_variables_of_the_encoder_are_explained(monkeypatch, name):
    monkeypatch.setenv(PREFIX + name, "pdq")
    assert mistakes()[0].startswith(f"{PREFIX}{name} (in the environment): [encoder] has become one table for each")


@pytest.mark.parametrize(
    "name", ["ENCODERS", "ENCODERS__X", "ENCODERS__X__KIN", "ENCODERS__A__B__KIND", "ENCODERS__x__kind"]
)
def test_a_variable_of_an_encoder_that_is_not_understood_is_explained(monkeypatch, name):
    monkeypatch.setenv(PREFIX + name, "pdq")
    (mistake,) = mistakes()
    assert f"{PREFIX}{name} (in the environment): no such setting; it is VIGILENS_ENCODERS__NAME__KEY" in mistake


def test_an_input_in_a_variable_is_json_or_empty(monkeypatch):
    monkeypatch.setenv("VIGILENS_ENCODERS__X__KIND", "onnx")
    monkeypatch.setenv("VIGILENS_ENCODERS__X__CHECKPOINT", "x.onnx")
    monkeypatch.setenv("VIGILENS_ENCODERS__X__INPUT", "")
    assert load().encoders["x"].input == {}
    monkeypatch.setenv("VIGILENS_ENCODERS__X__INPUT", "mean=1")
    assert mistakes() == [
        "encoders.x.input (set by VIGILENS_ENCODERS__X__INPUT): should be a table; JSON in a variable"
    ]


def test_what_config_prints_of_an_input_can_be_read_again(monkeypatch):
    given = (
        '{"mean": [0.1, 1e-7, 2], "resize": "pad", "size": null, "a b": {"c\\"d": [[], {}], "e": "\\u007f\\n\\u00fc"}}'
    )
    monkeypatch.setenv("VIGILENS_ENCODERS__X__KIND", "onnx")
    monkeypatch.setenv("VIGILENS_ENCODERS__X__CHECKPOINT", "x.onnx")
    monkeypatch.setenv("VIGILENS_ENCODERS__X__INPUT", given)
    first = load_with_sources()
    monkeypatch.delenv("VIGILENS_ENCODERS__X__INPUT")
    again = load(written(as_toml(first)))
    assert again.encoders["x"].input == {key: value for key, value in json.loads(given).items() if value is not None}
