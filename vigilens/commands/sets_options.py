"""Options that `vigilens sets create`, `edit` and `thresholds` share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from reference_sets.model import RANGES, Cap

if TYPE_CHECKING:
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store

T = TypeVar("T", bound=Callable[..., Any])

caps = click.Choice(get_args(Cap))
background_k = click.IntRange(1, int(RANGES["background_k"][1]))
_cosine = click.FloatRange(-1, 1)
_share = click.FloatRange(0, 1, min_open=True)
_THRESHOLDS = (
    click.option("--review", type=_cosine, help="Similarity (cosine) from which a match goes to review."),
    click.option("--block", type=_cosine, help="Similarity (cosine) from which a match blocks."),
    click.option("--check-review", type=_share, help="Score of the check, 0 to 1, from which a match goes to review."),
    click.option("--check-block", type=_share, help="Score of the check, 0 to 1, from which a match blocks."),
)


def one_of(kind: type[StrEnum]) -> click.Choice[str]:
    """Return the type of an option that has one of these values."""
    return click.Choice([each.value for each in kind])


def with_thresholds(command: T) -> T:
    """Add the options for thresholds."""
    for option in reversed(_THRESHOLDS):
        command = option(command)
    return command


@contextmanager
def as_usage() -> Iterator[None]:
    """Report values that do not fit together as wrong usage of the command."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def check_background(store: "Store", described: "ReferenceSet") -> None:
    """Refuse a background that cannot be used, and warn of one that is empty."""
    from reference_sets import backgrounds  # noqa: PLC0415 (not for --help)

    if not described.background:
        return
    listing = store.listing()
    others, unreadable = (
        {known.name: known for known in listing.sets},
        {one.name: one.why for one in listing.unreadable},
    )
    if why := backgrounds.unusable(described, others, unreadable):
        raise click.ClickException(why)
    if not store.count(described.background):
        click.echo(f"warning: {backgrounds.empty(described)}", err=True)
