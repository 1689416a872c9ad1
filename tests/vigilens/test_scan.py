import csv
import io
import json
import os
import re
import shutil
import signal
import string
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from drawn import drawn, encoded
from PIL import ImageDraw

from embedding.choose import choose
from embedding.look import encode_pictures
from embedding.probe import probe_vector
from matcher.verdict import Verdict
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from reference_sets.store import Store
from vigilens.cli import main
from vigilens.commands import scan, scan_output

KNOWN, ALLOWED, INNOCENT = 1, 2, 3  # seeds of pictures
PDQ = choose("pdq")


def reference(seed: int, label: str, *, stamped: bool = False) -> Reference:
    pixels = drawn(seed)
    if stamped:
        ImageDraw.Draw(pixels).rectangle((10, 10, 30, 30), fill="white")
    vector = encode_pictures(PDQ, [np.asarray(pixels)]).vectors[0]
    return Reference(f"id-{seed}", label, tuple(float(x) for x in vector))


def make(store: Store, name: str, kind: Kind, *references: Reference) -> None:
    probe = tuple(float(x) for x in probe_vector(PDQ))
    limits = Thresholds(0.76, 0.9)
    store.create(ReferenceSet(name, kind, "spam", 50, limits, PDQ.fingerprint, PDQ.dimension, 1, probe))
    store.upsert(name, references)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A harmful set with two pictures, and an allow set with one of them without its stamp."""
    file = tmp_path_factory.mktemp("sets") / "vigilens.db"
    with Store(str(file)) as store:
        make(store, "spam", Kind.HARMFUL, reference(KNOWN, "case 1"), reference(ALLOWED, "case 2", stamped=True))
        make(store, "cleared", Kind.ALLOW, reference(ALLOWED, "our logo"))
    return file


@pytest.fixture
def sets(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the database where the settings look for it."""
    shutil.copytree(database, tmp_path / "vigilens.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGILENS_SETS__DEFAULT_ENCODER", "pdq")


@pytest.fixture
def inbox(sets: None, tmp_path: Path) -> Path:  # noqa: ARG001 (made before the pictures are scanned)
    """One file of each kind, some in a folder below."""
    folder = tmp_path / "inbox"
    below = folder / "below"
    below.mkdir(parents=True)
    (folder / "copy.jpg").write_bytes(encoded(drawn(KNOWN), "JPEG", quality=60))
    (folder / "logo.png").write_bytes(encoded(drawn(ALLOWED), "PNG"))
    (below / "innocent.png").write_bytes(encoded(drawn(INNOCENT), "PNG"))
    (below / ".hidden").write_bytes(b"no picture")
    return folder


DECISIONS = {"copy.jpg": "block", "logo.png": "allow", "innocent.png": "allow", ".hidden": "unscannable"}


def vigilens_scan(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["scan", *(str(word) for word in words)])


def verdicts(result: Result) -> list[Verdict]:
    assert result.exception is None, result.output
    return [Verdict.model_validate_json(line) for line in result.stdout.splitlines()]


def test_folders_are_judged_with_all_their_files_and_json_lines_are_verdicts(inbox):
    found = verdicts(vigilens_scan(inbox, "--json"))
    assert {Path(verdict.image_id).name: verdict.decision for verdict in found} == DECISIONS
    assert [verdict.image_id for verdict in found] == [
        str(inbox / name) for name in ("copy.jpg", "logo.png", "below/.hidden", "below/innocent.png")
    ]
    assert all(verdict.event_id == verdict.image_id and verdict.position is None for verdict in found)


def test_a_file_that_is_named_twice_is_judged_once(inbox):
    assert len(verdicts(vigilens_scan(inbox / "copy.jpg", inbox, "--json"))) == 4


def test_many_files_keep_their_order_over_batches(inbox, monkeypatch):
    monkeypatch.setenv("VIGILENS_BATCH__IMAGES", "3")
    for number in range(20):
        (inbox / f"{number:02}.png").write_bytes(encoded(drawn(100 + number), "PNG"))
    names = [verdict.image_id for verdict in verdicts(vigilens_scan(inbox, "--json"))]
    assert len(names) == 24
    assert names[:20] == sorted(names[:20])


