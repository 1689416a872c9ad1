"""Builds the verdict on an image from its embedding and its candidates. Pure."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from embedding.image import File, Image, Reason, Source, Unreadable, Url
from matcher import verdict as published
from matcher.decide import decide
from matcher.embed import Embedded
from matcher.evidence import Candidate
from matcher.levels import Compared, Match, in_use
from reference_sets.in_memory.constants import is_exact
from reference_sets.model import CHECK_VERSION, Neighbour, ReferenceSet

MAX_ADDRESS = 4096  # characters of a path or URL that a verdict keeps: both are untrusted input
BEST = 3  # candidates per set by check, and the same number by similarity


UnseenMeans = Literal["allow", "review", "unscannable"]


class EncoderUsed(NamedTuple):
    """An encoder that was used: its name in the settings, and its fingerprint."""

    name: str
    fingerprint: str


def compose(  # noqa: PLR0913, PLR0917 (all that a verdict contains)
    image: Image,
    embedded: Embedded,
    compared: Sequence[Compared],
    encoders: Sequence[EncoderUsed],
    timings: published.Timings,
    judged_at: datetime,
    *,
    unseen: UnseenMeans = "allow",
) -> published.Verdict:
    """The verdict.

    Args:
        image: the image to judge.
        embedded: the result of embedding its bytes.
        compared: all sets in force, with their candidates.
        encoders: all encoders that the sets need.
        timings: of its batch.
        judged_at: the time, with its zone.
        unseen: the decision instead of allow if frames or parts of the image were not looked at.
    """
    instead = _instead_of_allow(embedded, unseen)
    compared = [in_use(each, judged_at) for each in compared]
    outcome = decide(compared, embedded.problem, judged_at=judged_at, instead_of_allow=instead)
    position, names, facts = image.position, {each.fingerprint: each.name for each in encoders}, embedded.facts
    return published.Verdict(
        event_id=image.event_id,
        image_id=image.image_id,
        decision=outcome.decision,
        reason=outcome.problem.reason if outcome.problem else None,
        detail=outcome.problem.detail if outcome.problem else None,
        decided_by=outcome.decided_by,
        cause=None,
        source=_source(image.source, fetched=embedded.fetched) if image.source else None,
        image=published.ImageFacts(**asdict(facts)) if facts else None,
        views=tuple(
            published.View(view=number, frame=look.frame, box=look.box, reading=look.reading)
            for number, look in enumerate(embedded.looks)
        ),
        frames_judged=embedded.frames_judged,
        unseen=published.Unseen(frames=_unseen_frames(embedded), windows=embedded.unseen_windows),
        encoders=tuple(_encoder(each, embedded) for each in encoders),
        sets=tuple(_set(each, names[each.set.encoder]) for each in compared),
        matches=tuple(_match(each, names[each.set.encoder]) for each in outcome.matches),
        shadow=None,
        attributes=image.attributes,
        position=published.Position(**position._asdict()) if position else None,
        timings=timings,
        judged_at=judged_at,
    )


def _encoder(each: EncoderUsed, embedded: Embedded) -> published.EncoderResult:
    """Whether the encoder could compare the image, and why not."""
    problem = embedded.problem.reason if embedded.problem else Reason.NOT_COMPARED
    if is_exact(each.fingerprint):
        looked, reason = bool(embedded.sha256), problem
    else:
        looked = any(each.fingerprint in look.view.vectors for look in embedded.looks)
        reason = embedded.without.get(each.fingerprint, problem)
    return published.EncoderResult(**each._asdict(), looked=looked, reason=None if looked else reason)


def _unseen_frames(embedded: Embedded) -> int:
    return embedded.facts.frames - len(embedded.frames_judged) if embedded.facts else 0


def _instead_of_allow(embedded: Embedded, unseen: UnseenMeans) -> Unreadable | Literal["review"] | None:
    """The decision on an image in which nothing was found, if only a part of it was looked at."""
    if embedded.partly:
        return embedded.partly
    frames, windows = _unseen_frames(embedded), embedded.unseen_windows
    if unseen == "allow" or not (frames or windows):
        return None
    if unseen == "review":
        return "review"
    return Unreadable(Reason.NOT_COMPARED, f"{frames} frames and {windows} parts of it were not looked at")


def _source(source: Source, *, fetched: bool) -> published.EventSource:
    if isinstance(source, File):
        return published.EventSource(kind="path", address=_printable(source.path), fetched=fetched)
    if isinstance(source, Url):
        return published.EventSource(kind="url", address=_printable(_without_password(source.url)), fetched=fetched)
    return published.EventSource(kind="record", address=None, fetched=fetched)


def _printable(address: str) -> str:
    """The address cut to MAX_ADDRESS, with escapes for characters that file names may have but UTF-8 cannot."""
    return address[:MAX_ADDRESS].encode("utf-8", "backslashreplace").decode()


def _without_password(url: str) -> str:
    """The URL with *** for user name and password: many people read verdicts."""
    try:
        place = urlsplit(url).netloc
    except ValueError:  # not an address, so it is refused and holds no password
        place = ""
    user, at, host = place.rpartition("@")
    return url.replace(place, f"***@{host}", 1) if at and user else url


def _set(each: Compared, encoder: str) -> published.SetResult:
    known = each.set
    return published.SetResult(
        set=known.name,
        version=known.version,
        kind=known.kind.value,
        category=known.category,
        group=known.group_name,
        encoder=encoder,
        compared=each.reason is None,
        reason=each.reason,
        rules=_rules(known),
        expected_per_million=None,
        candidates=tuple(_candidate(one) for one in best(each.candidates)),
    )


def _rules(known: ReferenceSet) -> published.Rules:
    return published.Rules(
        similarity=published.Limits(review=known.thresholds.review, block=known.thresholds.block),
        check=published.CheckRules(
            use=known.verify.value, review=known.check.review, block=known.check.block, version=CHECK_VERSION
        ),
        alone=known.alone,
        altered=known.altered,
        background=known.background or None,
    )


def best(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best 3 by check and the best 3 by similarity, each once and in its best view: by check, then by similarity.

    The same content comes before everything else.
    """
    ranked: dict[str, Candidate] = {}
    for one in sorted(candidates, key=_best_first):
        ranked.setdefault(one.neighbour.id, one)
    by_similarity = sorted(ranked.values(), key=lambda one: -one.scored)[:BEST]
    chosen = {one.neighbour.id: one for one in [*list(ranked.values())[:BEST], *by_similarity]}
    return sorted(chosen.values(), key=_best_first)


