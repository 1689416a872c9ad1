"""Events of the demo with verdicts on them, made by hand."""

import io

import numpy as np
from made_verdicts import verdict as verdict_of
from PIL import Image

from demo.pictures import Role, of
from demo.stream import Incoming, Wire
from demo.summary import Result
from embedding.image import Reason
from matcher.explain import Overlay
from matcher.verdict import CheckResult, ImageFacts, SetMatch, SetResult, example

KNOWN, ALLOW = "sample_known", "sample_cleared"
BY_ROLE = {role: of(role)[0] for role in Role}


def picture(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (700, 400), colour).save(file, "PNG")
    return file.getvalue()


CORNERS = ((0.2, 0.2), (0.9, 0.2), (0.9, 0.8), (0.2, 0.8))
OVERLAY = Overlay(CORNERS, CORNERS, np.array([(0.3, 0.3, 0.1, 0.1), (0.5, 0.5, 0.4, 0.4)], np.float32))
EVIDENCE = CheckResult(
    score=0.6,
    threshold=0.5,
    inliers=2,
    share=0.5,
    distinctive=1.0,
    coverage=0.8,
    mirrored=False,
    region=CORNERS,
    differs=(),
)


def set_of(name, kind, label, score, use="off", **changes):
    """A set of the verdict whose best candidate has this label and similarity."""
    (given,) = example()["sets"]
    rules = given["rules"] | {"similarity": {"review": 0.6875, "block": 0.7578}}
    rules["check"] = rules["check"] | {"use": use, "review": 0.3, "block": 0.5}
    candidate = given["candidates"][0] | {"id": "0" * 64, "label": label, "similarity": score, "check": None}
    named = {"set": name, "kind": kind, "version": 2, "rules": rules, "candidates": [candidate]}
    return SetResult.model_validate(given | named | changes)


def match_of(known, level, vetoed_by=None, check=None):
    (given,), (best,) = example()["matches"], known.candidates
    similarity = {"score": best.similarity, "normalised": None, "threshold": known.rules.similarity.block}
    decided = ("check", check.score) if check else ("similarity", best.similarity)
    facts = {"set": known.set, "version": known.version, "kind": known.kind, "level": level, "reached": level}
    facts |= {"decided_on": decided[0], "score": decided[1], "similarity": similarity, "vetoed_by": vetoed_by}
    facts |= {"reference": given["reference"] | {"id": best.id, "label": best.label}, "check": check}
    return SetMatch.model_validate(given | facts)


def verdict(decision="allow", sets=(), matches=(), encoder="pdq:0123456789abcdef", **changes):
    facts = ImageFacts(sha256="0" * 64, bytes=1000, format="PNG", width=700, height=400, frames=1, damaged=False)
    given = {
        "event_id": "image-0001",
        "image_id": "image-0001",
        "decision": decision,
        "decided_by": KNOWN if decision in {"block", "review"} else None,
        "matches": tuple(matches),
        "sets": tuple(sets),
        "image": facts,
        "encoders": [example()["encoders"][0] | {"fingerprint": encoder}],
        "attributes": {},
    }
    return verdict_of(**(given | changes))


def result(number, role, edit, said, **changes):
    incoming = Incoming(number, BY_ROLE[role], edit, Wire.BYTES, b"", picture=picture())
    return Result(incoming, said, 0.05, **changes)


def found(level, label="chelsea", score=0.9, vetoed_by=None):
    known = set_of(KNOWN, "harmful", label, score)
    return verdict("allow" if vetoed_by else level, [known], [match_of(known, level, vetoed_by)])


def missed(label="chelsea"):
    return verdict("allow", [set_of(KNOWN, "harmful", label, 0.1)])


def verified():
    known = set_of(KNOWN, "harmful", "chelsea", 0.4, use="required")
    return verdict("block", [known], [match_of(known, "block", check=EVIDENCE)], encoder="words:0")


def mixed():
    """Seven events that come to different things."""
    archive = set_of("sample_archive", "reference", "astronaut", 0.95)
    odd = Incoming(5, None, "a text", None, b"text", reason=Reason.UNKNOWN_FORMAT)
    unknown = {"reason": Reason.UNKNOWN_FORMAT, "detail": "no format that we know", "image": None}
    return [
        result(1, Role.KNOWN, "recompressed", found("block")),
        result(2, Role.KNOWN, "sticker", found("review", score=0.7)),
        result(3, Role.KNOWN, "mirrored", missed()),
        result(4, Role.CLEARED, "plain copy", found("block", "retina", vetoed_by=ALLOW)),
        Result(odd, verdict("unscannable", **unknown), 0.02),
        result(6, Role.ARCHIVE, "plain copy", verdict("allow", [archive], [match_of(archive, "block")])),
        result(7, Role.INNOCENT, "grey", missed()),
    ]
