"""report.html, on hand-made verdicts."""

import base64
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hand_made import EVIDENCE, KNOWN, OVERLAY, match_of, mixed, result, set_of, verdict, verified
from html_page import Page, joins
from PIL import Image

from demo.pictures import SAMPLES, Role
from demo.report import Facts, report
from demo.summary import DECISIONS
from demo.thumbnails import SIDE, reference_thumbnails
from embedding.image import Reason

NASTY = '"><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>'
FACTS = Facts(
    seed=1,
    finished=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    service_ready_s=2.0,
    first_verdict_s=9.0,
    verdicts=7,
    metrics_sum=7,
    set_change_s=0.5,
)

REFERENCES = reference_thumbnails(SAMPLES[:6])


@pytest.fixture
def results():
    return mixed()


def page_of(results, overlays=()):
    return report(results, REFERENCES, dict(overlays), FACTS)


def attributes(page):
    return [(tag, name, value or "") for tag, given in page.tags for name, value in given.items()]


def test_the_report_loads_nothing_and_runs_no_script(results):
    text = page_of(results)
    page = Page(text)
    assert {"script", "link", "iframe", "object", "embed", "base"}.isdisjoint(tag for tag, _ in page.tags)
    assert [item for item in attributes(page) if item[1].startswith("on")] == []
    for tag, name, value in attributes(page):
        if name in {"src", "href", "srcset", "action", "poster"}:
            assert value.startswith(("data:image/webp;base64,", "#r")), (tag, name, value[:60])
    assert "url(" not in text
    assert "@import" not in text
    policy = next(value for _, name, value in attributes(page) if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_foreign_text_is_shown_and_escaped(results):
    known = set_of(NASTY, "harmful", NASTY, 0.9)
    hostile = verdict(
        "block",
        [known],
        [match_of(known, "block", NASTY)],
        image_id=NASTY,
        event_id=NASTY,
        attributes={NASTY: NASTY},
        encoder=NASTY,
    )
    unread = verdict("unscannable", reason=Reason.CORRUPT, detail=NASTY, image=None)
    mixed = [result(1, Role.KNOWN, NASTY, hostile), result(2, Role.KNOWN, "grey", unread), *results]
    named = {**REFERENCES, NASTY: REFERENCES["chelsea"]}
    page = Page(report(mixed, named, {}, FACTS))
    assert page.of("script") == []
    assert len(page.of("img")) == pictures_of(mixed)
    assert NASTY in [each.get("aria-label") for each in page.of("svg", "shot")]
    assert [item for item in attributes(page) if item[1].startswith("on")] == []
    assert NASTY in "".join(page.words)


def pictures_of(results):
    return sum(each.incoming.picture is not None for each in results)


def test_each_picture_is_in_the_report_once_and_each_reference_once(results):
    page = Page(page_of(results))
    assert len(page.of("img")) == pictures_of(results) == 6
    assert len(page.of("symbol")) == len(page.of("image")) == len(REFERENCES) == 6
    names = {f"#{each['id']}" for each in page.of("symbol")}
    used = [each["href"] for each in page.of("use")]
    assert used
    assert set(used) <= names
    assert len(page.of("article")) == len(results)


def test_a_verified_match_is_drawn_with_its_region_and_as_many_lines_as_inliers(results):
    mixed = [*results, result(8, Role.KNOWN, "caption", verified())]
    page = Page(text := page_of(mixed, {8: OVERLAY}))
    assert len(page.of("polygon", "region")) == 1
    (lines,) = page.of("path", "pairs")
    assert len(joins(lines)) == EVIDENCE.inliers
    assert len(page.of("img")) == 6  # the seventh picture stands in the drawing
    assert 'class="fill block" style="width:60.0%"' in text  # the check's score, not the similarity
    assert 'class="tick review" style="left:30.0%"' in text
    assert "geometric check" in "".join(page.words)


def test_the_table_of_edits_says_what_pdq_alone_finds(results):
    words = Page(report(results, REFERENCES, {}, replace(FACTS, hashed=frozenset({1})))).words
    assert "1 of 1" in words
    assert any(said.startswith("0 of 1: its parts move") for said in words)


def test_where_no_check_was_passed_no_bar_is_drawn():
    known = set_of(KNOWN, "harmful", "chelsea", 0.4, use="required")
    text = page_of([result(1, Role.INNOCENT, "grey", verdict("allow", [known]))])
    assert "check not passed; similarity 0.400" in text
    assert 'class="fill' not in text


def test_thumbnails_are_small_pictures():
    for face in REFERENCES.values():
        with Image.open(io.BytesIO(base64.b64decode(face.href.partition(",")[2]))) as small:
            assert max(small.size) == SIDE


def test_score_and_thresholds_are_at_the_right_places_on_the_bar(results):
    text = page_of(results[1:2])
    assert 'class="fill review" style="width:70.0%"' in text
    assert 'class="tick review" style="left:68.8%"' in text
    assert 'class="tick block" style="left:75.8%"' in text


def test_a_vetoed_match_is_not_drawn_as_an_alarm(results):
    text = page_of(results[3:4])
    assert "fill other" in text
    assert "fill block" not in text
    assert "vetoed by sample_cleared" in text


def test_the_report_says_if_the_metrics_do_not_add_up(results):
    assert "the same number" in page_of(results)
    other = report(results, {}, {}, replace(FACTS, metrics_sum=6))
    assert "6 verdicts: NOT the same number" in other


def test_a_set_that_changed_is_shown_before_and_after():
    before = result(
        1, Role.REPORTED, "plain copy", verdict("allow", [set_of(KNOWN, "harmful", "coins", 0.1)]), known=False
    )
    known = set_of(KNOWN, "harmful", "horse", 0.97, version=3)
    after = result(2, Role.REPORTED, "plain copy", verdict("block", [known], [match_of(known, "block")]))
    text = page_of([after, before])
    assert "A set changed while the service ran" in text
    assert text.index("sample_known, version 2") < text.index("sample_known, version 3")
    assert "A set changed" not in page_of([before])


def test_filters_exist_for_each_decision_and_each_outcome(results):
    text = page_of(results)
    page = Page(text)
    radios = {each["id"] for each in page.of("input")}
    assert {"all", *(f"decision-{each}" for each in DECISIONS), "outcome-missed", "outcome-cleared"} <= radios
    for radio in radios - {"all"}:
        attribute, _, value = radio.partition("-")
        rule = f'#events:has(#{radio}:checked) .card:not([data-{attribute}="{value}"]) {{ display: none; }}'
        assert rule in text
        assert any(card[f"data-{attribute}"] == value for card in page.of("article"))
