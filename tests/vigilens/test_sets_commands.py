"""`vigilens sets …` as an operator uses it."""

import itertools
import json
import os
import pty
import re
import subprocess
import sys
import termios
import unicodedata
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from detailed import detailed
from milvus_fixtures import references, unit
from PIL import Image

from embedding.look import encode_each
from reference_sets.check_scales import carried_over
from reference_sets.defaults import completed, defaults
from reference_sets.model import CHECK, CheckThresholds, Kind, Mirrored, Thresholds, Verify
from reference_sets.store import Store
from vectors.database import Database
from vigilens.cli import main
from vigilens.commands.sets_tables import HEADINGS


def test_a_set_is_created_filled_listed_shown_changed_and_dropped(sets, pictures: Path):
    assert sets("create", "spam", "--category", "ads", "--severity", "40").exit_code == 0
    added = sets("add", "spam", str(pictures))
    assert added.exit_code == 0, added.output
    assert "spam: 3 added, 0 known already, 1 refused of 4 files" in added.stdout
    assert "notes.txt: unknown_format" in added.stderr
    assert "0 added, 3 known already" in sets("add", "spam", str(pictures)).stdout
    (listed,) = json.loads(sets("list", "--json").stdout)
    assert (listed["name"], listed["references"], listed["review"], listed["block"]) == ("spam", 3, 0.5, 0.7578125)
    assert listed["encoder"].startswith("pdq:")
    assert sets("list").stdout == (
        f"spam\tharmful\tads\tads\t40\t0.5000\t0.7578\tblock\toff\toff\t3\t2\t{listed['encoder']}\n"
    )
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
    assert "too little detail for the geometric check: only exactly the same file is found" in added.output
    assert "without_corners.png" in added.output
    facts = json.loads(sets("show", "memes", "--json").stdout)
    assert (facts["verify"], facts["check_review"], facts["check_block"]) == ("required", 0.2, 0.2)
    assert (facts["mirrored"], facts["references"]) == ("stored", 4)
    assert all(word in sets("show", "memes").stdout for word in ("verify", "check_review", "mirrored"))
    assert "(verify required)" in sets("thresholds", "memes", "--check-review", "0.1").stdout
    (listed,) = json.loads(sets("list", "--json").stdout)
    assert (listed["check_review"], listed["check_block"], listed["review"]) == (0.1, 0.2, 0.5)
    assert sets("thresholds", "memes", "--check-review", "0.3").exit_code == 2
    assert sets("create", "other", "--check-review", "0").exit_code == 2
    for words in (("create", "other"), ("thresholds", "memes"), ("edit", "memes")):
        assert sets(*words, "--check-review", "0.3", "--check-block", "1.01").exit_code == 2
    sets("create", "plain")
    facts = json.loads(sets("show", "plain", "--json").stdout)
    assert (facts["verify"], facts["mirrored"], facts["altered"]) == ("off", "off", "review")


def test_each_encoder_has_its_defaults():
    words, pdq, network = defaults("words:6d1e"), defaults("pdq"), defaults("onnx:9a")
    assert (words.verify, words.mirrored, words.alone) == (Verify.REQUIRED, Mirrored.STORED, "block")
    assert (network.verify, network.mirrored, network.alone) == (Verify.REQUIRED, Mirrored.STORED, "review")
    assert (pdq.verify, pdq.mirrored, pdq.alone) == (Verify.OFF, Mirrored.OFF, "block")
    assert {pdq.similarity(each) for each in Verify} == {Thresholds(1 - 64 / 128, 1 - 31 / 128)}
    for encoder in (words, network):
        assert encoder.similarity(Verify.REQUIRED) == Thresholds(0, 0)
        assert encoder.similarity(Verify.OFF) is encoder.similarity(Verify.SUPPORTS) is None
    for nothing in (defaults("exact:1"), defaults("onnx:9a", Kind.BACKGROUND), defaults("words", Kind.BACKGROUND)):
        assert (nothing.thresholds, nothing.verify, nothing.alone) == (Thresholds(1, 1), Verify.OFF, "block")
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


@pytest.mark.parametrize("what", [("--label", "nobody's"), ("--id", "it's"), ("picture.png",)])
def test_removing_nothing_is_an_error(sets, pictures: Path, tmp_path: Path, what):
    (tmp_path / "picture.png").write_bytes(b"no reference")
    sets("create", "spam")
    sets("add", "spam", str(pictures))
    nothing = sets("remove", "spam", *what, "--yes")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "nothing is removed: spam has no reference with such an id, label or picture" in nothing.stderr


