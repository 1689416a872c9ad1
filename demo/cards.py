"""The report's cards: one event beside its nearest reference, score, decision, and what it rests on."""

from collections.abc import Mapping
from html import escape

from demo.pictures import SAMPLES
from demo.summary import Came, Seen, came_to, nearest_set, shown_score, why_missed
from demo.thumbnails import face_of, pixels_of
from matcher.explain import Overlay
from matcher.verdict import Near, SetMatch, SetSeen, Verdict
from vigilens.pages.overlay import Face, drawing

_TITLES = {each.label: each.title for each in SAMPLES}


def card(seen: Seen, references: Mapping[str, Face], overlay: Overlay | None) -> str:
    """One event as HTML. All that a stranger could have written is escaped.

    Args:
        seen: event and verdict.
        references: label → the reference's picture.
        overlay: how the nearest reference lies in the picture; None where it does not.
    """
    verdict, came = seen.verdict, came_to(seen)
    known, match = nearest_set(verdict) or (None, None)
    near = known.nearest if known else None
    return (
        f'<article class="card" data-decision="{verdict.decision}" data-came="{came.name.lower()}">'
        f"<header><span>{escape(seen.incoming.edit)}</span>{badge(verdict.decision)}</header>"
        f"{_pictures(seen, near, references, overlay)}"
        f"{bar(known, match) if known else ''}"
        f'<p class="came {came.name.lower()}"><b>{escape(came.value)}</b>{_why(seen, came, match)}</p>'
        f"{_details(seen)}</article>"
    )


def badge(decision: str) -> str:
    """The decision as a coloured word."""
    return f'<strong class="badge {decision}">{decision}</strong>'


def bar(known: SetSeen, match: SetMatch | None) -> str:
    """The score that decided against its thresholds, on a scale from 0 to 1; a sentence where no check was passed."""
    if known.nearest is None:
        return ""
    score, ticks = shown_score(known, match), {"review": known.review, "block": known.block}
    if score is None:
        return f'<p class="score">not verified; similarity {known.nearest.score:.3f}</p>'
    if known.verify != "off":
        ticks = {"review": known.check_review, "block": known.check_block}
    effective = match is not None and known.kind == "harmful" and match.vetoed_by is None
    tone = "below" if match is None else match.level if effective else "other"
    marks = "".join(f'<i class="tick {name}" style="left:{_percent(place)}"></i>' for name, place in ticks.items())
    said = ", ".join(f"{name} from {place:.3f}" for name, place in ticks.items())
    return (
        f'<div class="score" title="{said}"><div class="track"><i class="fill {tone}" '
        f'style="width:{_percent(score)}"></i>{marks}</div><output>{score:.3f}</output></div>'
    )


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.1f}%"


def _pictures(seen: Seen, near: Near | None, references: Mapping[str, Face], overlay: Overlay | None) -> str:
    """Incoming picture and reference, side by side; one drawing where one lies in the other."""
    captions = "incoming", f"nearest: {escape(near.label)}" if near else "no reference"
    if overlay and near and near.label in references and seen.incoming.picture:
        label = f"{_TITLES.get(near.label, near.label)}: where it lies in the incoming picture"
        drawn = drawing(face_of(pixels_of(seen.incoming.picture)), references[near.label], overlay, label)
        said = "".join(f"<figcaption>{each}</figcaption>" for each in captions)
        return f'<figure class="joined">{drawn}<div class="pair">{said}</div></figure>'
    shots = _picture(seen), reference(near.label if near else "", references)
    figures = zip(shots, captions, strict=True)
    both = "".join(f"<figure>{shot}<figcaption>{said}</figcaption></figure>" for shot, said in figures)
    return f'<div class="pair">{both}</div>'


def _picture(seen: Seen) -> str:
    if seen.incoming.picture is None:
        reason = seen.verdict.reason.value.replace("_", " ") if seen.verdict.reason else "no picture"
        return f'<div class="shot none"><span>{escape(reason)}</span></div>'
    name = escape(seen.incoming.sample.title if seen.incoming.sample else seen.incoming.edit, quote=True)
    return f'<img class="shot" alt="{name}" src="{face_of(pixels_of(seen.incoming.picture)).href}">'


def reference(label: str, references: Mapping[str, Face]) -> str:
    """A reference's picture, or an empty frame."""
    if label not in references:
        return '<div class="shot none"></div>'
    face, name = references[label], escape(_TITLES.get(label, label), quote=True)
    box = f"0 0 {face.width:g} {face.height:g}"
    return f'<svg class="shot" viewBox="{box}" role="img" aria-label="{name}"><use href="{face.href}"/></svg>'


def _why(seen: Seen, came: Came, match: SetMatch | None) -> str:
    """What follows the outcome's name, as HTML."""
    verdict = seen.verdict
    if verdict.decision == "unscannable":
        return f": {escape(verdict.detail or str(verdict.reason))}"
    if came is Came.MISSED:
        return f": {escape(reason)}" if (reason := why_missed(seen)) else ""
    if match:
        where = f" in {escape(match.set)}, version {match.version}"
        return f"{where}; taken back by {escape(match.vetoed_by)}" if match.vetoed_by else where
    return ""


def _details(seen: Seen) -> str:
    verdict, wire = seen.verdict, seen.incoming.wire
    rows = "".join(_set_row(verdict, each) for each in verdict.sets)
    facts = [escape(verdict.image_id), f"sent as {escape(wire)}" if wire else "", f"{1000 * seen.latency_s:.0f} ms"]
    if verdict.image:
        image = verdict.image
        facts.insert(2, f"{image.width} x {image.height} {escape(image.format)}, {image.bytes / 1000:.0f} kB")
    return (
        f"<details><summary>details</summary><p>{' · '.join(filter(None, facts))}</p>"
        f'<div class="wide"><table><tr><th>set</th><th>version</th><th>kind</th><th>nearest</th><th>score</th></tr>'
        f"{rows}</table></div><pre>{escape(verdict.model_dump_json(indent=1))}</pre></details>"
    )


def _set_row(verdict: Verdict, known: SetSeen) -> str:
    matched = next((each.level for each in verdict.matches if each.set == known.set), "")
    near = known.nearest
    score = f"{near.score:.3f} {matched}" if near else "-"
    return (
        f"<tr><td>{escape(known.set)}</td><td>{known.version}</td><td>{known.kind}</td>"
        f"<td>{escape(near.label) if near else '-'}</td><td>{score}</td></tr>"
    )
