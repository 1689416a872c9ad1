"""Writes report.html: one file that can be mailed. It has no scripts, loads nothing, and escapes all foreign text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from demo.cards import Bar, Shot, bar, card, shot
from demo.summary import (
    Outcome,
    Result,
    alarms,
    by_edit,
    compared,
    decisions,
    limits,
    outcome_of,
    outcomes,
    relatives,
    thresholds,
)
from demo.thumbnails import shared
from matcher.explain import Overlay
from matcher.verdict import SetMatch, SetResult
from vigilens.pages.overlay import Panel
from vigilens.pages.templates import render

_TEMPLATE = Path(__file__).with_suffix(".html")
_MEANING = {
    "harmful": "a match counts against the picture",
    "allow": "a match vetoes harmful matches",
    "reference": "a match is reported and decides nothing",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report says besides the verdicts.

    Attributes:
        seed: seed of the stream.
        finished: when the run ended, in local time.
        service_ready_s: seconds from the start of the service's process until it was ready.
        first_verdict_s: seconds from the start of the demo (before the broker) until the first verdict could be read.
        verdicts: number of committed records in the verdicts topic; there must be one for each event.
        metrics_sum: number of verdicts according to the metrics topic.
        set_change_s: seconds from the change of the set until the first verdict that names the new version.
        hashed: numbers of the events that PDQ alone finds.
    """

    seed: int
    finished: datetime
    service_ready_s: float
    first_verdict_s: float
    verdicts: int
    metrics_sum: int
    set_change_s: float
    hashed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """The reported picture, before or after its set changed."""

    decision: str
    version: int
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Change:
    """A picture that was reported while the service ran, and the set that it was added to."""

    shot: Shot
    label: str
    set: str
    before: Step
    after: Step


@dataclass(frozen=True, slots=True)
class SetRow:
    """One set at the end.

    Attributes:
        meaning: what a match with a set of this kind does.
        review, block: the thresholds that decide.
        measure: the measure that they apply to.
    """

    name: str
    kind: str
    meaning: str
    version: int
    review: float
    block: float
    measure: str
    matches: int


@dataclass(frozen=True, slots=True)
class Filter:
    """A radio button that shows only the cards with this value of an attribute data-…, by means of the page's CSS."""

    attribute: str
    value: str
    label: str
    amount: int


def report(
    results: Sequence[Result], references: Mapping[str, Panel], overlays: Mapping[int, Overlay], facts: Facts
) -> str:
    """Returns the page.

    Args:
        results: events and verdicts.
        references: label → the reference's picture.
        overlays: number of the event → where its nearest reference lies in it.
        facts: what else the page says.
    """
    results = sorted(results, key=lambda each: each.incoming.number)
    symbols, thumbnails = shared(references)
    edits = by_edit(results, facts.hashed)
    return render(
        _TEMPLATE,
        facts=facts,
        encoder=", ".join(each.fingerprint for each in results[0].verdict.encoders) if results else "",
        decisions=decisions(results),
        edits=edits,
        sentences=tuple(filter(None, (compared(edits), relatives(results), alarms(results), limits(results)))),
        change=_change(results, thumbnails),
        sets=list(_sets(results)),
        filters=list(_filters(results)),
        symbols=symbols,
        cards=[card(each, thumbnails, overlays.get(each.incoming.number)) for each in results],
    )


def _change(results: Sequence[Result], thumbnails: Mapping[str, Panel]) -> Change | None:
    before = next((each for each in results if outcome_of(each) is Outcome.NOT_KNOWN_YET), None)
    same = [each for each in results if before and each.incoming.sample == before.incoming.sample]
    after = next((each for each in same if outcome_of(each) is Outcome.FOUND), None)
    if not before or not after:
        return None
    match = after.verdict.matches[0]
    return Change(
        shot=shot(match.reference.label, thumbnails),
        label=match.reference.label,
        set=match.set,
        before=_step(before, match.set, None),
        after=_step(after, match.set, match),
    )


def _step(result: Result, name: str, match: SetMatch | None) -> Step:
    known = next(each for each in result.verdict.sets if each.set == name)
    return Step(result.verdict.decision, known.version, bar(known, match))


def _sets(results: Sequence[Result]) -> Iterator[SetRow]:
    """Yields the sets of the last verdict."""
    matched = [match.set for each in results for match in each.verdict.matches]
    last: Sequence[SetResult] = results[-1].verdict.sets if results else ()
    for each in last:
        review, block = thresholds(each)
        yield SetRow(
            name=each.set,
            kind=each.kind,
            meaning=_MEANING[each.kind],
            version=each.version,
            review=review,
            block=block,
            measure="similarity" if each.rules.check.use == "off" else "geometric check",
            matches=matched.count(each.set),
        )


def _filters(results: Sequence[Result]) -> Iterator[Filter]:
    for decision, amount in decisions(results).items():
        yield Filter("decision", decision, decision, amount)
    for outcome, amount in outcomes(results).items():
        yield Filter("outcome", outcome.name.lower(), outcome.value, amount)
