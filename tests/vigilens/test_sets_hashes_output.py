"""Sets as lists of hashes for other programs, and references on a terminal."""

import json
import re
import sys

import numpy as np
import pytest
from hash_values import HASHES, MD5, SHA1, lines
from PIL import Image

from embedding.pdq import hash_of
from reference_sets.model import ReferenceFacts
from reference_sets.rows import Stored
from vigilens.commands.sets_hashes_output import print_references

pytest_plugins = ["hash_fixtures"]


def test_a_set_is_written_as_a_list_and_read_again(sets, bring, listed, tmp_path):
    header = "signal_type,signal_str,collab,category,tags\n"
    text = header + f"pdq,{HASHES[0]},c,DISPUTED,a b\npdq,{HASHES[1]},c,NEGATIVE_CLASS,\npdq,{HASHES[2]},,,\n"
    bring(text)
    assert sets("export-hashes", "known", "out.csv").exit_code == 0
    assert sets("import-hashes", "out.csv", "--set", "copy").exit_code == 0
    copy = {one["digest"]: one for one in json.loads(sets("references", "copy", "--json").stdout)}
    for value, one in listed().items():
        assert (copy[value]["ceiling"], copy[value]["tags"]) == (one["ceiling"], one["tags"])
    sets("disable", "known", "--id", listed()[HASHES[0]]["id"])
    left = sets("export-hashes", "known", "out.txt")
    assert "2 hashes of known, without 1 that are disabled" in left.stdout
    assert sorted((tmp_path / "out.txt").read_text().splitlines()) == sorted(f"pdq {one}" for one in HASHES[1:3])
    assert sets("export-hashes", "known", "out.txt").exit_code == 1  # it asks before overwriting


@pytest.mark.parametrize("export", ["export", "export-hashes"])
def test_a_file_that_cannot_be_written_is_named(sets, bring, export):
    bring(lines(HASHES[0]))
    for folder in ("list.txt", "nowhere"):
        refused = sets(export, "known", f"{folder}/out.parquet")
        assert refused.exit_code == 1
        assert f"Error: {folder}/out.parquet cannot be written" in refused.stderr


def test_digests_are_written_as_csv_only(sets, bring, listed):
    bring(f"{MD5}  a file.jpg\n{SHA1}\n")
    assert listed()[MD5]["label"] == "a file.jpg"
    assert sets("export-hashes", "known", "out.txt").exit_code == 1
    assert sets("export-hashes", "known", "out.csv").exit_code == 0
    assert sets("import-hashes", "out.csv", "--set", "copy").exit_code == 0
    assert {one["digest"] for one in json.loads(sets("references", "copy", "--json").stdout)} == {MD5, SHA1}


def test_a_set_of_pictures_is_written_as_their_hashes(sets, tmp_path):
    small = np.random.default_rng(3).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((240, 240), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "one.png")
    sets("create", "pictures")
    sets("add", "pictures", "one.png")
    assert sets("export-hashes", "pictures", "out.txt").exit_code == 0
    expected = np.packbits(hash_of(np.asarray(picture)).bits).tobytes().hex()
    assert (tmp_path / "out.txt").read_text() == f"pdq {expected}\n"
    refused = sets("import-hashes", "out.txt", "--set", "pictures")
    assert refused.exit_code == 1
    assert "holds pictures, not hashes" in refused.stderr
    assert sets("disable", "pictures", "--id", sets("references", "pictures").stdout.split("\t")[0]).exit_code == 0
    assert sets("references", "pictures", "--state", "active").stdout == ""


def test_a_terminal_shows_the_first_references_as_a_table(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    some = [(f"id-{each}", Stored(f"label\x1b{each}", "", 3, ReferenceFacts(ceiling="review"))) for each in range(102)]
    print_references(iter(some), None, None, as_json=False)
    shown = capsys.readouterr()
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.out)
    assert text.split()[:3] == ["id", "label", "state"]
    assert "id-99" in text
    assert "label\\x1b0" in text
    assert "only the first 100 are shown" in shown.err
