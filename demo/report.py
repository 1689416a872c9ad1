"""report.html: one file that can be mailed. No script, nothing to fetch, and all text of strangers is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from demo.cards import Bar, Shot, bar, card, shot
from demo.summary import Came, Seen, alarms, by_edit, came_to, compared, decisions, limits, outcomes
from demo.thumbnails import shared
from matcher.explain import Overlay
from matcher.verdict import SetMatch, SetSeen
from vigilens.pages.overlay import Panel
from vigilens.pages.templates import render

_TEMPLATE = Path(__file__).with_suffix(".html")
_MEANING = {
    "harmful": "a match counts against the picture",
    "allow": "a match takes harmful matches back",
    "reference": "a match is reported and decides nothing",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report says beside the verdicts.

    Attributes:
        seed: of the stream.
        finished: local time.
        service_ready_s: from the start of the service's process until it was ready.
        first_verdict_s: from the start of the demo, broker and all, until the first verdict could be read.
        verdicts: committed records of the topic of verdicts; one for each event is the promise.
        metrics_sum: verdicts as the metrics topic counts them.
        set_change_s: from the change of the set until the first verdict that names the new version.
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
        review, block: thresholds that decide.
        measure: what they are thresholds of.
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
    """A radio button that shows only the cards with this value of an attribute data-…; the page's style does it."""

    attribute: str
    value: str
    label: str
    amount: int


def report(
    all_seen: Sequence[Seen], references: Mapping[str, Panel], overlays: Mapping[int, Overlay], facts: Facts
) -> str:
    """The page.

    Args:
        all_seen: events and verdicts.
        references: label → the reference's picture.
        overlays: number of the event → how its nearest reference lies in it.
        facts: the rest.
    """
    all_seen = sorted(all_seen, key=lambda each: each.incoming.number)
    symbols, thumbnails = shared(references)
    edits = by_edit(all_seen, facts.hashed)
    return render(
        _TEMPLATE,
        facts=facts,
        encoder=all_seen[0].verdict.encoder if all_seen else "",
        decisions=decisions(all_seen),
        edits=edits,
        sentences=(compared(edits), alarms(all_seen), limits(all_seen)),
        change=_change(all_seen, thumbnails),
        sets=list(_sets(all_seen)),
        filters=list(_filters(all_seen)),
        symbols=symbols,
        cards=[card(each, thumbnails, overlays.get(each.incoming.number)) for each in all_seen],
    )


def _change(all_seen: Sequence[Seen], thumbnails: Mapping[str, Panel]) -> Change | None:
    before = next((each for each in all_seen if came_to(each) is Came.NOT_KNOWN_YET), None)
    same = [each for each in all_seen if before and each.incoming.sample == before.incoming.sample]
    after = next((each for each in same if came_to(each) is Came.FOUND), None)
    if not before or not after:
        return None
    match = after.verdict.matches[0]
    return Change(
        shot=shot(match.nearest.label, thumbnails),
        label=match.nearest.label,
        set=match.set,
        before=_step(before, match.set, None),
        after=_step(after, match.set, match),
    )


def _step(seen: Seen, name: str, match: SetMatch | None) -> Step:
    known = next(each for each in seen.verdict.sets if each.set == name)
    return Step(seen.verdict.decision, known.version, bar(known, match))


def _sets(all_seen: Sequence[Seen]) -> Iterator[SetRow]:
    """The sets of the last verdict."""
    matched = [match.set for each in all_seen for match in each.verdict.matches]
    last: Sequence[SetSeen] = all_seen[-1].verdict.sets if all_seen else ()
    for each in last:
        checked = each.verify != "off"
        yield SetRow(
            name=each.set,
            kind=each.kind,
            meaning=_MEANING[each.kind],
            version=each.version,
            review=each.check_review if checked else each.review,
            block=each.check_block if checked else each.block,
            measure="geometric check" if checked else "similarity",
            matches=matched.count(each.set),
        )


def _filters(all_seen: Sequence[Seen]) -> Iterator[Filter]:
    for decision, amount in decisions(all_seen).items():
        yield Filter("decision", decision, decision, amount)
    for came, amount in outcomes(all_seen).items():
        yield Filter("outcome", came.name.lower(), came.value, amount)
