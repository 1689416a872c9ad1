"""Events of the demo with verdicts on them, made by hand."""

import io
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from demo.pictures import Role, of
from demo.stream import Incoming, Wire
from demo.summary import Result
from embedding.image import Reason
from matcher.explain import Overlay
from matcher.verdict import Evidence, ImageFacts, Near, SetMatch, SetSeen, Timings, Verdict

KNOWN, ALLOW = "sample_known", "sample_cleared"
BY_ROLE = {role: of(role)[0] for role in Role}


def picture(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (700, 400), colour).save(file, "PNG")
    return file.getvalue()


CORNERS = ((0.2, 0.2), (0.9, 0.2), (0.9, 0.8), (0.2, 0.8))
OVERLAY = Overlay(CORNERS, CORNERS, np.array([(0.3, 0.3, 0.1, 0.1), (0.5, 0.5, 0.4, 0.4)], np.float32))
EVIDENCE = Evidence(
    score=0.6,
    threshold=0.5,
    margin=0.1,
    inliers=2,
    share=0.5,
    distinctive=1.0,
    coverage=0.8,
    mirrored=False,
    region=CORNERS,
)


def seen_set(name, kind, label, score, **changes):
    near = Near(id="0" * 64, label=label, score=score)
    limits = {"review": 0.6875, "block": 0.7578, "check_review": 0.3, "check_block": 0.5}
    seen = {"set": name, "version": 2, "kind": kind, "verify": "off", "nearest": near, "check_score": None}
    return SetSeen(**seen | limits | changes)


def match_of(known, level, vetoed_by=None, evidence=None):
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
        verify=known.verify,
        verified=None if evidence is None else True,
        evidence=evidence,
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
        "timings": Timings(fetch_ms=1, decode_ms=2, encode_ms=3, search_ms=4, verify_ms=5),
        "judged_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return Verdict(**(given | changes))


def result(number, role, edit, said, **changes):
    incoming = Incoming(number, BY_ROLE[role], edit, Wire.BYTES, b"", picture=picture())
    return Result(incoming, said, 0.05, **changes)


def found(level, label="chelsea", score=0.9, vetoed_by=None):
    known = seen_set(KNOWN, "harmful", label, score)
    return verdict("allow" if vetoed_by else level, [known], [match_of(known, level, vetoed_by)])


def missed(label="chelsea"):
    return verdict("allow", [seen_set(KNOWN, "harmful", label, 0.1)])


def verified():
    known = seen_set(KNOWN, "harmful", "chelsea", 0.4, verify="required")
    return verdict("block", [known], [match_of(known, "block", evidence=EVIDENCE)], encoder="words:0")


def mixed():
    """Seven events that come to different things."""
    archive = seen_set("sample_archive", "reference", "astronaut", 0.95)
    odd = Incoming(5, None, "a text", None, b"text", reason=Reason.UNKNOWN_FORMAT)
    unknown = {"reason": Reason.UNKNOWN_FORMAT, "detail": "no format that we know", "image": None}
    return [
        result(1, Role.KNOWN, "recompressed", found("block")),
        result(2, Role.KNOWN, "trimmed edge", found("review", score=0.7)),
        result(3, Role.KNOWN, "mirrored", missed()),
        result(4, Role.CLEARED, "plain copy", found("block", "retina", vetoed_by=ALLOW)),
        Result(odd, verdict("unscannable", **unknown), 0.02),
        result(6, Role.ARCHIVE, "plain copy", verdict("allow", [archive], [match_of(archive, "block")])),
        result(7, Role.INNOCENT, "grey", missed()),
    ]