@pytest.mark.parametrize(("added", "removed"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_label_is_found_in_both_unicode_forms_of_its_accents(sets, pictures: Path, added, removed):
    sets("create", "spam")
    sets("add", "spam", str(pictures / "0.png"), "--label", unicodedata.normalize(added, "café"))
    assert "1 removed" in sets("remove", "spam", "--label", unicodedata.normalize(removed, "café"), "--yes").stdout


def test_all_references_with_a_label_are_removed_however_many_there_are(sets, monkeypatch: pytest.MonkeyPatch):
    sets("create", "spam")
    same = [replace(one, label="same") for one in references(unit(600, 1, dimension=256))]
    with Store(os.environ["VIGILENS_MILVUS__URI"]) as store:
        store.upsert("spam", same)
    monkeypatch.setattr("vectors.database.MAX_QUERIES", 100)  # 16,384 in production
    assert "spam: 600 removed" in sets("remove", "spam", "--label", "same", "--yes").stdout


def test_a_set_is_edited_and_what_is_not_given_stays(sets):
    sets("create", "spam", "--note", "first")
    edited = sets("edit", "spam", "--kind", "allow", "--severity", "0", "--review", "0.6", "--check-block", "0.7")
    assert "spam: kind, severity, thresholds, check changed, version 2" in edited.stdout
    facts = json.loads(sets("show", "spam", "--json").stdout)
    assert (facts["kind"], facts["severity"], facts["note"], facts["category"]) == ("allow", 0, "first", "spam")
    assert (facts["review"], facts["block"]) == (0.6, 0.7578125)
    assert (facts["check_review"], facts["check_block"]) == (CHECK.review, 0.7)
    sets("edit", "spam", "--note", "", "--category", "ads", "--verify", "supports", "--mirrored", "queried")
    facts = json.loads(sets("show", "spam", "--json").stdout)
    assert (facts["note"], facts["category"], facts["verify"], facts["mirrored"]) == ("", "ads", "supports", "queried")
    assert "altered changed" in sets("edit", "spam", "--altered", "nothing").stdout
    assert json.loads(sets("show", "spam", "--json").stdout)["altered"] == "nothing"
    assert sets("edit", "spam", "--altered", "allow").exit_code == sets("edit", "spam").exit_code == 2
    assert "no set named nowhere" in sets("edit", "nowhere", "--note", "x").stderr


def test_a_damaged_set_is_listed_with_its_error_beside_the_others_and_repaired_as_it_says(sets):
    sets("create", "alpha")
    sets("create", "beta")
    with Database(os.environ["VIGILENS_MILVUS__URI"]) as database:
        database.alter("beta", {"vigilens.severity": "9999", "vigilens.block": "high"})
    listed = sets("list")
    assert (listed.exit_code, [line.split("\t")[:2] for line in listed.stdout.splitlines()]) == (
        1,
        [["alpha", "harmful"], ["beta", "unreadable"]],
    )
    assert 'set beta is damaged: severity is "9999"' in listed.stderr
    assert [facts["name"] for facts in json.loads(sets("list", "--json").stdout)] == ["alpha", "beta"]
    for command in (("show", "beta"), ("export", "beta", "beta.parquet")):
        assert "`vigilens sets edit beta --severity …`" in sets(*command).stderr
    next_one = sets("edit", "beta", "--severity", "40")
    assert "`vigilens sets thresholds beta --review R --block B`" in next_one.stderr
    assert sets("thresholds", "beta", "--review", "0.5", "--block", "0.75").exit_code == 0
    assert json.loads(sets("show", "beta", "--json").stdout)["severity"] == 40


def test_thresholds_of_an_earlier_scale_are_shown_as_they_were_and_as_they_are(sets):
    sets("create", "old", "--verify", "required")
    sets("create", "newer")
    recorded = {"check_review": "0.35", "check_block": repr(64 / 70), "check_version": "1"}
    with Database(os.environ["VIGILENS_MILVUS__URI"]) as database:
        database.alter("old", {f"vigilens.{key}": value for key, value in recorded.items()})
        database.alter("newer", {"vigilens.check_version": "9"})
    line = rf"^check thresholds +{carried_over(0.35, 1):.4g} / 1 \(carried over from 0\.35 / 0\.914286 of scale 1\)$"
    assert re.search(line, sets("show", "old").stdout, re.MULTILINE)
    facts = json.loads(sets("show", "old", "--json").stdout)
    assert (facts["check_block"], facts["check_version"]) == (1, 2)
    assert facts["recorded_check"] == {"review": 0.35, "block": 64 / 70, "version": 1}
    listed = sets("list")
    assert f"required {carried_over(0.35, 1):.2f} 1.00" in listed.stdout
    assert "set newer needs scale 9 of the check's scores" in listed.stderr
    sets("thresholds", "old", "--check-review", "0.5")
    assert "carried over" not in sets("show", "old").stdout
    facts = json.loads(sets("show", "old", "--json").stdout)
    assert (facts["check_review"], facts["check_block"], facts["recorded_check"]) == (0.5, 1, None)
    assert sets("thresholds", "newer", "--check-review", "0.5").exit_code == 1  # what the other one means is unknown
    assert sets("thresholds", "newer", "--check-review", "0.5", "--check-block", "0.7").exit_code == 0


def listing(columns: int) -> list[str]:
    """Returns the lines of `sets list` on a terminal with this many columns."""
    main_end, command_end = pty.openpty()
    termios.tcsetwinsize(command_end, (40, columns))
    command = [sys.executable, "-m", "vigilens.cli", "sets", "list"]
    environment = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
    with subprocess.Popen(command, stdout=command_end, env={**environment, "TERM": "xterm"}) as process:
        os.close(command_end)
        said = b""
        with suppress(OSError):  # raised at the end of the terminal
            while part := os.read(main_end, 4096):
                said += part
    os.close(main_end)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).splitlines()


def test_the_list_fits_on_a_terminal_of_80_columns_and_wraps_nothing(sets):
    sets("create", "spam_of_the_year_2024", "--category", "advertisements", "--verify", "required")
    sets("create", "plain", "--severity", "100")
    narrow, wide = listing(80), listing(200)
    assert len(narrow) == len(wide) == 3
    assert max(map(len, narrow)) <= 80
    assert wide[0].split() == list(HEADINGS)
    assert {"set", "kind", "review", "block", "references"} < set(narrow[0].split())
    assert "spam_of_the_year_2024  harmful" in narrow[2]
    assert "0.7578" in narrow[2]


def test_after_ctrl_c_add_says_how_many_files_are_in_the_set(sets, pictures: Path, monkeypatch: pytest.MonkeyPatch):
    sets("create", "spam")
    calls = itertools.count()

    def stopped_at_the_second(*arguments, **options):
        if next(calls):
            raise KeyboardInterrupt
        return encode_each(*arguments, **options)

    monkeypatch.setattr("reference_sets.opened.ENCODE_AT_ONCE", 2)
    monkeypatch.setattr("reference_sets.add.encode_each", stopped_at_the_second)
    stopped = sets("add", "spam", str(pictures))
    assert stopped.exit_code == 130
    assert "spam: 2 added, 0 known already, 0 refused of 4 files" in stopped.stdout
    assert "interrupted: 2 of the files are in the set; run the same command to continue" in stopped.stderr


def test_a_set_is_exported_and_imported_under_another_name(sets, pictures: Path, tmp_path: Path):
    sets("create", "spam")
    sets("add", "spam", str(pictures))
    file = str(tmp_path / "spam.parquet")
    assert "3 references of spam" in sets("export", "spam", file).stdout
    assert sets("export", "spam", file, answer="n\n").exit_code == 1
    assert "copy: 3 references in a new set" in sets("import", file, "--name", "copy").stdout
    assert "copy: 3 references added or replaced" in sets("import", file, "--name", "copy").stdout
    csv = sets("export", "spam", str(tmp_path / "spam.csv"))
    assert (csv.exit_code, "its name must end in .parquet" in csv.stderr) == (1, True)
    assert not (tmp_path / "spam.csv").exists()


def test_when_no_file_becomes_a_reference_the_exit_code_says_so(sets, pictures: Path):
    sets("create", "spam")
    (pictures / "\x1b[31mred.txt").write_text("no picture")
    refused = sets("add", "spam", str(pictures / "notes.txt"), str(pictures / "\x1b[31mred.txt"))
    assert refused.exit_code == 1
    assert r"\x1b[31mred.txt: unknown_format" in refused.stderr  # a terminal would obey the control character


def test_a_label_that_is_not_unicode_is_added_and_found_again(sets, pictures: Path):
    sets("create", "spam")
    assert "1 added" in sets("add", "spam", str(pictures / "0.png"), "--label", "a\udcffb").stdout
    assert "1 removed" in sets("remove", "spam", "--yes", "--label", "a\udcffb").stdout


def test_mistakes_are_reported_in_one_sentence_without_traceback(sets, pictures: Path):
    missing = sets("add", "nowhere", str(pictures))
    assert (missing.exit_code, "there is no set named nowhere" in missing.stderr) == (1, True)
    assert "exists already" in (sets("create", "spam"), sets("create", "spam"))[1].stderr
    assert sets("create", "other", "--review", "0.9", "--block", "0.8").exit_code == 2
    assert sets("thresholds", "spam").exit_code == 2
    assert "cannot name a set" in sets("create", "a-b").stderr


@pytest.mark.parametrize("words", [["milvus"], ["sets"], *(["sets", w] for w in ("create", "add", "remove"))])
def test_help_teaches_with_an_example(words: list[str]):
    assert "Example:" in CliRunner().invoke(main, [*words, "--help"]).stdout


def test_a_set_of_the_default_encoder_checks_and_stores_mirror_images_by_default(sets, pictures: Path, monkeypatch):
    monkeypatch.delenv("VIGILENS_SETS__DEFAULT_ENCODER")
    Image.fromarray(detailed(1)).save(pictures / "detailed.png")
    assert sets("create", "spam").exit_code == 0
    assert "spam: 1 added" in sets("add", "spam", str(pictures / "detailed.png")).stdout
    shown = json.loads(sets("show", "spam", "--json").stdout)
    assert shown["encoder"].startswith("words:")
    assert (shown["verify"], shown["mirrored"], shown["references"]) == ("required", "stored", 1)
