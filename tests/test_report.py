"""The demo's summary and report.html, on hand-made verdicts."""

import base64
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from PIL import Image

from demo.pictures import SAMPLES, Role, of
from demo.report import Facts, report
from demo.stream import Incoming, Wire
from demo.summary import Came, Seen, by_edit, came_to, decisions, limits, nearest_set, sentences
from demo.thumbs import SIDE, reference_thumbs
from embedding.source import Reason
from matcher.verdict import ImageFacts, Near, SetMatch, SetSeen, Timings, Verdict

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
KNOWN, ALLOW = "sample_known", "sample_cleared"
BY_ROLE = {role: of(role)[0] for role in Role}


def picture(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (700, 400), colour).save(file, "PNG")
    return file.getvalue()


def seen_set(name, kind, label, score, version=2):
    near = Near(id="0" * 64, label=label, score=score)
    return SetSeen(set=name, version=version, kind=kind, review=0.6875, block=0.7578, nearest=near)


def match_of(known, level, vetoed_by=None):
    return SetMatch(
        set=known.set,
        version=known.version,
        kind=known.kind,
        category="sample",
        severity=50,
        level=level,
        score=known.nearest.score,
        threshold=known.block if level == "block" else known.review,
        margin=0.1,
        nearest=known.nearest,
        runner_up=None,
        vetoed_by=vetoed_by,
        evidence=None,
    )


