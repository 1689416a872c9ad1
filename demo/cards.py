"""The cards of the report: each shows one event beside its nearest reference, with score, decision and reasons."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from demo.pictures import SAMPLES
from demo.summary import Outcome, Result, deciding_score, nearest_set, outcome_of, thresholds, why_missed
from demo.thumbnails import thumbnail
from matcher.explain import Overlay, nearest
from matcher.verdict import SetMatch, SetResult, Verdict
from vigilens.pages.overlay import Panel, drawing

_TITLES = {each.label: each.title for each in SAMPLES}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a card.

    Attributes:
        title: what it shows; without a picture, the text in its place.
        panel: None: there is no picture.
    """

    title: str
    panel: Panel | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A score against its thresholds, on a scale from 0 to 1.

    Attributes:
        score: the score that decided; None if the geometric check was not passed.
        similarity: similarity of the nearest reference.
        tone: CSS class of the bar's colour.
        review, block: thresholds of `score`.
    """

    score: float | None
    similarity: float
    tone: str
    review: float
    block: float


@dataclass(frozen=True, slots=True)
class SetRow:
    """One set of the verdict.

    Attributes:
        nearest: label of the nearest reference.
        score: its similarity, and the level if the set matched.
    """

    name: str
    version: int
    kind: str
    nearest: str
    score: str


@dataclass(frozen=True, slots=True)
class Card:
    """One event and its verdict.

    Attributes:
        remark: text after the outcome's name: a reason, or the set that matched.
        incoming, reference: the two pictures.
        caption: text below the reference.
        drawing: both pictures, with the place of the reference in the incoming one; shown in place of the two.
        bar: None if no set has a reference.
        facts: short texts for the details.
        json: the whole verdict.
    """

    edit: str
    decision: str
    outcome: Outcome
    remark: str
    incoming: Shot
    reference: Shot
    caption: str
    drawing: Markup | None
    bar: Bar | None
    facts: tuple[str, ...]
    sets: tuple[SetRow, ...]
    json: str


def card(result: Result, references: Mapping[str, Panel], overlay: Overlay | None) -> Card:
    """Return the card of one event.

    Args:
        result: event and verdict.
        references: label → the reference's picture.
        overlay: where the nearest reference lies in the picture; None if it is not in it.
    """
    verdict, outcome = result.verdict, outcome_of(result)
    known, match = nearest_set(verdict) or (None, None)
    near = nearest(known, match) if known else None
    incoming, reference = _incoming(result), shot(near.label if near else "", references)
    drawn = None
    if overlay and incoming.panel and reference.panel:
        label = f"{reference.title}: where it lies in the incoming picture"
        drawn = drawing(incoming.panel, reference.panel, overlay, label)
    return Card(
        edit=result.incoming.edit,
        decision=verdict.decision,
        outcome=outcome,
        remark=_remark(result, outcome, match),
        incoming=incoming,
        reference=reference,
        caption=f"nearest: {near.label}" if near else "no reference",
        drawing=drawn,
        bar=bar(known, match) if known else None,
        facts=tuple(_facts(result)),
        sets=tuple(_row(verdict, each) for each in verdict.sets),
        json=verdict.model_dump_json(indent=1),
    )


def bar(known: SetResult, match: SetMatch | None) -> Bar | None:
    """Return the score that decided, as a bar; None for a set without a nearest reference."""
    near = nearest(known, match)
    if near is None:
        return None
    review, block = thresholds(known)
    effective = match is not None and known.kind == "harmful" and match.vetoed_by is None
    return Bar(
        score=deciding_score(known, match),
        similarity=near.score,
        tone="below" if match is None else match.level if effective else "other",
        review=review,
        block=block,
    )


def shot(label: str, references: Mapping[str, Panel]) -> Shot:
    """Return a reference's picture, or an empty frame if there is none."""
    return Shot(_TITLES.get(label, label), references[label]) if label in references else Shot("", None)


def _incoming(result: Result) -> Shot:
    incoming, reason = result.incoming, result.verdict.reason
    if incoming.picture is None:
        return Shot(reason.value.replace("_", " ") if reason else "no picture", None)
    return Shot(incoming.sample.title if incoming.sample else incoming.edit, thumbnail(incoming.picture))


def _remark(result: Result, outcome: Outcome, match: SetMatch | None) -> str:
    verdict = result.verdict
    if verdict.decision == "unscannable":
        return f": {verdict.detail or verdict.reason}"
    if outcome is Outcome.MISSED:
        return f": {reason}" if (reason := why_missed(result)) else ""
    if match:
        where = f" in {match.set}, version {match.version}"
        return f"{where}; vetoed by {match.vetoed_by}" if match.vetoed_by else where
    return ""


def _facts(result: Result) -> Iterator[str]:
    yield result.verdict.image_id
    if result.incoming.wire:
        yield f"sent as {result.incoming.wire}"
    if image := result.verdict.image:
        yield f"{image.width} x {image.height} {image.format}, {image.bytes / 1000:.0f} kB"
    yield f"{1000 * result.latency_s:.0f} ms"


def _row(verdict: Verdict, known: SetResult) -> SetRow:
    match = next((each for each in verdict.matches if each.set == known.set), None)
    near = nearest(known, match)
    return SetRow(
        name=known.set,
        version=known.version,
        kind=known.kind,
        nearest=near.label if near else "-",
        score=f"{near.score:.3f} {match.level if match else ''}".strip() if near else "-",
    )
