"""`vigilens sets edit` and `thresholds`: they change what describes a set and decides its matches."""

# ruff: noqa: PLC0415 (pymilvus is imported by the commands that need it, not for --help)

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import click

from reference_sets.model import Changes, CheckThresholds, Kind, Mirrored, Thresholds, Verify
from vigilens.commands.sets_options import as_usage, background_k, caps, check_background, one_of, with_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings
    from reference_sets.store import Store

    Load = Callable[[], Settings]

_Pair = tuple[float | None, float | None]


@click.command(short_help="Change what describes a set.")
@click.argument("name")
@click.option("--kind", type=one_of(Kind), help="What a match means.")
@click.option("--category", help="Your word for what the set holds.")
@click.option("--severity", type=click.IntRange(0, 100), help="100 is worst.")
@click.option("--verify", type=one_of(Verify), help="What the geometric check decides.")
@click.option("--mirrored", type=one_of(Mirrored), help="How mirrored copies are found.")
@click.option("--group", help="Sets of one group can corroborate one another. Empty: the category.")
@click.option("--alone", type=caps, help="The highest level of a match that no other encoder's match corroborates.")
@click.option("--altered", type=caps, help="The highest level of copies of which a part differs.")
@click.option("--background", help="The set that similarities are normalised with. Empty: none.")
@click.option("--background-k", type=background_k, help="How many of its nearest pictures are used.")
@click.option("--note", help="Where the pictures and thresholds come from.")
@with_thresholds
@click.pass_obj
def edit(  # noqa: PLR0913 (one for each pair of thresholds)
    load: "Load",
    /,
    *,
    name: str,
    review: float | None,
    block: float | None,
    check_review: float | None,
    check_block: float | None,
    **facts: Any,
) -> None:
    """Change the description of a set. What is not given stays as it is. A running service uses the new values.

    This also repairs a damaged description, one value at a time.

    \b
    Example:
      vigilens sets edit spam --severity 80 --note "case 17 and later"
      vigilens sets edit spam --kind reference
      vigilens sets edit spam_clip --group spam --alone review
    """
    from vigilens import wiring

    changes = _given(facts)
    with wiring.store(load()) as store:
        changes.update(_thresholds(store, name, (review, block), (check_review, check_block)))
        if not changes:
            raise click.UsageError("nothing to change is given: see `vigilens sets edit --help`")
        _refuse(store, name, changes)
        new = store.change(name, **changes)
    click.echo(f"{name}: {', '.join(changes)} changed, version {new.version}")


def _given(facts: dict[str, Any]) -> Changes:
    """Return the facts that were given, as values of the model."""
    types = {"kind": Kind, "verify": Verify, "mirrored": Mirrored}
    given = {key: value for key, value in facts.items() if value is not None}
    return cast("Changes", {key: types[key](value) if key in types else value for key, value in given.items()})


def _refuse(store: "Store", name: str, changes: Changes) -> None:
    """Refuse changes after which every picture would match, or none could be compared."""
    from reference_sets.defaults import SELECTS
    from reference_sets.errors import BadDescription

    if background := changes.get("background"):
        check_background(store, replace(store.describe(name), background=background))
    if changes.get("verify", Verify.REQUIRED) is Verify.REQUIRED or "thresholds" in changes:
        return
    with suppress(BadDescription):  # the change may be what repairs it
        known = store.describe(name)
        if known.verify is Verify.REQUIRED and known.thresholds.review <= SELECTS.review:
            raise click.UsageError(
                f"without the check, almost every picture would match {name}, because its similarity only selects "
                "candidates: give --review and --block too"
            )


def _thresholds(store: "Store", name: str, similarity: _Pair, check: _Pair) -> Changes:
    """Return the given thresholds. If one of a pair is given, the other is read from the set; else the set is not read.

    So a set whose thresholds are damaged can be repaired by giving both.
    """
    changes = Changes()
    with as_usage():
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
@with_thresholds
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