def test_csv_has_a_header_and_one_line_per_file(inbox):
    rows = list(csv.DictReader(io.StringIO(vigilens_scan("--csv", inbox).stdout)))
    assert {Path(row["path"]).name: row["decision"] for row in rows} == DECISIONS
    copy = next(row for row in rows if row["path"].endswith("copy.jpg"))
    assert (copy["set"], copy["nearest"], float(copy["threshold"])) == ("spam", "case 1", 0.9)
    assert float(copy["score"]) >= 0.9
    assert next(row["reason"] for row in rows if row["path"].endswith(".hidden")).startswith("unknown_format")
    assert next(row["reason"] for row in rows if row["path"].endswith("logo.png")) == "vetoed by cleared"


def test_without_a_terminal_there_are_tab_separated_lines_and_a_summary_on_stderr(inbox):
    result = vigilens_scan(inbox)
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["block", "allow", "unscannable", "allow"]
    assert "4 files in" in result.stderr
    assert "1 block, 1 unscannable, 2 allow" in result.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--fail-on", "block"], 3),
        (["--fail-on", "review"], 3),  # block is more than review
        (["--fail-on", "unscannable"], 3),
    ],
)
def test_exit_codes_for_scripts(inbox, words, code):
    assert vigilens_scan(inbox, "--json", *words).exit_code == code


def test_fail_on_considers_only_the_decisions_that_it_names(inbox):
    every = ["--fail-on", "review", "--fail-on", "unscannable"]
    assert vigilens_scan(inbox / "logo.png", *every).exit_code == 0
    assert vigilens_scan(inbox / "copy.jpg", "--fail-on", "unscannable").exit_code == 0
    assert vigilens_scan(inbox / "below/.hidden", "--fail-on", "review").exit_code == 0
    assert vigilens_scan(inbox / "below/.hidden", *every).exit_code == 3


def test_a_missing_path_is_wrong_usage(inbox):
    assert vigilens_scan(inbox / "nothing.jpg").exit_code == 2


@pytest.mark.usefixtures("sets")
def test_an_empty_folder_has_nothing_to_judge(tmp_path):
    (tmp_path / "empty").mkdir()
    result = vigilens_scan(tmp_path / "empty")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to judge" in result.stderr


def test_without_a_set_nothing_is_judged_and_nothing_allowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(drawn(KNOWN), "PNG"))
    result = vigilens_scan("a.png")
    assert (result.exit_code, result.stdout, "vigilens sets create" in result.stderr) == (1, "", True)


def test_the_cap_on_bytes_holds_and_a_link_or_a_pipe_cannot_stop_the_scan(inbox, monkeypatch):
    monkeypatch.setenv("VIGILENS_IMAGES__MAX_BYTES", "100000")
    (inbox / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100_000))
    (inbox / "link.jpg").symlink_to(inbox / "copy.jpg")
    (inbox / "broken").symlink_to(inbox / "nowhere")
    (inbox / "loop").symlink_to(inbox)
    os.mkfifo(inbox / "pipe")
    found = {Path(verdict.image_id).name: verdict for verdict in verdicts(vigilens_scan(inbox, "--json"))}
    assert found["large.png"].reason == "too_many_bytes"
    assert found["link.jpg"].decision == "block"
    assert found["broken"].reason == "not_found"
    assert found["pipe"].reason == "source_not_allowed"
    assert "loop" not in found


def test_a_file_name_that_is_not_text_is_judged_and_printed_safely(inbox):
    (inbox / "copy.jpg").rename(inbox / os.fsdecode(b"a\xff\x1b[31m\n.jpg"))
    (verdict,) = verdicts(vigilens_scan(inbox, "--json"))[:1]
    assert verdict.decision == "block"
    first = vigilens_scan(inbox).stdout.splitlines()[0]
    assert first.endswith(r"a\xff\x1b[31m\n.jpg")
    assert len(vigilens_scan(inbox).stdout.splitlines()) == 4


