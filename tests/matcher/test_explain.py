"""Why a picture matched, and where the reference lies: values, a sentence, a drawing, and `vigilens scan --explain`."""

import functools
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from detailed import captioned, cropped, detailed
from html_page import Page, joins
from opening import shared
from PIL import Image

from config.load import load
from embedding.choose import choose
from embedding.image import File
from embedding.image import Image as ToJudge
from embedding.probe import probe_vector
from matcher.explain import Overlay, explain, why
from reference_sets.add import gather
from reference_sets.files import find
from reference_sets.model import CHECK, Kind, Mirrored, ReferenceSet, Thresholds, Verify
from reference_sets.opened import Limits
from reference_sets.store import Store
from vigilens import wiring
from vigilens.cli import main
from vigilens.commands import scan
from vigilens.pages.explained import files_of, page
from vigilens.pages.overlay import Panel, drawing

SEEDS = range(201, 205)
NASTY = '"><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>'
STORED, QUERIED, SIMILAR, EMPTY = "a_stored", "b_queried", "c_similar", "d_empty"


def flipped(pixels):
    return np.ascontiguousarray(pixels[:, ::-1])


EDITS = {
    "plain": lambda pixels: pixels,
    "cropped": lambda pixels: cropped(pixels, 0.2, 0.1, 0.9, 0.8),
    "captioned": lambda pixels: captioned(pixels, 1),
    "mirrored": flipped,
    "mirrored, cropped": lambda pixels: cropped(flipped(pixels), 0.0, 0.1, 0.7, 1.0),
    "turned": lambda pixels: np.ascontiguousarray(np.rot90(pixels)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """References, pictures to scan, and a database with sets of the references that differ in their rules."""
    place = tmp_path_factory.mktemp("explain")
    for each in ("known", "inbox"):
        (place / each).mkdir()
    for seed in SEEDS:
        Image.fromarray(detailed(seed)).save(place / "known" / f"case {seed}.png")
    for name, edit in EDITS.items():
        Image.fromarray(edit(detailed(203))).save(place / "inbox" / f"{name}.png")
    Image.fromarray(detailed(999)).save(place / "inbox" / "unrelated.png")
    (place / "inbox" / "broken.jpg").write_bytes(b"no picture")
    encoder = choose("words")
    rules = {
        STORED: (Verify.REQUIRED, Mirrored.STORED),
        QUERIED: (Verify.SUPPORTS, Mirrored.QUERIED),
        SIMILAR: (Verify.OFF, Mirrored.OFF),
        EMPTY: (Verify.REQUIRED, Mirrored.OFF),
    }
    with Store(str(place / "vigilens.db")) as store:
        for name, (verify, mirrored) in rules.items():
            limits = Thresholds(0.0, 0.0) if verify is Verify.REQUIRED else Thresholds(0.98, 0.99)
            probe = tuple(probe_vector(encoder).tolist())
            given = (name, Kind.HARMFUL, "test", 50, limits, encoder.fingerprint, encoder.dimension, 1, probe)
            store.create(ReferenceSet(*given, verify=verify, mirrored=mirrored))
            if name != EMPTY:
                files = list(find([place / "known"]))
                gather(store, {name: encoder}, files, decoders=shared(), limits=Limits(10**7, 10**7))
    return place


@pytest.fixture(scope="module")
def parts(folder):
    """The judge of a scan, on that database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGILENS_MILVUS__URI", str(folder / "vigilens.db"))
        settings = load(None)
    with scan.judging(settings) as opened:
        yield opened


@functools.cache
def explained(parts, file):
    """Pixels, verdict, and the explanation of each set by its name."""
    (verdict,) = parts.judge.judge([ToJudge("event", "image", File(str(file)))]).verdicts
    pixels = scan.pixels_of(parts.settings, shared(), File(str(file)), scan.shown_view(verdict))
    searcher = wiring.searcher(parts.settings, parts.store)
    sets = explain(pixels, verdict, encoders=parts.encoders, searcher=searcher, store=parts.store)
    return pixels, verdict, {one.result.set: one for one in sets}


def mapped(corners, fractions):
    """Where a quadrilateral's corners (upper left first, clockwise) put positions within it."""
    upper_left, upper_right, _, lower_left = np.array(corners)
    return upper_left + fractions[:, :1] * (upper_right - upper_left) + fractions[:, 1:] * (lower_left - upper_left)


@pytest.mark.parametrize("name", [STORED, QUERIED])
@pytest.mark.parametrize("edit", EDITS)
def test_the_joined_corners_are_those_of_the_verdict_and_agree_with_its_region(folder, parts, edit, name):
    _, verdict, sets = explained(parts, folder / "inbox" / f"{edit}.png")
    evidence = next(match.check for match in verdict.matches if match.set == name)
    overlay = sets[name].overlay
    assert len(overlay.pairs) == evidence.inliers == sets[name].candidate.evidence.inliers
    assert sets[name].candidate.evidence.score == evidence.score
    assert evidence.mirrored == ("mirrored" in edit)
    box = np.array(scan.shown_view(verdict).box).reshape(2, 2)
    assert np.array(overlay.region) * (box[1] - box[0]) + box[0] == pytest.approx(np.array(evidence.region), abs=1e-4)
    here, there = overlay.pairs[:, :2], overlay.pairs[:, 2:]
    assert np.abs(mapped(overlay.region, there) - here).max() < 0.05
    assert np.abs(mapped(overlay.back, here) - there).max() < 0.05


def test_matches_come_first_and_each_set_is_explained(folder, parts):
    _, verdict, sets = explained(parts, folder / "inbox" / "cropped.png")
    assert list(sets)[: len(verdict.matches)] == [match.set for match in verdict.matches]
    assert set(sets) == {STORED, QUERIED, SIMILAR, EMPTY}
    assert all((one.match is not None) == (name in {STORED, QUERIED}) for name, one in sets.items())
    assert sets[SIMILAR].stored is None  # a set that does not check stores no corners
    assert len(sets[STORED].stored.keypoints) > 100


def test_the_sentence_names_the_measures_that_decided(folder, parts):
    _, verdict, sets = explained(parts, folder / "inbox" / "mirrored.png")
    evidence = next(match.check for match in verdict.matches if match.set == STORED)
    sentences = {name: why(one) for name, one in sets.items()}
    assert sentences[STORED].startswith(
        f"block: {evidence.inliers} of the picture's {sets[STORED].corners} corners agree"
    )
    assert "mirror image" in sentences[STORED]
    assert f"the check's score {evidence.score:.3f} reaches block's {CHECK.block:.3f}" in sentences[STORED]
    assert "similarity" not in sentences[STORED]  # its threshold is 0: similarity only selects candidates
    assert re.search(r"the similarity \d\.\d+ (reaches|is below) block's 0\.990$", sentences[QUERIED])
    assert re.fullmatch(r"no match: the similarity -?\d\.\d+ is below review's 0\.980", sentences[SIMILAR])
    assert sentences[EMPTY] == "no match: the set is empty, or all of its references are disabled"


def test_a_set_that_did_not_match_says_why_not(folder, parts):
    _, _, sets = explained(parts, folder / "inbox" / "unrelated.png")
    assert {one.match for one in sets.values()} == {None}
    one = sets[STORED]
    assert why(one).startswith("no match: ")
    unchecked = replace(one, candidate=one.candidate._replace(checked=False, evidence=None))
    assert "too few corners" in why(unchecked)
    assert "no place of the picture agrees" in why(replace(one, candidate=one.candidate._replace(evidence=None)))
    assert "the set has changed" in why(replace(one, candidate=None))


def test_the_sentence_names_a_shared_frame_and_a_veto(folder, parts):
    _, _, sets = explained(parts, folder / "inbox" / "cropped.png")
    one = sets[STORED]
    framed = one.candidate._replace(evidence=replace(one.candidate.evidence, distinctive=0.25))
    assert "75% of them recur elsewhere or are a common frame" in why(replace(one, candidate=framed))
    vetoed = one.match.model_copy(update={"vetoed_by": "cleared"})
    assert why(replace(one, match=vetoed)).startswith("block, vetoed by cleared: ")


# --- the drawing and the page ---


def test_each_pair_is_a_line_and_the_region_one_polygon_within_the_picture():
    pairs = np.array([(0.1, 0.3, 0.5, 0.5), (0.9, 0.7, 0.0, 1.0)], np.float32)
    outside = ((-1.0, -1.0), (0.5, -1.0), (0.5, 2.0), (-1.0, 2.0))
    drawn = Page(drawing(Panel(400, 200, "data:,"), Panel(300, 300), Overlay(outside, outside, pairs), NASTY))
    (lines,) = drawn.of("path", "pairs")
    assert joins(lines) == [(49, 196, 755, 245), (441, 294, 510, 490)]
    (region,) = drawn.of("polygon")
    points = {tuple(map(float, each)) for each in re.findall(r"(\S+) (\S+)", region["points"])}
    assert points == {(0, 122), (245, 122), (245, 368), (0, 368)}  # the left half of the incoming picture
    assert drawn.of("svg")[0]["aria-label"] == NASTY
    without = Page(drawing(Panel(400, 200, "data:,"), Panel(300, 300), None, ""))
    assert without.of("polygon") == without.of("path") == []


def shown(parts, file, references=()):
    pixels, verdict, sets = explained(parts, file)
    return verdict, sets, page(verdict, pixels, tuple(sets.values()), dict(references))


@pytest.mark.parametrize("edit", ["captioned", "mirrored"])
def test_the_page_draws_one_region_per_verified_match_and_as_many_lines_as_inliers(folder, parts, edit):
    verdict, sets, text = shown(parts, folder / "inbox" / f"{edit}.png")
    drawn = Page(text)
    verified = [match for match in verdict.matches if match.check]
    assert len(verified) == 2
    assert len(drawn.of("polygon", "region")) == len(verified)
    assert [len(joins(path)) for path in drawn.of("path", "pairs")] == [each.check.inliers for each in verified]
    # No picture of the reference is available: its corners are drawn in its frame.
    dots = [path["d"].count("M") for path in drawn.of("path", "dots")]
    assert dots == [len(sets[name].stored.keypoints) for name in (STORED, QUERIED)]
    assert len(drawn.of("section")) == len(sets) == 4


def test_the_page_fetches_nothing_runs_no_script_and_escapes_untrusted_text(folder, parts):
    pixels, verdict, sets = explained(parts, folder / "inbox" / "cropped.png")
    hostile = verdict.model_copy(update={"image_id": NASTY, "decided_by": NASTY})
    near = sets[STORED].near._replace(label=NASTY)
    text = page(hostile, pixels, [replace(sets[STORED], near=near), sets[EMPTY]], {})
    drawn = Page(text)
    assert {tag for tag, _ in drawn.tags}.isdisjoint({"script", "link", "iframe", "img"})
    for tag, given in drawn.tags:
        assert not [name for name in given if name.startswith("on")], tag
        for name in ("src", "href"):
            assert given.get(name, "data:image/webp;base64,").startswith(("data:image/webp;base64,", "#")), tag
    assert NASTY in "".join(drawn.words)
    assert "url(" not in text


def test_files_of_references_are_found_by_their_content_whatever_their_names(folder, tmp_path):
    os.mkfifo(tmp_path / "a pipe")
    below = tmp_path / "below"
    below.mkdir()
    (below / "other name").write_bytes((folder / "known" / "case 203.png").read_bytes())
    (below / "another").write_bytes(b"something else")
    with Store(str(folder / "vigilens.db")) as store:
        (id_,) = store.labelled(STORED, "case 203.png")
        digests = store.digests(STORED, [id_, "imported-7", "it's none"])
    assert digests.keys() == {id_}
    same = {**digests, "same picture": digests[id_], "imported-7": "0" * 64}
    assert files_of(tmp_path, same) == dict.fromkeys((id_, "same picture"), below / "other name")


# --- the command ---


@pytest.fixture
def scanned(folder, tmp_path, monkeypatch):
    """Runs `vigilens scan --explain`; returns the result and the page."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VIGILENS_SETS__DEFAULT_ENCODER", "words")

    def run(*words, to=tmp_path / "why.html"):
        result = CliRunner().invoke(main, ["scan", "--explain", str(to), *map(str, words)])
        return result, to.read_text() if to.exists() else ""

    return run


def test_scan_explains_one_picture_with_the_pictures_of_the_references(scanned):
    result, text = scanned("--references", "known", "--json", "inbox/cropped.png")
    assert result.exception is None, result.output
    assert '"decision":"block"' in result.stdout
    drawn = Page(text)
    assert len(drawn.of("polygon", "region")) == 2
    assert drawn.of("path", "dots") == []
    assert len(drawn.of("image")) == 2 * 3  # the picture and the reference, in all sets but the empty one
    assert "block, by" in "".join(drawn.words)


def test_scan_explains_a_picture_that_matches_nothing_and_a_file_that_is_not_a_picture(scanned):
    _, text = scanned("inbox/unrelated.png")
    assert "best candidate, no match" in text
    assert Page(text).of("polygon", "region") == [] or "is below review" in text
    result, text = scanned("inbox/broken.jpg")
    assert (result.exit_code, Page(text).of("section")) == (0, [])
    assert "unknown_format" in text


@pytest.mark.parametrize(
    ("words", "to", "message"),
    [
        (["inbox"], "why.html", "for one picture, got 8 files"),
        (["inbox/plain.png"], "copy.jpg", "name it something.html"),
        (["inbox/plain.png"], "nowhere/why.html", "there is no folder"),
    ],
)
def test_a_request_that_cannot_be_explained_is_a_usage_error(scanned, tmp_path, words, to, message):
    result, text = scanned(*words, to=tmp_path / to)
    assert (result.exit_code, text) == (2, "")
    assert message in result.output


def test_references_without_explain_are_a_usage_error(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(main, ["scan", "--references", "known", "inbox/plain.png"]).exit_code == 2


def test_the_lines_of_a_scan_have_the_checks_score_and_its_threshold(scanned):
    result, _ = scanned("--csv", "inbox/captioned.png")
    heading, line = (row.split(",") for row in result.stdout.splitlines())
    row = dict(zip(heading, line, strict=True))
    assert row["by"] == "check"
    assert float(row["check"]) == float(row["score"]) >= float(row["threshold"]) == CHECK.block
    result, _ = scanned("--csv", "inbox/unrelated.png")
    heading, line = (row.split(",") for row in result.stdout.splitlines())
    row = dict(zip(heading, line, strict=True))
    # Of the set whose threshold was missed by the smallest margin.
    assert (row["decision"], row["by"]) == ("allow", "check")
    assert float(row["score"]) < float(row["threshold"])
