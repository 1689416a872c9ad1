"""The benchmark of edited copies: its counting, and small runs with the service's parts."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from detailed import cropped, detailed
from drawn import drawn
from PIL import Image
from run import SEED

from benchmarks import copies_documents
from benchmarks.copies import main, matcher
from benchmarks.copies_count import (
    Alarms,
    AtLevels,
    Copy,
    Other,
    Tally,
    alarms,
    any_of,
    at_levels,
    figures,
    micro_average_precision,
    threshold,
)
from benchmarks.copies_distractors import distractor
from benchmarks.copies_finder import NOTHING, Answer
from benchmarks.copies_pictures import divide, usable
from benchmarks.copies_trial import of_photographs
from harness.edits import HARD
from reference_sets.model import CHECK


@cache
def picture(seed):
    return Image.fromarray(detailed(seed))


def mosaic(seed):
    """A picture full of corners that is quick to make."""
    tiles = np.random.default_rng((79, seed)).integers(0, 256, (18, 24, 3), dtype=np.uint8)
    return Image.fromarray(tiles).resize((288, 216), Image.Resampling.NEAREST)


def ignored():
    """Progress that is not shown."""


# Counting


def others(*scores):
    return {"as it is": [Other(score) for score in scores]}


@pytest.mark.parametrize(
    ("false_positives", "expected"),
    [(0.005, 0.9), (0.2, 0.9), (0.4, 0.6), (0.6, 0.5)],
)
def test_the_threshold_is_the_score_that_the_chosen_share_of_unrelated_pictures_reaches(false_positives, expected):
    assert threshold([0.1, 0.9, 0.5, 0.6, 0.2], false_positives) == expected


def test_a_copy_is_found_if_its_best_candidate_is_right_and_above_the_threshold():
    answers = [Copy("crop", 0.8, True, 1), Copy("crop", 0.8, False, 3), Copy("crop", 0.5, True, 2)]
    found = figures(Tally([*answers, Copy("turn", 0.9, True, None)], others(0.5, 0.1)), 0.005)
    assert found.threshold == 0.5
    assert found.per_edit == {"crop": pytest.approx(1 / 3), "turn": 1}
    assert found.recall == pytest.approx(2 / 3)
    assert found.shortlist_per_edit == {"crop": 1, "turn": 0}
    assert found.shortlist == 0.75


def test_several_ways_together_find_what_one_of_them_finds_at_a_stricter_threshold_of_its_own():
    unrelated = others(*range(5)) | {"edited": [Other(float(score)) for score in range(5, 10)]}
    first = Tally([Copy("crop", 8.5, True, 1), Copy("crop", 9.5, True, 1), Copy("turn", 9.5, False, 2)], unrelated)
    second = Tally([Copy("crop", 0.1, True, 1), Copy("crop", 0.1, True, 1), Copy("turn", 99, True, 1)], unrelated)
    assert any_of([first], 0.2) == {"crop": 1, "turn": 0}
    assert any_of([first, second], 0.2) == {"crop": 0.5, "turn": 1}


def test_at_the_levels_of_a_set_a_copy_is_lost_if_its_check_passes_and_it_is_not_found():
    found = Copy("crop", 0.7, True, 1, passes=True, altered=True)
    taken, unlisted, hopeless = (
        Copy("crop", *facts) for facts in ((0.9, False, 4, True), (0.1, False, None, True), (0.2, True, 9, False))
    )
    turned = Copy("turn", 0.9, True, 1)
    assert at_levels(Tally([found, taken, unlisted, hopeless, turned]), (0.3, 0.6)) == {
        "crop": AtLevels(review=0.25, block=0.25, altered=0.25, shortlist=0.75, passes=0.75, lost=pytest.approx(2 / 3)),
        "turn": AtLevels(review=1, block=1, altered=0, shortlist=1, passes=None, lost=None),
    }


def test_false_alarms_are_counted_by_kind_and_level():
    tally = Tally(others=others(0.1) | {"other chat": [Other(0.3), Other(0.2), Other(0.7), Other(0.8, altered=True)]})
    assert alarms(tally, (0.3, 0.6)) == {
        "as it is": Alarms(1, review=0, block=0, altered=0),
        "other chat": Alarms(4, review=3, block=2, altered=1),
    }


def test_the_mean_of_the_precision_at_each_right_answer_is_the_average_precision():
    # Best first: right, wrong, right; and a third right answer that is missing.
    assert micro_average_precision([0.9, 0.7, 0.8], [True, True, False], 3) == pytest.approx((1 + 2 / 3) / 3)


def test_of_equal_scores_the_wrong_answers_count_first():
    assert micro_average_precision([0.5, 0.5], [True, False], 1) == 0.5


def test_the_rank_is_the_first_position_of_the_reference_or_its_mirror_image():
    answer = Answer(4, 0.5, (4, 2, 4, 7, 2))
    assert [answer.rank(reference) for reference in (4, 2, 7, 9)] == [1, 2, 4, None]


# The folder of pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """42 pictures in two folders, one of them twice, and files that cannot be used."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    for number in range(42):
        mosaic(number).save(folder / ("more" if number % 2 else ".") / f"{number:02}.png")
    mosaic(0).save(folder / "twice.png")
    drawn(1).resize((2000, 50)).save(folder / "thin.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("ignored")
    return folder


def test_files_that_cannot_be_used_are_skipped_and_listed(folder):
    paths, skipped = usable(folder, SEED, 0, ignored)
    assert len(paths) == 42
    assert {one.path.name for one in skipped} - {"00.png"} <= {"twice.png", "thin.png", "notes.txt"}
    assert len(skipped) == 3
    assert all(one.why for one in skipped)


def test_the_seed_decides_which_pictures_are_used(folder):
    first, again, others = (usable(folder, seed, 20, ignored)[0] for seed in (SEED, SEED, SEED + 1))
    assert first == again
    assert first != others
    assert len(first) == 20


@pytest.mark.parametrize("distractors", [False, True])
def test_no_picture_is_both_known_and_unrelated(folder, distractors):
    split = divide(usable(folder, SEED, 0, ignored)[0], distractors=distractors)
    inside = {*split.references, *split.distractors, *split.distractors_pasted}
    assert len(split.references) == 21
    assert split.unrelated
    assert not inside & {*split.unrelated, *split.queries_pasted}
    assert bool(split.distractors) == distractors


def test_with_hard_every_edit_of_the_distractors_is_known(folder):
    edits = HARD[:3]
    paths, _ = usable(folder, SEED, 0, ignored)
    easy, hard = (of_photographs(divide(paths, distractors=hard), edits, hard=hard) for hard in (False, True))
    split = divide(paths, distractors=True)
    known = [sum(map(len, trial.known)) for trial in (easy, hard)]
    assert known == [trial.amounts[0] for trial in (easy, hard)] == [21, 21 + 3 * len(split.distractors)]
    assert sum(len(each.pictures) for each in hard.copies) == hard.amounts[1] == 3 * 21
    assert sum(len(each.pictures) for each in hard.unrelated) == hard.amounts[2] == 4 * len(split.unrelated)


def test_more_distractors_are_drawn_from_distracting_pictures_only(folder):
    split = divide(usable(folder, SEED, 0, ignored)[0], distractors=True)
    one = replace(split, references=(), unrelated=(), queries_pasted=())
    assert [distractor(one, number).tobytes() for number in range(8)] == [
        distractor(split, number).tobytes() for number in range(8)
    ]


# With the service's parts


def test_the_matcher_finds_cropped_turned_and_mirrored_copies_and_scores_them_above_others():
    match = matcher([picture(seed) for seed in range(9)])
    crop = Image.fromarray(cropped(detailed(3), 0.1, 0.2, 0.8, 0.9))
    turn = picture(5).transpose(Image.Transpose.ROTATE_90)
    mirror = picture(7).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    index, score = match([crop, turn, mirror])
    assert index.tolist() == [3, 5, 7]
    assert match.ranks([3, 5, 7]) == [1, 1, 1]
    _, other = match([picture(seed) for seed in range(30, 34)])
    assert score.min() > CHECK.block
    assert other.max() < CHECK.review
    assert match.cost.pictures == 7
    assert match.cost.encode_cpu_s > 0


def test_a_picture_without_detail_has_no_answer_and_does_not_shift_the_others():
    plain = Image.new("RGB", (300, 200), "white")
    match = matcher([plain, picture(1), picture(2)])
    index, score = match([plain, picture(2)])
    assert index.tolist() == [NOTHING, 2]
    assert score[0] == NOTHING
    assert match([plain])[0].tolist() == [NOTHING]
    assert match.finder.featureless == 1


def test_closing_a_finder_deletes_its_folder():
    match = matcher([picture(1)])
    place = match.finder._folder
    assert place.is_dir()
    assert match.finder.disk_bytes > 0
    match.finder.close()
    assert not place.exists()


def test_a_run_compares_the_ways_and_ends_with_one_line_of_json(folder, tmp_path, capsys):
    ways = ["words", "pdq", "pdq+check"]
    named = [word for way in ways for word in ("--encoder", way)]
    edits = ["--edit", "recompressed", "--edit", "quarter turn"]
    main([str(folder), *named, *edits, "--plot", str(tmp_path / "plot.svg")])
    printed = capsys.readouterr()
    result = json.loads(printed.out.splitlines()[-1])
    assert list(result["encoders"]) == ways
    words, pdq, checked = result["encoders"].values()
    assert words["per_edit"] == {"recompressed": 1, "quarter turn": 1}
    assert words["uap"] == 1
    assert pdq["per_edit"]["quarter turn"] < 0.5 < checked["per_edit"]["quarter turn"]
    assert words["bytes_per_reference"] > pdq["bytes_per_reference"] == 1024
    assert "quarter turn" in printed.out
    assert "notes.txt" in printed.err
    assert "<svg" in (tmp_path / "plot.svg").read_text(encoding="utf-8")


def test_distractors_come_after_the_references_and_lengthen_the_search(folder, capsys):
    main([str(folder), "--encoder", "pdq", "--edit", "grey", "--distractors", "70", "--json"])
    (line,) = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert result["encoders"]["pdq"]["references"] == 21 + 70
    assert result["encoders"]["pdq"]["at_levels"]["grey"]["review"] == 1
    assert result["encoders"]["pdq"]["alarms"]["as it is"] == {"pictures": 5, "review": 0, "block": 0, "altered": 0}


def test_copies_of_documents_are_found_beside_others_of_the_same_kind(folder, capsys, monkeypatch):
    few = {"half size", "on 1 % of a photo"}  # all of them take half a minute
    chosen = {kind: tuple(one for one in edits if one.name in few) for kind, edits in copies_documents.EDITS.items()}
    monkeypatch.setattr(copies_documents, "EDITS", chosen)
    main([str(folder), "--encoder", "words", "--edits", "documents", "--limit", "40"])
    printed = capsys.readouterr().out
    words = json.loads(printed.splitlines()[-1])["encoders"]["words"]
    letters = words["at_levels"]["letter, half size"]
    assert letters["review"] == letters["block"] == letters["shortlist"] == letters["passes"] == 1
    assert letters["lost"] == 0
    assert words["at_levels"]["logo, on 1 % of a photo"]["passes"] < 0.5
    assert {kind: alarm["pictures"] for kind, alarm in words["alarms"].items()} == {
        **{f"other {kind}": 20 for kind in ("chat", "letter", "form", "logo", "drawing")},
        "as it is": 20,
    }
    assert "passes" in printed
    assert "uAP" not in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--limit", "39"], "at least 40"),
        (["--plot", "plot.txt"], r"\.svg"),
        (["--plot", "nowhere/plot.svg"], "no folder"),
        (["--encoder", "sift"], "no kind of encoder"),
        (["--encoder", "openclip:ViT-B-32"], "checkpoint"),
    ],
)
def test_options_that_cannot_be_used_are_refused_with_one_sentence_before_anything_is_measured(
    folder, arguments, sentence
):
    with pytest.raises(SystemExit, match=sentence):
        main([str(folder), *arguments])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--edits", "phone", "--edit", "grey"], "grey is not one of in a picture"),
        (["--edits", "documents", "--edit", "grey"], "grey is not one of what --edit can choose"),
        (["--edits", "documents", "--hard"], "use --distractors"),
    ],
)
def test_options_that_do_not_fit_each_other_are_refused(folder, capsys, arguments, sentence):
    with pytest.raises(SystemExit):
        main([str(folder), *arguments])
    assert sentence in " ".join(capsys.readouterr().err.split())
