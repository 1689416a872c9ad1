"""An image on its way, and the verdict that is composed of what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import JsonValue

from embedding.image import Source, Unreadable
from matcher.decide import Match, decide, match
from matcher.evidence import Candidate
from matcher.search import View
from matcher.verdict import Evidence, ImageFacts, Near, Position, SetMatch, SetSeen, Timings, Verdict
from reference_sets.model import Neighbour, ReferenceSet


@dataclass(frozen=True, slots=True)
class Image:
    """One image to judge.

    Attributes:
        source: where the bytes are; or why there are none, when the event itself was bad.
        attributes: JSON values that are carried to the verdict.
        position: where the event stood in Kafka; None outside Kafka.
    """

    event_id: str
    image_id: str
    source: Source | Unreadable
    attributes: dict[str, JsonValue] = field(default_factory=dict)
    position: Position | None = None


@dataclass(slots=True)
class Case:
    """An image on its way: what became of it so far.

    Attributes:
        facts: of the picture, once it is decoded.
        problem: why it has no vector.
        view: the image as it is compared.
        mirror: its mirror image, where a set asks for it.
        duplicate: whether the same bytes were embedded of late, or are right now.
        found: per set of the look, best first.
    """

    image: Image
    facts: ImageFacts | None = None
    problem: Unreadable | None = None
    view: View | None = None
    mirror: View | None = None
    duplicate: bool = False
    found: list[list[Candidate]] = field(default_factory=list)


def compose(case: Case, sets: Sequence[ReferenceSet], encoder: str, timings: Timings) -> Verdict:
    """The verdict on `case`, which was searched for in `sets` by the encoder of that fingerprint."""
    found = case.found or [[] for _ in sets]
    matches = [match(known, near) for known, near in zip(sets, found, strict=True)]
    outcome = decide(each for each in matches if each is not None)
    problem = case.problem
    return Verdict(
        event_id=case.image.event_id,
        image_id=case.image.image_id,
        decision="unscannable" if problem else outcome.decision,
        reason=problem.reason if problem else None,
        detail=problem.detail if problem else None,
        decided_by=outcome.decided_by,
        matches=tuple(_set_match(each) for each in outcome.matches),
        sets=tuple(_seen(known, near) for known, near in zip(sets, found, strict=True)),
        image=case.facts,
        encoder=encoder,
        attributes=case.image.attributes,
        position=case.image.position,
        timings=timings,
        judged_at=datetime.now(UTC),
    )


def _near(neighbour: Neighbour) -> Near:
    return Near(id=neighbour.id, label=neighbour.label, score=neighbour.score)


def _seen(known: ReferenceSet, found: Sequence[Candidate]) -> SetSeen:
    return SetSeen(
        set=known.name,
        version=known.version,
        kind=known.kind.value,
        review=known.thresholds.review,
        block=known.thresholds.block,
        verify=known.verify.value,
        check_review=known.check.review,
        check_block=known.check.block,
        nearest=_near(found[0].neighbour) if found else None,
        check_score=found[0].score if found and found[0].checked else None,
    )


def _set_match(each: Match) -> SetMatch:
    return SetMatch(
        set=each.set.name,
        version=each.set.version,
        kind=each.set.kind.value,
        category=each.set.category,
        severity=each.set.severity,
        level=each.level,
        score=each.nearest.score,
        threshold=each.threshold,
        margin=each.margin,
        nearest=_near(each.nearest),
        runner_up=_near(each.runner_up) if each.runner_up else None,
        vetoed_by=each.vetoed_by,
        verify=each.set.verify.value,
        verified=each.verified,
        evidence=_evidence(each),
    )


def _evidence(each: Match) -> Evidence | None:
    found = each.candidate.evidence
    if found is None:
        return None
    return Evidence(
        score=found.score,
        threshold=each.check_threshold,
        margin=found.score - each.check_threshold,
        inliers=found.inliers,
        share=found.share,
        distinctive=found.distinctive,
        coverage=found.coverage,
        mirrored=found.mirrored,
        region=found.region,
    )
