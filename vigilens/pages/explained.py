"""The page of `vigilens scan --explain`: one file without scripts, in which each set says why it matched or did not."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

from embedding.picture import Pixels
from matcher.explain import Explanation, why
from matcher.verdict import Verdict
from vigilens.pages.overlay import CSS, Face, dots_of, drawing, picture_of

SIDE = 900  # pixels of a picture's longer side: the page shows at most 550, screens may be denser
_STYLE = Path(__file__).with_suffix(".css")
# The page may show pictures that it carries and use its own style; a script that slipped in would not run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def files_of(folder: Path, digests: Mapping[str, str]) -> dict[str, Path]:
    """Id → the reference's own file, of those below a folder; `digests`: id → SHA-256 of that file."""
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
    """Empty of what is no readable file."""
    with suppress(OSError):
        if file.is_file():  # a pipe would let us wait for ever
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
    return ""


def page(verdict: Verdict, pixels: Pixels | None, sets: Sequence[Explanation], references: Mapping[str, Pixels]) -> str:
    """The page.

    Args:
        verdict: on the picture.
        pixels: of it; None if it is unscannable.
        sets: as `matcher.explain.explain` gives them.
        references: id → pixels, of those whose own picture is there.
    """
    incoming = None if pixels is None else _face(pixels)
    sections = "".join(_section(each, incoming, references) for each in sets) if incoming else ""
    decided = f", by {escape(verdict.decided_by)}" if verdict.decided_by else ""
    reason = f"<p>{verdict.reason}: {escape(verdict.detail or '')}</p>" if verdict.reason else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark"><title>Vigilens: one picture explained</title>'
        f"<style>{_STYLE.read_text(encoding='utf-8')}{CSS}</style></head><body>"
        f'<h1>{verdict.decision}{decided}</h1><p class="soft">{escape(verdict.image_id)}, '
        f"encoder {escape(verdict.encoder)}</p>{reason}{sections}"
        "<footer>Yellow: where the reference lies in the picture; dashed, the part of the reference that the picture "
        "shows. Green: corners of both that agree, joined; they stand out under the pointer.</footer></body></html>"
    )


def _section(one: Explanation, incoming: Face, references: Mapping[str, Pixels]) -> str:
    seen, near = one.seen, one.near
    drawn = ""
    if near is not None:
        reference = _reference(one, references)
        named = f"{'matched' if one.match else 'best candidate, no match'}: {escape(near.label)}"
        shown = "" if reference.href else "; its own picture is not at hand, its corners are shown"
        if reference.dots is None and not reference.href:
            shown = "; neither its picture nor its corners are at hand"
        drawn = (
            f"<figure>{drawing(incoming, reference, one.overlay, why(one))}"
            f"<figcaption><span>the picture</span><span>{named}{shown}</span></figcaption></figure>"
        )
    return (
        f'<section data-level="{one.match.level if one.match else ""}"><h2>{escape(seen.set)} '
        f'<span class="soft">{seen.kind}, version {seen.version}</span></h2><p>{escape(why(one))}.</p>{drawn}'
        f'<div class="wide">{_figures(one)}</div></section>'
    )


def _face(pixels: Pixels) -> Face:
    height, width, _ = pixels.shape
    return Face(width, height, picture_of(pixels, SIDE))


def _reference(one: Explanation, references: Mapping[str, Pixels]) -> Face:
    """The reference's own picture, else its corners in its frame."""
    pixels = references.get(one.near.id) if one.near else None
    if pixels is not None:
        return _face(pixels)
    if one.known is None:
        return Face(1, 1)
    keypoints = one.known.keypoints
    return Face(keypoints.width, keypoints.height, dots=dots_of(keypoints))


def _figures(one: Explanation) -> str:
    seen, evidence = one.seen, one.candidate.evidence if one.candidate else None
    rows: list[tuple[str, str]] = [("level", one.match.level if one.match else "none")]
    if one.near:
        rows.append(("similarity", _scored(one.near.score, seen.review, seen.block)))
    rows.append(
        ("the check", {"off": "decides nothing", "supports": "can raise the level"}.get(seen.verify, "required"))
    )
    if evidence:
        rows += [
            ("check's score", _scored(evidence.score, seen.check_review, seen.check_block)),
            ("inliers", f"{evidence.inliers} of {one.corners} corners of the picture"),
            ("share", f"{evidence.share:.0%} of the places where both have corners"),
            ("distinctive", f"{evidence.distinctive:.0%} of the inliers"),
            ("coverage", f"{evidence.coverage:.0%} of the reference"),
            ("mirrored", "yes" if evidence.mirrored else "no"),
        ]
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{said}</td></tr>" for name, said in rows) + "</table>"


def _scored(score: float, review: float, block: float) -> str:
    return f"{score:.3f} (review from {review:.3f}, block from {block:.3f})"
