import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from config.load import SettingsError
from embedding.encoder import EncoderError
from patience import Away
from reference_sets.store import StoreError, UnknownSet
from vigilens import cli
from vigilens.commands import sets as sets_command
from vigilens.errors import EXPECTED

HEAVY = ("torch", "numpy", "PIL", "pymilvus", "pyarrow", "pydantic", "kafka", "rich", "open_clip", "prometheus_client")


def vigilens(*words: str) -> Result:
    return CliRunner().invoke(cli.main, words)


def run_here(*words: str) -> tuple[str, set[str]]:
    """Output of the command line in a fresh process, and the modules that it has imported."""
    show = f"import sys; from vigilens.cli import main; main({words!r}, standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    output, _, modules = done.stdout.rstrip().rpartition("\n")
    return output, set(modules.split())


@pytest.fixture
def a_command_that(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds a command named `trial` to the group."""

    def put(act: Callable[[], None]) -> None:
        module = type(sys)("trial_of_the_command_line")
        module.command = click.command(name="trial")(act)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(cli.COMMANDS, "trial", (module.__name__, "A trial."))

    return put


def test_help_lists_all_commands_and_teaches_a_first_session():
    result = vigilens("--help")
    assert result.exit_code == 0
    for name in cli.COMMANDS:
        assert re.search(rf"^  {name} +\w", result.output, re.MULTILINE), name
    assert "A first session" in result.output


def test_help_imports_nothing_heavy():
    output, loaded = run_here("--help")
    assert "A first session" in output
    assert "click" in loaded
    assert loaded.isdisjoint({*HEAVY, *(module for module, _ in cli.COMMANDS.values())})


@pytest.mark.parametrize("group", [cli.main, sets_command.command])
def test_the_short_help_of_a_command_is_the_same_in_both_places(group):
    with click.Context(group) as ctx:
        written = {name: line for name, (_, line) in group.later.items()}
        assert {name: group.get_command(ctx, name).get_short_help_str(limit=200) for name in written} == written


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_explains_itself_without_settings_and_without_torch(name):
    output, loaded = run_here(name, "--help")
    assert output.startswith("Usage:")
    assert loaded.isdisjoint({"torch", "pymilvus", "open_clip", "pyarrow"})


def test_commands_import_only_what_they_need(sets, pictures: Path):
    """Each of these libraries takes 0.1 to 2 s: a command that imports one is slower for everybody."""
    assert sets("create", "spam").exit_code == 0
    commands = (["sets", "list"], ["sets", "show", "spam"], ["sets", "edit", "spam", "--note", "x"], [])
    commands += (["sets", "add", "spam", str(pictures)], ["scan", str(pictures)])
    show = "words and main(words, standalone_mode=False); print('loaded', *sys.modules)"
    program = f"import sys; from vigilens.cli import main\nfor words in {commands!r}: {show}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = [set(line.split()) for line in done.stdout.splitlines() if line.startswith("loaded ")]
    assert len(loaded) == len(commands)
    assert {"pymilvus", "milvus_lite"} <= loaded[3]
    assert {"torch", "pandas", "faiss", "scipy", "cv2", "PIL", "rich", "kafka", "jinja2"} & loaded[3] == set()
    assert {"matcher.judge", "PIL"} <= loaded[-1]
    assert {"torch", "pandas", "scipy", "rich", "kafka", "jinja2"} & loaded[-1] == set()


def test_the_module_can_be_run_too():
    done = subprocess.run(
        [sys.executable, "-m", "vigilens.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert re.search(r"version \d+\.\d+\.\d+", done.stdout)


def test_a_wrong_command_is_refused_with_the_nearest_one():
    result = vigilens("chekc")
    assert result.exit_code == 2
    assert "check" in result.stderr


@pytest.mark.parametrize("kind", [SettingsError, EncoderError, StoreError, Away])
def test_an_expected_error_is_one_sentence_and_code_1(a_command_that, kind):
    def fail():
        raise kind("the thing is broken; fix it")

    a_command_that(fail)
    result = vigilens("trial")
    assert result.exit_code == 1
    assert result.stderr == "Error: the thing is broken; fix it\n"
    assert result.stdout == ""


def test_a_subclass_of_an_expected_error_is_expected_too(a_command_that):
    def fail():
        raise UnknownSet("spam", "vigilens.db")

    a_command_that(fail)
    assert vigilens("trial").exit_code == 1


def test_every_expected_error_has_its_class():
    for module, name in EXPECTED:
        assert issubclass(getattr(importlib.import_module(module), name), Exception)


def test_a_bug_keeps_its_traceback(a_command_that):
    def fail():
        raise ZeroDivisionError

    a_command_that(fail)
    assert isinstance(vigilens("trial").exception, ZeroDivisionError)


def test_an_interruption_is_130(a_command_that):
    def interrupt():
        raise KeyboardInterrupt

    a_command_that(interrupt)
    assert vigilens("trial").exit_code == 130


def test_settings_are_read_once_and_only_when_asked_for(a_command_that, tmp_path):
    asked = []

    @click.pass_obj
    def look(settings):
        asked.extend([settings(), settings()])

    file = tmp_path / "mine.toml"
    file.write_text('[kafka]\ngroup = "mine"\n')
    a_command_that(look)
    assert vigilens("--config", str(file), "trial").exit_code == 0
    assert asked[0] is asked[1]
    assert asked[0].kafka.group == "mine"


def test_a_mistake_in_the_settings_is_reported_by_any_command_that_reads_them(tmp_path):
    result = vigilens("--config", str(tmp_path / "nowhere.toml"), "config")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "nowhere.toml: no such file" in result.stderr
