import itertools
import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from settings_file import mistakes, written

from config.load import DEFAULTS, FILE_VARIABLE, keys, load, load_with_sources, variable
from config.settings import BUILT_IN, Encoder
from vigilens.cli import main

ROOT = Path(__file__).parents[2]
SECRET = "geheim-4711"  # noqa: S105 (not a real one)
IN_DEFAULTS = tomllib.loads(DEFAULTS.read_text())


def vigilens(*words: str) -> Result:
    return CliRunner().invoke(main, words)


# --- defaults ---


def test_default_toml_and_the_models_have_the_same_keys():
    tables = {section: table for section, table in IN_DEFAULTS.items() if section != "encoders"}
    assert {f"{section}.{key}" for section, table in tables.items() for key in table} == set(keys())
    assert set(IN_DEFAULTS["encoders"]) == set(BUILT_IN)


def test_default_toml_explains_every_key_of_an_encoder():
    above = DEFAULTS.read_text().partition("[encoders.words]")[0]
    assert [key for key in Encoder.model_fields if f"#   {key} = " not in above] == []


def test_default_toml_alone_is_valid():
    assert load().kafka.group == IN_DEFAULTS["kafka"]["group"]


def test_every_key_of_default_toml_has_a_comment_above_it():
    lines = DEFAULTS.read_text().splitlines()
    bare = [line for above, line in itertools.pairwise(lines) if "=" in line.split("#")[0] and above[:1] != "#"]
    assert bare == []


def test_the_docs_contain_default_toml_unchanged():
    assert f"```toml\n{DEFAULTS.read_text()}```\n" in (ROOT / "docs/configuration.md").read_text()


def test_the_docs_name_every_secret_and_every_key():
    above, _, below = (ROOT / "docs/configuration.md").read_text().partition("## Every key")
    assert [key for key, kind in keys().items() if kind is SecretStr and f"`{key}`" not in above] == []
    assert [key for key in keys() if not re.search(rf"^{key.split('.')[1]} = ", below, re.MULTILINE)] == []


# --- the three sources ---


def test_the_file_overrides_the_defaults_and_the_environment_overrides_the_file(monkeypatch):
    file = written('[kafka]\ngroup = "from-file"\nstart = "latest"\n')
    monkeypatch.setenv("VIGILENS_KAFKA__GROUP", "from-environment")
    kafka = load(file).kafka
    assert (kafka.group, kafka.start, kafka.images_topic) == ("from-environment", "latest", "vigilens.images")


def test_the_source_of_each_value_is_known(monkeypatch):
    file = written("[batch]\nimages = 8\n")
    monkeypatch.setenv("VIGILENS_BATCH__DEPTH", "3")
    sources = load_with_sources(file).sources
    assert sources["batch.images"] == str(file)
    assert sources["batch.depth"] == "VIGILENS_BATCH__DEPTH"
    assert sources["batch.bytes"] == "default.toml"


def test_vigilens_toml_in_the_current_folder_is_found_and_the_variable_takes_precedence(monkeypatch):
    Path("vigilens.toml").write_text("[batch]\nimages = 8\n")
    assert load().batch.images == 8
    monkeypatch.setenv(FILE_VARIABLE, str(written("[batch]\nimages = 9\n")))
    assert load().batch.images == 9


@pytest.mark.parametrize("text", ["/a,/b", " /a , /b,", '["/a", "/b"]'])
def test_a_list_in_the_environment_is_json_or_separated_by_commas(monkeypatch, text):
    monkeypatch.setenv("VIGILENS_IMAGES__ROOTS", text)
    assert load().images.roots == (Path("/a"), Path("/b"))


def test_an_empty_variable_is_an_empty_list(monkeypatch):
    monkeypatch.setenv("VIGILENS_SETS__USE", "")
    assert load(written('[sets]\nuse = ["a"]\n')).sets.use == ()


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().kafka.group = "other"


# --- mistakes ---


def test_a_missing_file_gives_one_sentence(monkeypatch):
    assert mistakes(Path("nowhere.toml")) == ["nowhere.toml: no such file (named by --config)"]
    monkeypatch.setenv(FILE_VARIABLE, "elsewhere.toml")
    assert mistakes() == ["elsewhere.toml: no such file (named by VIGILENS_CONFIG)"]


def test_for_broken_toml_line_and_column_are_named():
    file = written('[kafka]\ngroup = "x"\ninstance = oops\n')
    assert mistakes(file) == [f"{file}: Invalid value (at line 3, column 12)"]


