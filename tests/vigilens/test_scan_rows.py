"""Which set and which score a scan prints for a file, and how its table fits on a terminal."""

import re
import sys

import pytest
from hand_made import EVIDENCE, KNOWN, match_of, set_of, verdict
from made_verdicts import verdict as example_verdict

from vigilens.commands.scan_output import HEADINGS, choose, row


def with_check(known, check):
    """The set's best candidate with this score of the check."""
    (best,) = known.candidates
    return known.model_copy(update={"candidates": (best.model_copy(update={"check": check}),)})


def test_a_match_shows_the_measure_that_decided_and_both_scores():
    line = row(example_verdict())
    assert (line.decision, line.by, line.score, line.threshold) == ("block", "check", 0.875, 0.6)
    assert (line.similarity, line.check, line.set, line.nearest) == (0.4375, 0.875, "known_spam", "case-211/a.jpg")


def test_a_near_miss_shows_its_check():
    known = with_check(set_of(KNOWN, "harmful", "a cat", 0.9, use="required"), 0.28)
    line = row(verdict("allow", [known]))
    assert (line.decision, line.by, line.score, line.threshold) == ("allow", "check", 0.28, 0.3)
    assert (line.similarity, line.check, line.set, line.nearest) == (0.9, 0.28, KNOWN, "a cat")


@pytest.mark.parametrize(
    ("use", "similarity", "check", "by"),
    [
        ("off", 0.6, None, "similarity"),
        ("required", 0.9, 0.1, "check"),  # similarity was reached
        ("required", 0.2, 0.29, "similarity"),  # the one that is farther below
        ("required", 0.6, None, "check"),  # what could not be checked has none of it
        ("supports", 0.2, 0.29, "check"),  # the nearer one would have been enough
        ("supports", 0.68, 0.1, "similarity"),
    ],
)
def test_a_near_miss_shows_the_measure_that_it_failed_by(use, similarity, check, by):
    line = row(verdict("allow", [with_check(set_of(KNOWN, "harmful", "a cat", similarity, use=use), check)]))
    assert line.by == by
    assert line.score < line.threshold


def test_of_several_sets_the_one_is_shown_that_came_nearest_to_its_own_threshold():
    near = with_check(set_of("near", "harmful", "a cat", 0.1, use="supports"), 0.29)
    alike = with_check(set_of("alike", "harmful", "a dog", 0.6, use="required"), 0.0)  # nearer by cosine, and no copy
    assert row(verdict("allow", [alike, near])).set == "near"


def test_a_vetoed_match_says_by_which_set():
    known = set_of(KNOWN, "harmful", "a cat", 0.9, use="required")
    line = row(verdict("allow", [known], [match_of(known, "block", vetoed_by="cleared", check=EVIDENCE)]))
    assert (line.decision, line.reason, line.by) == ("allow", "vetoed by cleared", "check")


def test_a_file_that_could_not_be_read_has_its_reason_and_no_scores():
    line = row(verdict("unscannable", reason="corrupt", detail="the file ends too early", matches=(), sets=()))
    assert (line.reason, line.score, line.check, line.set) == ("corrupt: the file ends too early", None, None, "")


def table(verdicts, columns, capsys, monkeypatch):
    """Returns the lines of the table on a terminal with this many columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert list(choose(None, everything=True, files=len(verdicts))(verdicts)) == verdicts
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()


def of_every_kind():
    """A match, a vetoed match, a near miss and an unreadable file, with long names."""
    label, path = "cases/2024/case-0017/first-picture.jpg", "/home/moderation/uploads/2024-11-27/incoming"
    known = set_of("spam_of_the_year_2024", "harmful", label, 0.9, use="required")
    detail = "the JPEG file ends too early"
    return [
        verdict("block", [known], [match_of(known, "block", check=EVIDENCE)], image_id=f"{path}/copy.jpg"),
        verdict("allow", [known], [match_of(known, "block", "cleared", EVIDENCE)], image_id=f"{path}/logo.png"),
        verdict("allow", [with_check(known, 0.28)], image_id=f"{path}/other.jpg"),
        verdict("unscannable", reason="corrupt", detail=detail, matches=(), sets=(), image_id=f"{path}/half.jpg"),
    ]


def test_the_table_fits_on_a_terminal_of_80_columns(capsys, monkeypatch):
    heading, *lines = table(of_every_kind(), 80, capsys, monkeypatch)
    assert heading.split() == list(HEADINGS)
    assert max(map(len, [heading, *lines])) <= 80
    text = "\n".join(lines)
    for whole in (
        "check 0.60 of 0.60",
        "check 0.28 of 0.30",
        "vetoed by cleared",
        "corrupt: the JPEG file",
        "cases/2024/…",
    ):
        assert whole in text
    for decision, name in (("block", "copy"), ("allow", "logo"), ("allow", "other"), ("unscannable", "half")):
        assert re.search(rf"^{decision} .*/{name}\.(jpg|png) *$", text, re.MULTILINE)
    sets = [line[38:50] for line in lines]  # a longer name goes on in the next line
    assert sets[:2] == ["spam_of_the_", "year_2024   "]


def test_a_wide_terminal_shows_everything(capsys, monkeypatch):
    heading, *lines = table(of_every_kind(), 200, capsys, monkeypatch)
    assert heading.split() == list(HEADINGS)
    assert [line.split()[0] for line in lines] == ["block", "allow", "allow", "unscannable"]
    assert "check 0.60 of 0.60, vetoed by cleared" in lines[1]
    assert "cases/2024/case-0017/first-picture.jpg" in lines[2]
    assert "corrupt: the JPEG file ends too early" in lines[3]
    assert all("/home/moderation/uploads/2024-11-27/incoming/" in line for line in lines)


def test_the_table_escapes_control_characters_and_cuts_wide_ones_whole(capsys, monkeypatch):
    files = [verdict("allow", image_id=name) for name in ("\x1b[31mred.jpg", f"/{'画' * 60}.jpg")]
    _, red, wide = table(files, 80, capsys, monkeypatch)
    assert r"\x1b[31mred.jpg" in red
    assert re.search(r"…画+\.jpg *$", wide)
