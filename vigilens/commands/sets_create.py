"""`vigilens sets create` and `vigilens sets thresholds`: what describes a set, and how its matches are decided."""

# ruff: noqa: PLC0415 (pymilvus and encoders are imported by the commands that need them, not for --help)

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from config.settings import Settings
    from reference_sets.defaults import Defaults
    from reference_sets.model import CheckThresholds, Thresholds

    Load = Callable[[], Settings]

KINDS = ("harmful", "allow", "reference")
VERIFY = ("required", "supports", "off")
MIRRORED = ("stored", "queried", "off")

review_option = click.option("--review", type=click.FloatRange(-1, 1), help="Cosine from which a person is to look.")
block_option = click.option("--block", type=click.FloatRange(-1, 1), help="Cosine from which a match blocks.")
_share = click.FloatRange(0, 1, min_open=True)
check_review_option = click.option("--check-review", type=_share, help="Score of the check for a person to look.")
check_block_option = click.option("--check-block", type=_share, help="Score of the check from which a match blocks.")


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="harmful", show_default=True, help="What a match means.")
@click.option("--category", default="", help="Your word for what the set holds. Without it the set's name.")
@click.option("--severity", type=click.IntRange(0, 100), default=50, show_default=True, help="100 is worst.")
@review_option
@block_option
@click.option("--verify", type=click.Choice(VERIFY), help="What the geometric check decides; see above.")
@check_review_option
@check_block_option
@click.option("--mirrored", type=click.Choice(MIRRORED), help="How mirrored copies are found; see above.")
@click.option("--note", default="", help="Where the pictures and thresholds come from.")
@click.pass_obj
def create(  # noqa: PLR0913 (one for each fact)
    load: "Load",
    *,
    name: str,
    kind: str,
    category: str,
    severity: int,
    review: float | None,
    block: float | None,
    verify: str | None,
    check_review: float | None,
    check_block: float | None,
    mirrored: str | None,
    note: str,
) -> None:
    """Make an empty set for the encoder of the settings.

    What is not said follows from the encoder:

    \b
      words   --verify required --mirrored stored
      pdq     --verify off --mirrored off --review 0.5 --block 0.7578 (Hamming distances 64 and 31)
      others  --verify off --mirrored off; --review and --block must be given: measure them on your own pictures

    The geometric check lays the known picture over the new one, corner by corner. It finds crops, memes, collages and
    turned copies, and says where the known picture sits. required: only what passes matches. supports: similarity
    decides, and a passed check can raise the level. off: no check. With a check each reference keeps 17 KB of corners;
    the scores from which it counts, 0 to 1, have measured defaults.

    Mirrored copies look new to most encoders and to the check. stored: each reference is kept mirrored too, which takes
    twice the memory and no time. queried: each picture is looked at mirrored too, which takes about twice the time
    and no memory. off: they are not looked for.

    \b
    Example:
      vigilens sets create spam --category spam --severity 40
      vigilens sets create mistaken --kind allow --check-review 0.6 --note "confirmed false alarms"
    """
    from embedding.probe import probe_vector
    from reference_sets.defaults import defaults
    from reference_sets.model import Kind, Mirrored, ReferenceSet, Verify
    from vigilens import wiring

    encoder = wiring.encoder(load())
    usual = defaults(encoder.name)
    described = ReferenceSet(
        name=name,
        kind=Kind(kind),
        category=category or name,
        severity=severity,
        thresholds=_similarity(usual, encoder.name, review, block),
        encoder=encoder.fingerprint,
        dimension=encoder.dimension,
        version=1,
        probe=tuple(probe_vector(encoder).tolist()),
        note=note,
        verify=Verify(verify) if verify else usual.verify,
        check=_check(usual, check_review, check_block),
        mirrored=Mirrored(mirrored) if mirrored else usual.mirrored,
    )
    with wiring.store(load()) as store:
        store.create(described)
    click.echo(f"{name} is made; fill it with `vigilens sets add {name} PATH…`")


def _similarity(usual: "Defaults", encoder: str, review: float | None, block: float | None) -> "Thresholds":
    from reference_sets.defaults import completed
    from reference_sets.model import Thresholds

    if usual.thresholds:
        review, block = completed(usual.thresholds, review, block)
    if review is None or block is None:
        raise click.UsageError(f"the encoder {encoder} has no thresholds of its own: give --review and --block")
    with _as_usage():
        return Thresholds(review, block)


def _check(usual: "Defaults", review: float | None, block: float | None) -> "CheckThresholds":
    from reference_sets.defaults import completed
    from reference_sets.model import CheckThresholds

    with _as_usage():
        return CheckThresholds(*completed(usual.check, review, block))


@contextmanager
def _as_usage() -> Iterator[None]:
    """Values that do not fit together are a wrong use of the command."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@click.command()
@click.argument("name")
@review_option
@block_option
@check_review_option
@check_block_option
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
    """Change the thresholds of a set; those that are not given stay. A running service follows.

    \b
    Example:
      vigilens sets thresholds spam --check-review 0.4
      vigilens sets thresholds spam --check-review 0.35 --check-block 0.6
    """
    from dataclasses import replace

    from vigilens import wiring

    given = {"review": review, "block": block}, {"review": check_review, "block": check_block}
    changes = [{key: value for key, value in part.items() if value is not None} for part in given]
    if not any(changes):
        raise click.UsageError("give --review, --block, --check-review or --check-block")
    with wiring.store(load()) as store:
        now = store.describe(name)
        with _as_usage():
            similarity, check = replace(now.thresholds, **changes[0]), replace(now.check, **changes[1])
        new = store.change(name, thresholds=similarity, check=check)
    checked = f"check review {check.review:.4f}, check block {check.block:.4f} (verify {new.verify.value})"
    click.echo(
        f"{name}: review {similarity.review:.4f}, block {similarity.block:.4f}, {checked}, version {new.version}"
    )
