"""`vigilens sets create`: makes an empty set, with all that describes it and decides its matches."""

# ruff: noqa: PLC0415 (pymilvus and encoders are imported by the commands that need them, not for --help)

from typing import TYPE_CHECKING, Unpack

import click

from reference_sets.model import Cap, CheckThresholds, Kind, Mirrored, Thresholds, Verify
from vigilens.commands.sets_options import as_usage, background_k, caps, check_background, one_of, with_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings
    from reference_sets.defaults import Defaults, Facts
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store

    Load = Callable[[], Settings]


@click.command()
@click.argument("name")
@click.option(
    "--encoder",
    default="",
    help="As `vigilens encoders list` names it, or exact. [default: sets.default_encoder of the settings]",
)
@click.option("--kind", type=one_of(Kind), default="harmful", show_default=True, help="What a match means.")
@click.option("--category", default="", help="Your word for what the set holds. [default: the set's name]")
@click.option("--severity", type=click.IntRange(0, 100), default=50, show_default=True, help="100 is worst.")
@click.option("--verify", type=one_of(Verify), help="What the geometric check decides; see above.")
@click.option("--mirrored", type=one_of(Mirrored), help="How mirrored copies are found; see above.")
@click.option("--group", default="", help="Sets of one group speak of the same thing; see above. [default: category]")
@click.option("--alone", type=caps, help="The level of a match that nothing corroborates; see above.")
@click.option(
    "--altered", type=caps, default="review", show_default=True, help="The level of altered copies; see above."
)
@click.option("--background", default="", help="A set of the kind background, to normalise similarities; see above.")
@click.option(
    "--background-k",
    type=background_k,
    default=10,
    show_default=True,
    help="How many of its nearest pictures are used.",
)
@click.option("--note", default="", help="Where the pictures and thresholds come from.")
@with_thresholds
@click.pass_obj
def create(  # noqa: PLR0913 (one for each fact)
    load: "Load",
    *,
    name: str,
    encoder: str,
    kind: str,
    category: str,
    severity: int,
    alone: Cap | None,
    verify: str | None,
    mirrored: str | None,
    review: float | None,
    block: float | None,
    check_review: float | None,
    check_block: float | None,
    **facts: Unpack["Facts"],
) -> None:
    """Create an empty set, for one encoder.

    The defaults depend on the encoder:

    \b
      words     --verify required --mirrored stored --alone block
      pdq       --verify off --mirrored off --review 0.5 --block 0.7578 (Hamming distances 64 and 31) --alone block
      networks  --verify required --mirrored stored --alone review
      exact     no thresholds: exactly the same file matches, also if it is no picture

    A check that is required decides among the pictures that similarity selects. With another --verify, words and
    networks need --review and --block: measure them on your own pictures.

    The geometric check fits the known picture onto the new one by the corners in both. It finds crops, memes, collages
    and rotated copies, and reports where the known picture lies. required: only what passes the check matches.
    supports: similarity decides, and a passed check can raise the level. off: there is no check. With a check, 17 KB of
    corners are stored for each reference. The check's scores range from 0 to 1; its default thresholds were measured.

    Most encoders, and the check, do not find mirrored copies by themselves. stored: each reference is also stored
    mirrored, which takes twice the memory and no time. queried: each picture is also searched for mirrored, which takes
    about twice the time and no memory. off: mirrored copies are not found.

    The check also finds parts in which a copy differs: other entries in the same form, other words on the same picture,
    a sticker, a caption over it. --altered is the highest level that such a match can have; nothing: it does not match.

    Sets of one group speak of the same thing with different encoders. --alone is the highest level of a match in an
    image that no match of another encoder of the group corroborates; nothing: it does not match. Exactly the same file
    needs no corroboration.

    Some images are a little similar to everything. A set of the kind background holds pictures of anything, and never
    matches. With --background, the mean similarity of the image to its nearest background pictures is subtracted from
    the similarities before thresholds are compared.

    \b
    Example:
      vigilens sets create spam --category spam --severity 40
      vigilens sets create spam_relatives --encoder relatives --group spam
      vigilens sets create mistaken --kind allow --check-review 0.6 --note "confirmed false alarms"
    """
    from reference_sets.defaults import defaults, new_set
    from reference_sets.in_memory.constants import EXACT, EXACT_NAME
    from vigilens import wiring

    settings = load()
    loaded = None if encoder == EXACT_NAME else wiring.encoders(settings).get(encoder)
    fingerprint = loaded.fingerprint if loaded else EXACT
    usual, checked = defaults(fingerprint, Kind(kind)), Verify(verify) if verify else None
    described = new_set(
        loaded,
        name,
        kind=Kind(kind),
        category=category,
        severity=severity,
        alone=alone,
        thresholds=_similarity(usual.similarity(checked or usual.verify), fingerprint, review, block),
        verify=checked,
        check=_check(usual, check_review, check_block),
        mirrored=Mirrored(mirrored) if mirrored else None,
        **facts,
    )
    with wiring.store(settings) as store:
        _make(store, described)


def _make(store: "Store", described: "ReferenceSet") -> None:
    check_background(store, described)
    store.create(described)
    click.echo(f"{described.name} is created; fill it with `vigilens sets add {described.name} PATH…`")
    if described.kind is Kind.HARMFUL:
        click.echo(_group(store, described))


def _group(store: "Store", made: "ReferenceSet") -> str:
    """Return a sentence on who can corroborate the set's matches."""
    group = made.group_name
    others = [
        f"{known.name} ({known.encoder})"
        for known in store.listing().sets
        if known.kind is Kind.HARMFUL and known.group_name == group and known.encoder != made.encoder
    ]
    if others:
        return f"it is in the group {group} with {', '.join(others)}: their matches corroborate one another"
    worth = {
        "block": "",
        "review": ", and they are for review at most",
        "nothing": ", and only exactly the same file matches",
    }
    return (
        f"it is in the group {group}: as long as no harmful set of another encoder is in that group, nothing "
        f"corroborates its matches{worth[made.alone]}"
    )


def _similarity(usual: Thresholds | None, encoder: str, review: float | None, block: float | None) -> Thresholds:
    from reference_sets.defaults import completed

    if usual:
        review, block = completed(usual, review, block)
    if review is None or block is None:
        raise click.UsageError(
            f"the encoder {encoder} has no default thresholds without a required check: give --review and --block"
        )
    with as_usage():
        return Thresholds(review, block)


def _check(usual: "Defaults", review: float | None, block: float | None) -> CheckThresholds:
    from reference_sets.defaults import completed

    with as_usage():
        return CheckThresholds(*completed(usual.check, review, block))