def test_a_file_that_is_not_text_gives_one_sentence():
    file = Path("mine.toml").absolute()
    file.write_bytes(b"\xff\xfe\x00")
    assert len(mistakes(file)) == 1


def test_unknown_keys_are_refused_with_the_nearest_known_one():
    file = written('stray = 1\n[kafka]\ngruop = "x"\n[weird]\nx = 1\n[nothing]\n')
    lines = mistakes(file)
    assert f"kafka.gruop (in {file}): no such key; did you mean kafka.group?" in lines
    assert f"stray (in {file}): no such key; `vigilens config` lists all of them" in lines
    assert f"weird (in {file}): no such key; `vigilens config` lists all of them" in lines
    assert f"nothing (in {file}): no such key; `vigilens config` lists all of them" in lines


@pytest.mark.parametrize("name", ["VIGILENS_KAFKA_GROUP", "VIGILENS_KAFKA__GRUOP"])
def test_unknown_variables_are_refused_with_the_nearest_known_one(monkeypatch, name):
    monkeypatch.setenv(name, SECRET)
    assert mistakes() == [f"{name} (in the environment): no such setting; did you mean VIGILENS_KAFKA__GROUP?"]


def test_a_section_that_is_not_a_table_is_refused():
    assert len(mistakes(written("kafka = 5\n"))) == 1


def test_the_variables_that_kubernetes_sets_are_ignored(monkeypatch):
    monkeypatch.setenv("VIGILENS_PORT", "tcp://10.0.0.1:9464")
    monkeypatch.setenv("VIGILENS_PORT_9464_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("VIGILENS_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("VIGILENS_SERVICE_PORT_HTTP", "9464")
    monkeypatch.setenv("VIGILENS_METRICS_PORT", "sctp://10.0.0.1:9464")
    load()


def test_a_real_setting_is_never_taken_for_a_variable_of_kubernetes(monkeypatch):
    monkeypatch.setenv("VIGILENS_MILVUS__URI", "tcp://milvus:19530")
    assert load().milvus.uri == "tcp://milvus:19530"
    monkeypatch.setenv("VIGILENS_HTTP__PORT", "tcp://10.0.0.1:9464")
    (line,) = mistakes()
    assert line.startswith("http.port (set by VIGILENS_HTTP__PORT)")


def test_an_address_does_not_hide_a_misspelt_variable(monkeypatch):
    monkeypatch.setenv("VIGILENS_MILVUS_URI", "tcp://milvus:19530")
    (line,) = mistakes()
    assert line.startswith("VIGILENS_MILVUS_URI (in the environment): no such setting")


def test_all_mistakes_are_reported_at_once_with_their_sources(monkeypatch):
    file = written('[kafka]\ngruop = "x"\n[batch]\nimages = 0\n[images]\nroots = "/a"\n')
    monkeypatch.setenv("VIGILENS_HTTP__PORT", "abc")
    monkeypatch.setenv("VIGILENS_WAITING__GIVE_UP_S", "400")
    lines = mistakes(file)
    assert len(lines) == 5, lines
    for start in (
        f"kafka.gruop (in {file})",
        f"batch.images (set in {file}): input should be greater than or equal to 1",
        f"images.roots (set in {file}): input should be a valid tuple",
        "http.port (set by VIGILENS_HTTP__PORT): input should be a valid integer",
        "waiting.give_up_s must be less than kafka.max_poll_interval_s",
    ):
        assert any(line.startswith(start) for line in lines), start


def test_a_wrong_value_is_not_reported_a_second_time_as_a_contradiction():
    lines = mistakes(written('[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_mechanism = "PLAN"\n'))
    assert len(lines) == 1, lines
    assert lines[0].startswith("kafka.sasl_mechanism")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[kafka]\nsecurity_protocol = "SASL_SSL"\n', "kafka.security_protocol is SASL_SSL, which needs"),
        ('[kafka]\nsasl_mechanism = "PLAIN"\n', "kafka.sasl_mechanism is set, so"),
        ('[kafka]\nssl_certfile = "x.pem"\n', "kafka.ssl_certfile and kafka.ssl_keyfile go together"),
        ('[notify]\nsecret = "x"\nsecret_file = "y"\n', "notify.secret and notify.secret_file say the same"),
        (
            '[kafka]\nmetrics_topic = "vigilens.images"\n',
            "kafka.images_topic, kafka.verdicts_topic, kafka.metrics_topic, ",
        ),
        (
            '[encoders.cnn]\nkind = "timm"\nmodel = "resnet50"\n',
            "encoders.cnn.kind is timm, which needs encoders.cnn.checkpoint",
        ),
        ('[encoders.cnn]\nkind = "onnx"\n', "encoders.cnn.kind is onnx, which needs encoders.cnn.checkpoint"),
        ('[encoders.words]\nkind = "pdq"\n', "encoders.words.kind must be words, which is built in"),
        ('[encoders.Clip]\nkind = "pdq"\n', 'encoders.Clip.kind: "Clip" cannot name an encoder'),
        ('[encoders.exact]\nkind = "pdq"\n', 'encoders.exact.kind: "exact" cannot name an encoder'),
        (
            '[sets]\ndefault_encoder = "clip"\n',
            "sets.default_encoder is clip, but the encoders are pdq, relatives, words",
        ),
        ('[milvus]\nuri = "http://root:Milvus@localhost"\n', "milvus.uri must not hold a password"),
        ("[waiting]\ngive_up_s = 300.0\n", "waiting.give_up_s must be less than kafka.max_poll_interval_s"),
        ("[milvus]\ntimeout_s = 120.5\n", "milvus.timeout_s must not be more than waiting.give_up_s"),
    ],
)
def test_impossible_combinations_are_refused_and_the_sources_of_their_keys_named(text, sentence):
    file = written(text)
    (line,) = mistakes(file)
    assert line.startswith(sentence)
    assert f"set in {file}" in line


