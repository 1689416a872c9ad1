"""What is judged of a file: every view, its very bytes, and what to do if a part of it was not looked at."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from detailed import cropped, detailed
from drawn import encoded
from judging import described, in_force, judge
from PIL import Image as Pictures

from embedding.image import Image, Inline
from reference_sets.model import Kind, Reference
from reference_sets.store import Store

FEATURELESS = encoded(Pictures.new("RGB", (320, 240), "grey"), "PNG")
CORRUPT = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
TEXT = b"no picture at all"
KNOWN = Pictures.fromarray(detailed(301))
ALONE, SUPPORTED = "alone", "supported"


@pytest.fixture(name="store")
def _store(judged_sets):
    return judged_sets


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Sets of the digests of files that nothing but their bytes tells apart."""
    with Store(str(tmp_path_factory.mktemp("files") / "sets.db")) as opened:
        for name, kind, contents in (
            ("bad_files", Kind.HARMFUL, (FEATURELESS, CORRUPT, TEXT)),
            ("good_files", Kind.ALLOW, (TEXT,)),
        ):
            known = described(name)
            opened.create(replace(known, kind=kind))
            vector = tuple(np.eye(1, known.dimension)[0].tolist())
            opened.upsert(
                name, [Reference(f"id-{n}", f"file {n}", vector, digest=sha(data)) for n, data in enumerate(contents)]
            )
        yield opened


def sha(data):
    return hashlib.sha256(data).hexdigest()


def of(data):
    return Image("event", "image", Inline(data))


def animated(*pixels, form="WEBP", **options):
    frames = [Pictures.fromarray(each).resize((480, 360)) for each in pixels]
    return of(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options))


def only(judging, image):
    (verdict,) = judging.judge([image]).verdicts
    return verdict


@pytest.mark.parametrize(
    ("data", "sets", "decision"), [(FEATURELESS, 1, "block"), (CORRUPT, 1, "block"), (TEXT, 2, "review")]
)
def test_exactly_a_references_bytes_match_whatever_they_show(files, data, sets, decision):
    verdict = only(judge(files, in_force(files)), of(data))
    assert verdict.decision == decision
    assert len(verdict.matches) == sets
    harmful = verdict.matches[0]
    assert (harmful.set, harmful.decided_on, harmful.reached, harmful.score) == ("bad_files", "content", "block", 1.0)
    assert verdict.image is None or verdict.image.sha256 == sha(data)


def test_other_bytes_that_show_as_little_do_not(files):
    for data in (FEATURELESS + b"\0", TEXT + b"!"):
        verdict = only(judge(files, in_force(files)), of(data))
        assert (verdict.decision, verdict.matches) == ("unscannable", ())


@pytest.mark.parametrize("frame", [1, 3])
def test_a_known_picture_in_a_later_frame_blocks_and_the_match_names_its_view(store, frame):
    frames = [detailed(seed) for seed in (801, 802, 803)]
    frames.insert(frame, detailed(301))
    verdict = only(judge(store, in_force(store)), animated(*frames, quality=90))
    assert verdict.decision == "block"
    for match in verdict.matches:
        assert match.reference.id == "id-1"
        assert verdict.views[match.view].frame == frame
    assert (verdict.frames_judged, verdict.unseen.frames, verdict.image.frames) == ((0, 1, 2, 3), 0, 4)


def test_a_known_picture_in_a_long_screenshot_blocks_and_its_region_lies_in_the_whole(store):
    height, width = np.asarray(KNOWN).shape[:2]
    tall = Pictures.new("RGB", (width, 6 * height), "white")
    for place, seed in ((0, 811), (1, 812), (4, 814), (5, 815)):
        tall.paste(Pictures.fromarray(detailed(seed)).resize((width, height)), (0, place * height))
    tall.paste(KNOWN, (0, round(2.5 * height)))
    verdict = only(judge(store, in_force(store, SUPPORTED)), of(encoded(tall, quality=90)))
    assert verdict.decision == "block"
    (match,) = verdict.matches
    _, top, _, bottom = verdict.views[match.view].box
    assert top <= 2.5 / 6 + 0.01
    assert bottom >= 3.5 / 6 - 0.01
    assert np.abs(np.array(match.check.region) - [[0, 2.5 / 6], [1, 2.5 / 6], [1, 3.5 / 6], [0, 3.5 / 6]]).max() < 0.02


def test_a_known_picture_that_only_dark_themes_show_blocks(store):
    white = Pictures.new("L", KNOWN.size, 255)
    data = encoded(Pictures.merge("RGBA", (white, white, white, KNOWN.convert("L"))), "PNG")
    verdict = only(judge(store, in_force(store, ALONE)), of(data))
    assert verdict.decision == "block"
    assert verdict.views[verdict.matches[0].view].reading == "on_black"


@pytest.mark.parametrize(
    ("unseen", "decision"), [("allow", "allow"), ("review", "review"), ("unscannable", "unscannable")]
)
def test_what_was_not_looked_at_is_counted_and_decides_as_the_operator_wishes(store, unseen, decision):
    frames = animated(*(detailed(seed) for seed in range(820, 826)), quality=80)
    still = of(encoded(Pictures.fromarray(detailed(820)), quality=80))
    judging = judge(store, in_force(store, ALONE), unseen=unseen, max_views=3)
    some, whole = judging.judge([frames, still]).verdicts
    assert (some.decision, whole.decision) == (decision, "allow")
    assert (some.unseen.frames, whole.unseen.frames, len(some.frames_judged)) == (3, 0, 3)
    assert (some.reason, some.decided_by) == ("not_compared" if decision == "unscannable" else None, None)


def test_a_known_picture_blocks_although_other_frames_were_not_looked_at(store):
    frames = animated(*(detailed(seed) for seed in (301, 821, 822, 823)), quality=90)
    verdict = only(judge(store, in_force(store, ALONE), unseen="unscannable", max_views=2), frames)
    assert (verdict.decision, verdict.unseen.frames) == ("block", 2)


def test_a_damaged_file_is_never_allowed_and_blocks_if_what_is_left_is_known(store):
    judging = judge(store, in_force(store))
    known, strange = (
        only(judging, of(encoded(Pictures.fromarray(pixels), quality=90, progressive=True)[:-300]))
        for pixels in (cropped(detailed(301), 0, 0, 1, 0.9), detailed(999))
    )
    assert (known.decision, known.image.damaged) == ("block", True)
    assert (strange.decision, strange.reason, strange.image.damaged) == ("unscannable", "damaged", True)
    assert strange.views