def test_a_folder_that_cannot_be_listed_becomes_an_image_that_cannot_be_read(inbox, monkeypatch):
    def closed(path, onerror):
        onerror(PermissionError(13, "Permission denied", str(Path(path, "below"))))
        return iter(())

    monkeypatch.setattr(scan.os, "walk", closed)
    (image,) = scan.find([inbox])
    assert image.image_id == str(inbox / "below")
    assert "Permission denied" in image.problem.detail


def test_scan_ignores_the_roots_of_the_settings(inbox, monkeypatch):
    monkeypatch.setenv("VIGILENS_IMAGES__ROOTS", "/no/such/folder")
    assert verdicts(vigilens_scan(inbox / "copy.jpg", "--json"))[0].decision == "block"


# --- the table ---


def shown(files: list[Verdict], capsys: pytest.CaptureFixture[str], *, everything: bool, many: bool) -> str:
    form = scan_output.choose(None, everything=everything, files=1000 if many else len(files))
    assert list(form(files)) == files
    return capsys.readouterr().out


def test_the_table_on_a_terminal_lists_what_matters(inbox, capsys, monkeypatch):
    files = verdicts(vigilens_scan(inbox.name, "--json"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    few = shown(files, capsys, everything=False, many=False)
    assert all(name in few for name in DECISIONS)
    assert "case 1" in few
    many = shown(files, capsys, everything=False, many=True)
    assert "copy.jpg" in many
    assert ".hidden" in many
    assert "innocent.png" not in many
    assert "innocent.png" in shown(files, capsys, everything=True, many=True)


# --- as a process ---


SCAN = [sys.executable, "-m", "vigilens.cli", "scan"]


def test_an_interrupted_scan_ends_soon_with_130_and_says_how_many_files_were_judged(inbox):
    files, big = 100, encoded(drawn(INNOCENT, 3000, 2000), "PNG")
    for number in range(files):  # different files, because duplicates would not be embedded again
        (inbox / f"{number:03}.png").write_bytes(big + bytes([number]))
    with subprocess.Popen(
        [*SCAN, "--json", str(inbox)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "VIGILENS_BATCH__IMAGES": "2"},
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, said = process.stdout.read(), process.stderr.read()  # communicate() would lose what readline() buffered
        assert process.wait(60) == 130
    judged = 1 + len(rest.splitlines())
    assert judged < files / 2
    found = re.fullmatch(rf"interrupted: (\d+) of {files + len(DECISIONS)} files were judged\n", said)
    assert found, said
    assert int(found[1]) in {judged, judged - 1}  # the signal may come between a line and its count


@pytest.mark.parametrize("form", ["--csv", "--json", "--all"])
def test_a_full_disk_is_one_sentence(inbox, form):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SCAN, form, str(inbox)], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: the output cannot be written (No space left on device): free some space, or write to another disk\n"
    )


def test_csv_has_neither_control_characters_nor_formulas(inbox, monkeypatch):
    names = ["=1+1.jpg", "+1.jpg", "-1.jpg", "@SUM(1).jpg", "\tx.jpg", "\rx.jpg", "a=b.jpg", "a\x1b[31m\n.jpg"]
    folder = inbox / "odd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copytree(inbox.parent / "vigilens.db", folder / "vigilens.db")
    for name in names:
        (folder / name).write_bytes(encoded(drawn(KNOWN), "JPEG", quality=60))
    result = vigilens_scan("--csv", "--", *names)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["path"] for row in rows] == [
        "'=1+1.jpg", "'+1.jpg", "'-1.jpg", "'@SUM(1).jpg", r"'\tx.jpg", r"'\rx.jpg", "a=b.jpg", r"a\x1b[31m\n.jpg"
    ]  # fmt: skip
    assert all(float(row["score"]) > 0.9 for row in rows)  # our own numbers stay numbers
    assert set(result.stdout) <= {*string.printable} - {"\x0b", "\x0c", "\r", "\t"}


def test_a_number_below_zero_stays_a_number_in_csv(inbox, capsys, monkeypatch):
    found = verdicts(vigilens_scan(inbox / "copy.jpg", "--json"))
    unlike = replace(scan_output.row(found[0]), score=-0.25)
    monkeypatch.setattr(scan_output, "row", lambda _: unlike)
    assert list(scan_output.choose("csv", everything=True, files=1)(found)) == found
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["score"] == "-0.25"