@pytest.mark.parametrize("value", ["nan", "inf", "-1.0"])
def test_times_must_be_finite_and_positive(value):
    assert mistakes(written(f"[milvus]\ntimeout_s = {value}\n"))


# --- secrets ---


def test_secrets_are_in_no_error_and_in_no_repr(monkeypatch):
    for key in ("kafka.sasl_password", "kafka.ssl_key_password", "milvus.token"):
        monkeypatch.setenv(variable(key), SECRET)
    assert SECRET not in repr(load())
    assert load().milvus.token.get_secret_value() == SECRET
    monkeypatch.setenv("VIGILENS_KAFKA__SASL_MECHANISM", SECRET)  # pasted into the wrong variable
    monkeypatch.setenv("VIGILENS_HTTP__PORT", SECRET)
    monkeypatch.setenv("VIGILENS_SETS__USE", f"[{SECRET}")
    file = written(f'[kafka]\ninstance = "{SECRET} "\nsasl_password = ["{SECRET}"]\n')
    assert SECRET not in "\n".join(mistakes(file))


def test_config_hides_secrets_in_toml_and_in_json(monkeypatch):
    monkeypatch.setenv("VIGILENS_MILVUS__TOKEN", SECRET)
    for words in (["config"], ["config", "--json"]):
        output = vigilens(*words).output
        assert SECRET not in output
        assert "********" in output


# --- vigilens config ---


def test_the_toml_that_config_prints_gives_the_same_settings_when_it_is_loaded():
    file = written('[kafka]\ngroup = "a \\"quoted\\" \\u007f \\\\ name ✓"\n[images]\nroots = ["/a", "/b"]\n')
    Path("again.toml").write_text(vigilens("--config", str(file), "config").output)
    assert load(Path("again.toml")) == load(file)


def test_config_prints_where_each_value_comes_from(monkeypatch):
    file = written("[batch]\nimages = 8\n")
    monkeypatch.setenv("VIGILENS_HTTP__PORT", "1")
    output = vigilens("--config", str(file), "config").output
    assert f"images = 8  # {file}" in output
    assert "port = 1  # VIGILENS_HTTP__PORT" in output
    assert "depth = 2  # default.toml" in output


def test_config_as_json_has_value_and_source():
    shown = json.loads(vigilens("config", "--json").output)
    assert shown["batch"]["images"] == {"value": 64, "from": "default.toml"}
    assert {f"{section}.{key}" for section, table in shown.items() for key in table if "." not in section} == set(
        keys()
    )
    assert shown["encoders.pdq"]["kind"] == {"value": "pdq", "from": "default.toml"}


def test_config_prints_the_defaults_with_their_reasons():
    assert vigilens("config", "--defaults").output == DEFAULTS.read_text()
