"""Writes the page of `vigilens scan --explain`: one file without scripts that says why each set matched or did not."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from embedding.picture import Pixels
from matcher.explain import Explanation, why
from matcher.verdict import Limits, Verdict
from vigilens.pages.overlay import Panel, dots_of, drawing, panel_of
from vigilens.pages.templates import render

SIDE = 900  # pixels of a picture's longer side: the page shows it with at most 550, but dense screens have more
_TEMPLATE = Path(__file__).with_suffix(".html")


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of one set.

    Attributes:
        level: the level that the set's match reached; empty if it did not match.
        why: one sentence, see `matcher.explain.why`.
        drawing: the picture beside the reference; None for an empty set.
        caption: text below the reference.
        figures: rows of the table, each a name and a value.
    """

    name: str
    kind: str
    version: int
    level: str
    why: str
    drawing: Markup | None
    caption: str
    figures: tuple[tuple[str, str], ...]


def files_of(folder: Path, digests: Mapping[str, str]) -> dict[str, Path]:
    """Return id → the reference's file, for those that are in a folder or its subfolders.

    Args:
        folder: where to search.
        digests: id → SHA-256 of the reference's file.
    """
    missing = set(digests.values())
    found: dict[str, Path] = {}
    for file in (Path(place, name) for place, _, names in os.walk(folder) for name in sorted(names)):
        if not missing:
            break
        digest = _digest(file)
        if digest in missing:
            missing.discard(digest)
            found[digest] = file
    return {id_: found[digest] for id_, digest in digests.items() if digest in found}


def _digest(file: Path) -> str:
    """Return the SHA-256 of a file's content; "" if it is not a readable file."""
    with suppress(OSError):
        if file.is_file():  # reading a pipe could wait for ever
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
    return ""


def page(verdict: Verdict, pixels: Pixels | None, sets: Sequence[Explanation], references: Mapping[str, Pixels]) -> str:
    """Return the page.

    Args:
        verdict: the verdict on the picture.
        pixels: the picture; None if it is unscannable.
        sets: the result of `matcher.explain.explain`.
        references: id → pixels, for the references whose picture is available.
    """
    incoming = None if pixels is None else panel_of(pixels, SIDE)
    sections = [_section(each, incoming, references) for each in sets] if incoming else []
    return render(
        _TEMPLATE,
        decision=verdict.decision,
        decided_by=verdict.decided_by,
        image_id=verdict.image_id,
        encoder=", ".join(each.fingerprint for each in verdict.encoders),
        reason=f"{verdict.reason}: {verdict.detail or ''}" if verdict.reason else "",
        sets=sections,
    )


def _section(one: Explanation, incoming: Panel, references: Mapping[str, Pixels]) -> Section:
    reference = _reference(one, references)
    return Section(
        name=one.result.set,
        kind=one.result.kind,
        version=one.result.version,
        level=one.match.level if one.match else "",
        why=why(one),
        drawing=drawing(incoming, reference, one.overlay, why(one)) if reference else None,
        caption=_caption(one, reference) if reference else "",
        figures=tuple(_figures(one)),
    )


def _reference(one: Explanation, references: Mapping[str, Pixels]) -> Panel | None:
    """Return the reference's picture, or its corners in an empty frame; None for an empty set."""
    if one.near is None:
        return None
    if one.near.id in references:
        return panel_of(references[one.near.id], SIDE)
    if one.stored is None:
        return Panel(1, 1)
    keypoints = one.stored.keypoints
    return Panel(keypoints.width, keypoints.height, dots=dots_of(keypoints))


def _caption(one: Explanation, reference: Panel) -> str:
    label = one.near.label if one.near else ""
    text = f"{'matched' if one.match else 'best candidate, no match'}: {label}"
    if reference.href:
        return text
    if reference.dots is None:
        return f"{text}; neither its picture nor its corners are available"
    return f"{text}; its picture is not available, so its corners are shown"


def _figures(one: Explanation) -> Iterator[tuple[str, str]]:
    rules, evidence = one.result.rules, one.candidate.evidence if one.candidate else None
    yield "level", one.match.level if one.match else "none"
    if one.near:
        yield "similarity", _scored(one.near.score, rules.similarity)
    uses = {"off": "decides nothing", "supports": "can raise the level", "required": "required"}
    yield "the check", uses[rules.check.use]
    if evidence:
        yield "check's score", _scored(evidence.score, rules.check)
        yield "inliers", f"{evidence.inliers} of {one.corners} corners of the picture"
        yield "share", f"{evidence.share:.0%} of the places where both have corners"
        yield "distinctive", f"{evidence.distinctive:.0%} of the inliers"
        yield "coverage", f"{evidence.coverage:.0%} of the reference"
        yield "mirrored", "yes" if evidence.mirrored else "no"


def _scored(score: float, limits: Limits) -> str:
    return f"{score:.3f} (review from {limits.review:.3f}, block from {limits.block:.3f})"
