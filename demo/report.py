"""report.html: one file that can be mailed. No script, nothing to fetch, and all of strangers' text escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from demo.cards import badge, bar, card, reference
from demo.summary import (
    DECISIONS,
    Came,
    EditResult,
    Seen,
    alarms,
    by_edit,
    came_to,
    compared,
    decisions,
    limits,
    outcomes,
)
from demo.thumbnails import shared
from matcher.explain import Overlay
from matcher.verdict import SetMatch, SetSeen
from vigilens.pages import overlay
from vigilens.pages.overlay import Face

_CSS = Path(__file__).with_name("report.css")
# The page may show pictures that it carries and use its own style; a script that slipped in would not run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LEGEND = (
    "<p class=lead>Each incoming picture beside the nearest reference of all sets. Where the geometric check was "
    "passed, a yellow frame shows where the reference lies in the picture (dashed: the part of the reference that is "
    "seen there), and green lines join the corners of both that agree; they stand out under the pointer. The bar is "
    "the score that decided; the two marks are where review and block begin.</p>"
)


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


def report(
    all_seen: Sequence[Seen], references: Mapping[str, Face], overlays: Mapping[int, Overlay], facts: Facts
) -> str:
    """The page.

    Args:
        all_seen: events and verdicts.
        references: label → the reference's picture.
        overlays: number of the event → how its nearest reference lies in it.
        facts: the rest.
    """
    all_seen = sorted(all_seen, key=lambda each: each.incoming.number)
    pictures, faces = shared(references)
    cards = "".join(card(each, faces, overlays.get(each.incoming.number)) for each in all_seen)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark"><title>Vigilens: report of the demo</title>'
        f"<style>{overlay.CSS}{_CSS.read_text()}{_filter_rules()}</style></head><body>{pictures}"
        f"{_head(all_seen, facts)}<main>{_edits(all_seen, facts)}{_change(all_seen, faces, facts)}{_sets(all_seen)}"
        f'<section id="events"><h2>Every event</h2>{_LEGEND}{_filters(all_seen)}'
        f'<div class="cards">{cards}</div></section></main>{_foot()}</body></html>'
    )


def _head(all_seen: Sequence[Seen], facts: Facts) -> str:
    counts = decisions(all_seen)
    tiles = "".join(f'<li class="{name}"><b>{counts[name]}</b> {name}</li>' for name in DECISIONS)
    encoder = escape(all_seen[0].verdict.encoder) if all_seen else ""
    agree = "the same number" if facts.metrics_sum == facts.verdicts else "NOT the same number"
    return (
        f"<header class=top><p class=brand>Vigilens <span>report of the demo</span></p>"
        f"<h1>{len(all_seen)} events, {facts.verdicts} verdicts</h1><ul class=tiles>{tiles}</ul>"
        f"<p class=facts>First verdict {facts.first_verdict_s:.1f} s after the demo began, with nothing running "
        f"then; the service itself was ready {facts.service_ready_s:.1f} s after its start. "
        f"The metrics topic adds up to {facts.metrics_sum} verdicts: {agree}. "
        f"Encoder {encoder}, seed {facts.seed}, {facts.finished:%d %B %Y, %H:%M}.</p></header>"
    )


def _edits(all_seen: Sequence[Seen], facts: Facts) -> str:
    results = by_edit(all_seen, facts.hashed)
    rows = "".join(map(_edit_row, results))
    return (
        "<section><h2>Which edits were found</h2>"
        f"<p class=lead>{compared(results)} {escape(alarms(all_seen))} {escape(limits(all_seen))}</p>"
        "<div class=wide><table class=edits><thead><tr><th>edit</th><th>found</th><th></th><th>PDQ alone</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _edit_row(result: EditResult) -> str:
    parts = (("block", result.blocked), ("review", result.reviewed), ("missed", result.missed))
    stack = "".join(
        f'<i class="{name}" style="flex-grow:{amount}" title="{amount} {name}"></i>' for name, amount in parts if amount
    )
    found = result.sent - result.missed
    why = f": {escape(result.against)}" if result.against and result.hashed < result.sent else ""
    return (
        f"<tr><th>{escape(result.edit)}</th><td class=number>{found} of {result.sent}</td>"
        f"<td><div class=stack>{stack}</div></td><td class=why>{result.hashed} of {result.sent}{why}</td></tr>"
    )


def _change(all_seen: Sequence[Seen], references: Mapping[str, Face], facts: Facts) -> str:
    """The picture that was reported while the service ran: before and after."""
    before = next((each for each in all_seen if came_to(each) is Came.NOT_KNOWN_YET), None)
    same = [each for each in all_seen if before and each.incoming.sample == before.incoming.sample]
    after = next((each for each in same if came_to(each) is Came.FOUND), None)
    if not before or not after:
        return ""
    match = after.verdict.matches[0]
    old = next(each for each in before.verdict.sets if each.set == match.set)
    new = next(each for each in after.verdict.sets if each.set == match.set)
    shot = reference(match.nearest.label, references)
    return (
        "<section><h2>A set changed while the service ran</h2>"
        "<p class=lead>The same picture, before and after it was added to the set of known ones. The first verdict "
        f"that names the new version could be read {facts.set_change_s:.1f} s after the change.</p><ol class=change>"
        f"<li>{shot}{_step(before, old)}{bar(old, None)}</li>"
        f"<li class=event>{escape(match.nearest.label)} is added<br>to {escape(match.set)}</li>"
        f"<li>{shot}{_step(after, new)}{bar(new, match)}</li>"
        "</ol></section>"
    )


def _step(seen: Seen, known: SetSeen) -> str:
    return f"<p>{badge(seen.verdict.decision)} {escape(known.set)}, version {known.version}</p>"


def _sets(all_seen: Sequence[Seen]) -> str:
    last = all_seen[-1].verdict.sets if all_seen else ()
    meaning = {
        "harmful": "a match counts against the picture",
        "allow": "a match takes harmful matches back",
        "reference": "a match is reported and decides nothing",
    }
    matched = [match for each in all_seen for match in each.verdict.matches]
    rows = "".join(
        f"<tr><th>{escape(each.set)}</th><td>{each.kind}<span class=meaning>: {meaning[each.kind]}</span></td>"
        f"<td class=number>{each.version}</td>"
        f"{_thresholds(each)}"
        f"<td class=number>{_matches_with(each.set, matched)}</td></tr>"
        for each in last
    )
    return (
        "<section><h2>The sets at the end</h2><div class=wide><table><thead><tr><th>set</th><th>kind</th>"
        "<th>version</th><th>review from</th><th>block from</th><th>score of</th><th>matches</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _thresholds(known: SetSeen) -> str:
    """Those that decide, as two cells and what they are of."""
    review, block = (known.review, known.block) if known.verify == "off" else (known.check_review, known.check_block)
    of = "similarity" if known.verify == "off" else "geometric check"
    return f"<td class=number>{review:.3f}</td><td class=number>{block:.3f}</td><td>{of}</td>"


def _matches_with(name: str, matched: Sequence[SetMatch]) -> int:
    return sum(each.set == name for each in matched)


def _filters(all_seen: Sequence[Seen]) -> str:
    """Radio buttons; the rules of `_filter_rules` do the rest, so the page needs no script."""
    choices = [("all", "all", len(all_seen))]
    choices += [(f"d-{name}", name, amount) for name, amount in decisions(all_seen).items()]
    choices += [(f"c-{came.name.lower()}", came.value, amount) for came, amount in outcomes(all_seen).items()]
    buttons = "".join(
        f'<label><input type=radio name=show id="{name}"{" checked" if name == "all" else ""}>'
        f"<span>{escape(label)} <small>{amount}</small></span></label>"
        for name, label, amount in choices
    )
    return f'<div class="filters" role="radiogroup" aria-label="show">{buttons}</div>'


def _filter_rules() -> str:
    chosen = [(f"d-{name}", f'[data-decision="{name}"]') for name in DECISIONS]
    chosen += [(f"c-{came.name.lower()}", f'[data-came="{came.name.lower()}"]') for came in Came]
    return "".join(f"#events:has(#{name}:checked) .card:not({want}){{display:none}}" for name, want in chosen)


def _foot() -> str:
    return (
        "<footer><p>The pictures come with the package scikit-image and are harmless: they only play the part of "
        "known harmful ones. Their licences are listed in docs/demo.md.</p></footer>"
    )