def _best_first(one: Candidate) -> tuple[bool, float, float]:
    return not one.content, -one.score, -one.scored


def _candidate(one: Candidate) -> published.Candidate:
    return published.Candidate(
        id=one.neighbour.id,
        label=one.neighbour.label,
        similarity=one.similarity,
        normalised=one.normalised,
        check=one.score if one.checked else None,
        content=one.content,
        ceiling=one.ceiling,
        altered=one.altered,
        mirrored=one.neighbour.mirrored,
        view=one.view,
        region=one.evidence.region if one.evidence else None,
    )


def _match(each: Match, encoder: str) -> published.SetMatch:
    known, candidate = each.set, each.candidate
    return published.SetMatch(
        set=known.name,
        version=known.version,
        kind=known.kind.value,
        category=known.category,
        severity=known.severity,
        encoder=encoder,
        level=each.level,
        reached=each.reached,
        capped_by=each.capped_by,
        decided_on=each.decided_on,
        score=each.score,
        threshold=each.threshold,
        margin=each.margin,
        reference=_reference(candidate.neighbour),
        similarity=published.SimilarityResult(
            score=candidate.similarity, normalised=candidate.normalised, threshold=each.similarity_threshold
        ),
        check=_check(each),
        view=candidate.view,
        others=tuple(map(_other, each.others)),
        vetoed_by=each.vetoed_by,
        corroborated_by=each.corroborated_by,
        quarantined=False,
    )


def _reference(neighbour: Neighbour) -> published.Reference:
    facts = neighbour.facts
    return published.Reference(
        id=neighbour.id,
        label=neighbour.label,
        source=facts.source or None,
        source_id=facts.source_id or None,
        tags=facts.tags,
    )


def _other(one: Candidate) -> published.Other:
    region = one.evidence.region if one.evidence else None
    return published.Other(**_reference(one.neighbour).model_dump(), view=one.view, region=region)


def _check(each: Match) -> published.CheckResult | None:
    found = each.candidate.evidence
    if found is None:
        return None
    return published.CheckResult(
        score=found.score,
        threshold=each.check_threshold,
        inliers=found.inliers,
        share=found.share,
        distinctive=found.distinctive,
        coverage=found.coverage,
        mirrored=found.mirrored,
        region=found.region,
        differs=found.differs,
    )
