"""`vigilens sets` and `scan` where `vigilens milvus` is up to run them: like alone, and without a wait."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from vigilens.answers import meeting
from vigilens.answers.keep import _listening, answering

VIGILENS = [sys.executable, "-m", "vigilens.cli"]
HEAVY = {"numpy", "pydantic", "pymilvus", "pyarrow", "rich", "reference_sets.model"}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file `sets.db`, whose name is too long for a socket."""
    long = tmp_path_factory.mktemp("answers") / ("a" * 60) / ("b" * 60)
    long.mkdir(parents=True)
    return long


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """`vigilens milvus` with the file, in a process that was killed once: its socket was left behind."""
    command = [*VIGILENS, "milvus", "--data", folder / "sets.db", "--port", "0"]
    for kill in (True, False):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=plain())
        process.stdout.readline()
        if kill:
            process.kill()
            process.communicate()
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()
    assert [each.name for each in folder.iterdir()] == ["sets.db"]


def plain(**more: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIGILENS_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


@pytest.fixture
def start(folder: Path, served) -> Start:  # noqa: ARG001 (it must be up)
    """Starts a command in the folder, with settings in a file there."""
    (folder / "vigilens.toml").write_text('milvus.uri = "sets.db"\nsets.default_encoder = "pdq"\n')

    def run(*words: str, program=("-m", "vigilens.cli"), **environment: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        command = [sys.executable, *program, *words]
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=folder, env=plain(**environment)
        )

    yield run
    (folder / "vigilens.toml").unlink()


def ended(process: "subprocess.Popen[str]", answer: str = "") -> tuple[int, str, str]:
    out, err = process.communicate(answer, timeout=60)
    return process.returncode, out, err


def test_commands_run_in_the_other_process_as_they_would_here(start, pictures: Path, folder: Path):
    """The file is locked by another process, so a command that did its own work would fail."""
    assert ended(start("sets", "create", "spam"))[0] == 0
    (folder / "here").symlink_to(pictures)
    code, out, err = ended(start("sets", "add", "spam", "here"))
    assert (code, out) == (0, "spam: 3 added, 0 known already, 1 refused of 4 files\n")
    assert "notes.txt: unknown_format" in err
    show = "import sys; from vigilens.cli import main; main(['sets', 'show', 'spam'], standalone_mode=False)"
    code, out, _ = ended(start(program=("-c", f"{show}; print(*sys.modules)")))
    shown, _, modules = out.rstrip().rpartition("\n")
    assert "references" in shown
    assert HEAVY.isdisjoint(modules.split())
    code, out, err = ended(start("sets", "show", "nothing"))
    assert (code, out) == (1, "")
    assert err.startswith("Error: there is no set named nothing in http://127.0.0.1:")
    code, out, _ = ended(start("sets", "remove", "spam", "--label", "0.png"), answer="n\n")
    assert (code, out) == (1, "Remove 1 of the 3 references of spam? [y/N]: ")
    code, out, _ = ended(start("scan", "--json", "here/1.png"))
    assert (code, json.loads(out)["decided_by"]) == (0, "spam")
    (folder / "here").unlink()


def test_wrong_settings_are_reported_and_who_wants_no_answers_gets_none(start):
    wrong = ended(start("sets", "list", VIGILENS_MILVUS__TIMEOUT_S="soon"))
    assert (wrong[0], "milvus.timeout_s (set by VIGILENS_MILVUS__TIMEOUT_S)" in wrong[2]) == (1, True)
    off = ended(start("sets", "list", VIGILENS_MILVUS__READY_S="0"))
    assert (off[0], "is in use by another process" in off[2]) == (1, True)


def test_ctrl_c_reaches_the_command_and_so_does_the_end_of_its_terminal(start):
    ended(start("sets", "create", "kept"))
    for number, code in ((signal.SIGINT, 1), (signal.SIGKILL, -signal.SIGKILL)):
        process = start("sets", "drop", "kept")
        asked = "Drop the set kept with all its references? [y/N]: "
        assert process.stdout.read(len(asked)) == asked
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(3)
        if process.poll() is None:  # Python's input() ignores an interruption in the moment in which it has asked
            process.send_signal(number)
        assert process.stdout.read() == ""  # the command has ended too: nobody can write any more
        assert process.wait(30) == code
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
    assert ended(start("sets", "drop", "kept", "--yes"))[1] == "kept is dropped\n"


def test_a_client_that_says_nothing_holds_up_nobody(start, folder: Path):
    place = meeting.place(str(folder / "sets.db"))
    with socket.socket(socket.AF_UNIX) as silent:
        with meeting.short(place) as name:
            silent.connect(name)
        assert ended(start("sets", "list"))[0] == 0


def test_the_first_process_answers_for_an_address_and_a_folder_of_others_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = meeting.place("http://localhost:19530")
    with answering(["http://127.0.0.1:19530"], "", 1.0):
        assert meeting.is_ours(place)
        with answering(["http://127.0.0.1:19530"], "", 1.0):
            assert meeting.is_ours(place)
        assert meeting.is_ours(place)
    assert not place.exists()
    place.parent.chmod(0o777)
    with answering(["http://127.0.0.1:19530"], "", 1.0):
        assert not place.exists()
    assert meeting.place(f"http://{'a' * 200}:19530") is None


def test_a_hundred_commands_at_once_wait_and_none_is_turned_away(tmp_path: Path):
    with ExitStack() as stack:
        ((place, _),) = stack.enter_context(_listening(str(tmp_path / "sets.db"))).items()
        for _ in range(100):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.settimeout(30)
            with meeting.short(Path(place)) as name:
                waiting.connect(name)
