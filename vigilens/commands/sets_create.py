"""`vigilens sets create`, `edit` and `thresholds`: they set what describes a set and decides its matches."""

# ruff: noqa: PLC0415 (pymilvus and encoders are imported by the commands that need them, not for --help)

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from reference_sets.model import Cap, Changes, CheckThresholds, Kind, Mirrored, Thresholds, Verify

if TYPE_CHECKING:
    from config.settings import Settings
    from reference_sets.defaults import Defaults
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store

    Load = Callable[[], Settings]

T = TypeVar("T", bound=Callable[..., Any])


def _one_of(kind: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([each.value for each in kind])


_caps = click.Choice(get_args(Cap))
_cosine = click.FloatRange(-1, 1)
_share = click.FloatRange(0, 1, min_open=True)
_OPTIONS = (
    click.option("--review", type=_cosine, help="Similarity (cosine) from which a match goes to review."),
    click.option("--block", type=_cosine, help="Similarity (cosine) from which a match blocks."),
    click.option(
        "--check-review", type=_share, help="Score of the check, at most 0.914, from which a match goes to review."
    ),
    click.option("--check-block", type=_share, help="Score of the check, at most 0.914, from which a match blocks."),
)


def _with_thresholds(command: T) -> T:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.option("--kind", type=_one_of(Kind), default="harmful", show_default=True, help="What a match means.")
@click.option("--category", default="", help="Your word for what the set holds. [default: the set's name]")
@click.option("--severity", type=click.IntRange(0, 100), default=50, show_default=True, help="100 is worst.")
@click.option("--verify", type=_one_of(Verify), help="What the geometric check decides; see above.")
@click.option("--mirrored", type=_one_of(Mirrored), help="How mirrored copies are found; see above.")
@click.option(
    "--altered", type=_caps, default="review", show_default=True, help="The level of altered copies; see above."
)
@click.option("--note", default="", help="Where the pictures and thresholds come from.")
@_with_thresholds
@click.pass_obj
def create(  # noqa: PLR0913 (one for each fact)
    load: "Load",
    *,
    name: str,
    kind: str,
    category: str,
    severity: int,
    verify: str | None,
    mirrored: str | None,
    altered: Cap,
    note: str,
    review: float | None,
    block: float | None,
    check_review: float | None,
    check_block: float | None,
) -> None:
    """Create an empty set for the encoder that the settings name.

    The defaults depend on the encoder:

    \b
      words   --verify required --mirrored stored
      pdq     --verify off --mirrored off --review 0.5 --block 0.7578 (Hamming distances 64 and 31)
      others  --verify off --mirrored off; --review and --block must be given: measure them on your own pictures

    The geometric check fits the known picture onto the new one by the corners in both. It finds crops, memes, collages
    and rotated copies, and reports where the known picture lies. required: only what passes the check matches.
    supports: similarity decides, and a passed check can raise the level. off: there is no check. With a check, 17 KB of
    corners are stored for each reference. The check's scores range from 0 to 0.914; its default thresholds were
    measured.

    Most encoders, and the check, do not find mirrored copies by themselves. stored: each reference is also stored
    mirrored, which takes twice the memory and no time. queried: each picture is also searched for mirrored, which takes
    about twice the time and no memory. off: mirrored copies are not found.

    The check also finds parts in which a copy differs: other entries in the same form, other words on the same picture,
    a sticker, a caption over it. --altered is the highest level that such a match can have; nothing: it does not match.

    \b
    Example:
      vigilens sets create spam --category spam --severity 40
      vigilens sets create mistaken --kind allow --check-review 0.6 --note "confirmed false alarms"
    """
    from reference_sets.defaults import defaults, new_set
    from vigilens import wiring

    settings = load()
    encoder = wiring.encoder(settings)
    usual = defaults(encoder.name)
    described = new_set(
        encoder,
        name,
        kind=Kind(kind),
        category=category,
        severity=severity,
        thresholds=_similarity(usual, encoder.name, review, block),
        verify=Verify(verify) if verify else None,
        check=_check(usual, check_review, check_block),
        mirrored=Mirrored(mirrored) if mirrored else None,
        altered=altered,
        note=note,
    )
    with wiring.store(settings) as store:
        store.create(described)
        _warn(store, described)
    click.echo(f"{name} is created; fill it with `vigilens sets add {name} PATH…`")


def _warn(store: "Store", made: "ReferenceSet") -> None:
    """Warn if there are sets for another encoder, because a service judges with one encoder only."""
    others = [f"{known.name} ({known.encoder})" for known in store.listing().sets if known.encoder != made.encoder]
    if others:
        click.echo(
            f"warning: {made.name} is for the encoder {made.encoder}, and these sets are for another: "
            f"{', '.join(others)}. Name the sets that a service is to use in its sets.use",
            err=True,
        )


def _similarity(usual: "Defaults", encoder: str, review: float | None, block: float | None) -> "Thresholds":
    from reference_sets.defaults import completed

    if usual.thresholds:
        review, block = completed(usual.thresholds, review, block)
    if review is None or block is None:
        raise click.UsageError(f"the encoder {encoder} has no default thresholds: give --review and --block")
    with _as_usage():
        return Thresholds(review, block)


def _check(usual: "Defaults", review: float | None, block: float | None) -> "CheckThresholds":
    from reference_sets.defaults import completed

    with _as_usage():
        return CheckThresholds(*completed(usual.check, review, block))


@contextmanager
def _as_usage() -> Iterator[None]:
    """Report values that do not fit together as wrong usage of the command."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@click.command(short_help="Change what describes a set.")
@click.argument("name")
@click.option("--kind", type=_one_of(Kind), help="What a match means.")
@click.option("--category", help="Your word for what the set holds.")
@click.option("--severity", type=click.IntRange(0, 100), help="100 is worst.")
@click.option("--verify", type=_one_of(Verify), help="What the geometric check decides.")
@click.option("--mirrored", type=_one_of(Mirrored), help="How mirrored copies are found.")
@click.option("--altered", type=_caps, help="The highest level of copies of which a part differs.")
@click.option("--note", help="Where the pictures and thresholds come from.")
@_with_thresholds
@click.pass_obj
def edit(  # noqa: PLR0913 (click's way)
    load: "Load",
    *,
    name: str,
    kind: str | None,
    category: str | None,
    severity: int | None,
    verify: str | None,
    mirrored: str | None,
    altered: Cap | None,
    note: str | None,
    review: float | None,
    block: float | None,
    check_review: float | None,
    check_block: float | None,
) -> None:
    """Change the description of a set. What is not given stays as it is. A running service uses the new values.

    This also repairs a damaged description, one value at a time.

    \b
    Example:
      vigilens sets edit spam --severity 80 --note "case 17 and later"
      vigilens sets edit spam --kind reference
    """
    from vigilens import wiring

    changes = Changes()
    if kind is not None:
        changes["kind"] = Kind(kind)
    if category is not None:
        changes["category"] = category
    if severity is not None:
        changes["severity"] = severity
    if verify is not None:
        changes["verify"] = Verify(verify)
    if mirrored is not None:
        changes["mirrored"] = Mirrored(mirrored)
    if altered is not None:
        changes["altered"] = altered
    if note is not None:
        changes["note"] = note
    with wiring.store(load()) as store:
        changes.update(_thresholds(store, name, (review, block), (check_review, check_block)))
        if not changes:
            raise click.UsageError("nothing to change is given: see `vigilens sets edit --help`")
        new = store.change(name, **changes)
    click.echo(f"{name}: {', '.join(changes)} changed, version {new.version}")


_Pair = tuple[float | None, float | None]


def _thresholds(store: "Store", name: str, similarity: _Pair, check: _Pair) -> Changes:
    """Return the given thresholds. If one of a pair is given, the other is read from the set; else the set is not read.

    So a set whose thresholds are damaged can be repaired by giving both.
    """
    changes = Changes()
    with _as_usage():
        if similarity != (None, None):
            changes["thresholds"] = Thresholds(*_filled(similarity, lambda: store.describe(name).thresholds))
        if check != (None, None):
            changes["check"] = CheckThresholds(*_filled(check, lambda: store.describe(name).check))
    return changes


def _filled(given: _Pair, known: "Callable[[], Thresholds | CheckThresholds]") -> tuple[float, float]:
    review, block = given
    if review is None or block is None:
        now = known()
        return now.review if review is None else review, now.block if block is None else block
    return review, block


@click.command()
@click.argument("name")
@_with_thresholds
@click.pass_obj
def thresholds(  # noqa: PLR0913 (click's way)
    load: "Load",
    *,
    name: str,
    review: float | None,
    block: float | None,
    check_review: float | None,
    check_block: float | None,
) -> None:
    """Change the thresholds of a set. Those that are not given stay as they are. A running service uses the new ones.

    \b
    Example:
      vigilens sets thresholds spam --check-review 0.4
      vigilens sets thresholds spam --check-review 0.35 --check-block 0.6
    """
    from vigilens import wiring

    with wiring.store(load()) as store:
        changes = _thresholds(store, name, (review, block), (check_review, check_block))
        if not changes:
            raise click.UsageError("give --review, --block, --check-review or --check-block")
        new = store.change(name, **changes)
    similarity, check = new.thresholds, new.check
    checked = f"check review {check.review:.4f}, check block {check.block:.4f} (verify {new.verify.value})"
    click.echo(
        f"{name}: review {similarity.review:.4f}, block {similarity.block:.4f}, {checked}, version {new.version}"
    )