def verdict(decision="allow", sets=(), matches=(), **changes):
    facts = ImageFacts(sha256="0" * 64, bytes=1000, format="PNG", width=700, height=400, frames=1)
    given = {
        "event_id": "image-0001",
        "image_id": "image-0001",
        "decision": decision,
        "reason": None,
        "detail": None,
        "decided_by": KNOWN if decision in {"block", "review"} else None,
        "matches": tuple(matches),
        "sets": tuple(sets),
        "image": facts,
        "encoder": "pdq:0123456789abcdef",
        "attributes": {},
        "position": None,
        "timings": Timings(fetch_ms=1, decode_ms=2, encode_ms=3, search_ms=4),
        "judged_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return Verdict(**(given | changes))


def seen(number, role, edit, said, **changes):
    incoming = Incoming(number, BY_ROLE[role], edit, Wire.BYTES, b"", picture=picture())
    return Seen(incoming, said, 0.05, **changes)


def found(level, label="chelsea", score=0.9, vetoed_by=None):
    known = seen_set(KNOWN, "harmful", label, score)
    return verdict("allow" if vetoed_by else level, [known], [match_of(known, level, vetoed_by)])


def missed(label="chelsea"):
    return verdict("allow", [seen_set(KNOWN, "harmful", label, 0.1)])


@pytest.fixture
def all_seen():
    archive = seen_set("sample_archive", "reference", "astronaut", 0.95)
    odd = Incoming(5, None, "a text", None, b"text", reason=Reason.UNKNOWN_FORMAT)
    unknown = {"reason": Reason.UNKNOWN_FORMAT, "detail": "no format that we know", "image": None}
    return [
        seen(1, Role.KNOWN, "recompressed", found("block")),
        seen(2, Role.KNOWN, "trimmed edge", found("review", score=0.7)),
        seen(3, Role.KNOWN, "mirrored", missed()),
        seen(4, Role.CLEARED, "plain copy", found("block", "retina", vetoed_by=ALLOW)),
        Seen(odd, verdict("unscannable", **unknown), 0.02),
        seen(6, Role.ARCHIVE, "plain copy", verdict("allow", [archive], [match_of(archive, "block")])),
        seen(7, Role.INNOCENT, "grey", missed()),
    ]


class Page(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


def page_of(all_seen):
    return report(all_seen, reference_thumbs(SAMPLES[:6]), FACTS)


def test_each_event_comes_to_what_the_truth_says(all_seen):
    came = [came_to(each) for each in all_seen]
    assert came == [
        Came.FOUND,
        Came.FOUND,
        Came.MISSED,
        Came.CLEARED,
        Came.TURNED_AWAY,
        Came.NAMED,
        Came.LET_THROUGH,
    ]


def test_a_known_picture_taken_for_another_one_counts_as_missed():
    assert came_to(seen(1, Role.KNOWN, "grey", found("block", label="coffee"))) is Came.MISSED


def test_a_reported_picture_is_not_missed_before_it_is_in_the_set():
    assert came_to(seen(1, Role.REPORTED, "plain copy", missed(), known=False)) is Came.NOT_KNOWN_YET
    assert came_to(seen(2, Role.REPORTED, "plain copy", missed(), known=True)) is Came.MISSED


def test_an_innocent_picture_that_is_blocked_is_a_false_alarm_and_said_so():
    alarm = seen(1, Role.INNOCENT, "grey", found("block"))
    assert came_to(alarm) is Came.FALSE_ALARM
    assert "False alarms among 1 other pictures: 1." in sentences([alarm])


def test_an_odd_value_with_another_reason_is_unexpected(all_seen):
    odd = all_seen[4]
    other = odd.verdict.model_copy(update={"reason": Reason.CORRUPT})
    assert came_to(Seen(odd.incoming, other, 0.1)) is Came.ODD


def test_edits_are_counted_by_decision_and_misses_are_named(all_seen):
    assert [(each.edit, each.blocked, each.reviewed, each.missed) for each in by_edit(all_seen)] == [
        ("recompressed", 1, 0, 0),
        ("trimmed edge", 0, 1, 0),
        ("mirrored", 0, 0, 1),
    ]
    assert "Never found: mirrored." in sentences(all_seen)
    assert decisions(all_seen) == {"block": 1, "review": 1, "allow": 4, "unscannable": 1}


def test_the_limits_of_a_perceptual_hash_are_told_only_of_one(all_seen):
    assert "perceptual hash" in limits(all_seen)
    other = [Seen(each.incoming, each.verdict.model_copy(update={"encoder": "openclip:0"}), 0.1) for each in all_seen]
    assert limits(other) == ""


def test_the_worst_match_is_shown_before_a_nearer_reference_elsewhere():
    known, archive = seen_set(KNOWN, "harmful", "chelsea", 0.8), seen_set("archive", "reference", "moon", 0.9)
    shown, match = nearest_set(verdict("block", [archive, known], [match_of(known, "block")]))
    assert (shown.set, match.level) == (KNOWN, "block")
    assert nearest_set(verdict("allow", [archive, known])) == (archive, None)
    assert nearest_set(verdict("allow")) is None


def test_nothing_in_the_report_is_fetched_and_no_script_runs(all_seen):
    text = page_of(all_seen)
    page = Page(text)
    assert "script" not in page.tags
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert [item for item in page.attributes if item[1].startswith("on")] == []
    for tag, name, value in page.attributes:
        if name in {"src", "href", "srcset", "action", "poster"}:
            assert value.startswith("data:image/webp;base64,"), (tag, name, value[:60])
    assert re.findall(r"url\((?![\"']data:image/webp;base64,)", text) == []
    assert "@import" not in text
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_what_strangers_wrote_is_shown_and_never_obeyed(all_seen):
    known = seen_set(NASTY, "harmful", NASTY, 0.9)
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
    mixed = [seen(1, Role.KNOWN, NASTY, hostile), seen(2, Role.KNOWN, "grey", unread), *all_seen]
    text = page_of(mixed)
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags.count("img") == page_tags_of_pictures(mixed)
    assert [item for item in page.attributes if item[1].startswith("on")] == []
    assert NASTY in "".join(page.words)


def page_tags_of_pictures(all_seen):
    return sum(each.incoming.picture is not None for each in all_seen)


def test_each_picture_is_in_the_report_once_and_each_reference_once(all_seen):
    page = Page(text := page_of(all_seen))
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(pictures) == page_tags_of_pictures(all_seen) == 6
    assert len(re.findall(r"\.r\d+\{background-image", text)) == 6
    assert page.tags.count("article") == len(all_seen)


def test_thumbnails_are_small_pictures():
    for uri in reference_thumbs(SAMPLES[:2]).values():
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as small:
            assert max(small.size) == SIDE


def test_score_and_thresholds_stand_at_their_places_on_the_bar(all_seen):
    text = page_of(all_seen[1:2])
    assert 'class="fill review" style="width:70.0%"' in text
    assert 'class="tick review" style="left:68.8%"' in text
    assert 'class="tick block" style="left:75.8%"' in text


def test_a_match_that_was_taken_back_is_not_drawn_as_an_alarm(all_seen):
    text = page_of(all_seen[3:4])
    assert "fill other" in text
    assert "fill block" not in text
    assert "taken back by sample_cleared" in text


def test_metrics_that_do_not_add_up_are_said_aloud(all_seen):
    assert "the same number" in page_of(all_seen)
    other = report(all_seen, {}, replace(FACTS, metrics_sum=6))
    assert "6 verdicts: NOT the same number" in other


def test_a_set_that_changed_is_shown_before_and_after():
    before = seen(
        1, Role.REPORTED, "plain copy", verdict("allow", [seen_set(KNOWN, "harmful", "coins", 0.1)]), known=False
    )
    known = seen_set(KNOWN, "harmful", "horse", 0.97, version=3)
    after = seen(2, Role.REPORTED, "plain copy", verdict("block", [known], [match_of(known, "block")]))
    text = page_of([after, before])
    assert "A set changed while the service ran" in text
    assert text.index("sample_known, version 2") < text.index("sample_known, version 3")
    assert "A set changed" not in page_of([before])


def test_filters_exist_for_each_decision_and_each_outcome(all_seen):
    text = page_of(all_seen)
    page = Page(text)
    radios = {value for tag, name, value in page.attributes if (tag, name) == ("input", "id")}
    assert {"all", "d-block", "d-review", "d-allow", "d-unscannable", "c-missed", "c-cleared"} <= radios
    for radio in radios - {"all"}:
        assert f"#events:has(#{radio}:checked)" in text
