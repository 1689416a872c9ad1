"""`vigilens sets references`, `disable`, `enable` and `release`: single references of a set."""

# ruff: noqa: PLC0415 (pymilvus is imported by the commands that need it, not for --help)

import re
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from reference_sets.model import DISABLED
from vigilens.commands.sets_hashes_output import BY_BREAKER, print_references

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings
    from reference_sets.rows import Stored
    from reference_sets.store import Store

    Load = Callable[[], Settings]

_UNITS = {"m": 60, "h": 3600, "d": 86400}
_MOST_S = 365 * 86400


@click.command(short_help="List the references of a set.")
@click.argument("name")
@click.option("--state", type=click.Choice(("active", "disabled")), help="Only these, as of now.")
@click.option("--source", default="", help="Only those that this source gave.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many. [default: 100 on a terminal, else all]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_obj
def references(  # noqa: PLR0913 (click's way)
    load: "Load", *, name: str, state: str | None, source: str, limit: int | None, as_json: bool
) -> None:
    """List the references of a set: a table on a terminal, tab-separated lines in a pipe.

    The columns of a line are id, label, state, ceiling, source, source_id, tags and version. The ceiling of a reference
    that the breaker limits is "review (breaker)"; `vigilens sets release` lifts it.
    """
    from vigilens import wiring

    with wiring.store(load()) as store:
        some = chain.from_iterable(_marked(store, name, part) for part in store.listed(name, source))
        print_references(some, state, limit, as_json=as_json)


@click.command(short_help="Let references match nothing, for a while or for ever.")
@click.argument("name")
@click.option("--id", "ids", multiple=True, required=True, help="Id of a reference, as in a verdict. Can be repeated.")
@click.option(
    "--until",
    type=click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")),
    help="Time from which they match again, in UTC. [default: for ever]",
)
@click.pass_obj
def disable(load: "Load", *, name: str, ids: tuple[str, ...], until: Any) -> None:
    """Let references match nothing, for a while or for ever, without removing them.

    A list of hashes that is read again leaves them disabled. The exit code is 1 if there is none with such an id.

    \b
    Example:
      vigilens sets disable partner --id 5f0c…-1d2e… --until 2027-01-31
    """
    at = None if until is None else until.replace(tzinfo=UTC)
    if at is not None and at <= datetime.now(UTC):
        raise click.UsageError(f"--until must be in the future: {at:%Y-%m-%dT%H:%M:%SZ} is not")
    _set_state(load, name, ids, DISABLED, 0 if at is None else int(at.timestamp()))


@click.command(short_help="Let disabled references match again.")
@click.argument("name")
@click.option("--id", "ids", multiple=True, required=True, help="Id of a reference. Can be repeated.")
@click.pass_obj
def enable(load: "Load", *, name: str, ids: tuple[str, ...]) -> None:
    """Let disabled references match again. The exit code is 1 if there is none with such an id."""
    _set_state(load, name, ids, "", 0)


def _set_state(load: "Load", name: str, ids: tuple[str, ...], state: str, until: int) -> None:
    from reference_sets.restrict import set_state
    from vigilens import wiring

    with wiring.store(load()) as store:
        number = set_state(store, name, ids, state, until)
    if not number:
        raise click.ClickException(
            f"{name} has no reference with such an id; `vigilens sets references {name}` lists them"
        )
    click.echo(f"{name}: {number} {'disabled' if state else 'enabled'}")


@click.command(short_help="Lift the breaker's limit of references.")
@click.argument("name")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--for", "quiet", metavar="TIME", help="Keep the breaker from limiting them for so long: 30m, 24h, 7d.")
@click.pass_obj
def release(load: "Load", *, name: str, ids: tuple[str, ...], quiet: str | None) -> None:
    """Lift the breaker's limit of references, so that they can block again. It then counts anew.

    With --for, it leaves the references alone for a while, also those that it does not limit. Ceilings that come from a
    hash list stay. The exit code is 1 if nothing is changed.

    \b
    Example:
      vigilens sets release spam 5f0c…-1d2e…
      vigilens sets release spam 5f0c…-1d2e… --for 24h
    """
    from reference_sets.restrict import release as lift
    from vigilens import wiring

    until = 0 if quiet is None else int((datetime.now(UTC) + _duration(quiet)).timestamp())
    with wiring.store(load()) as store:
        changed, unlimited = lift(store, name, ids, until)
    if not changed:
        why = "the breaker does not limit them" if unlimited else "there is none with such an id"
        raise click.ClickException(f"nothing is released: {why}; `vigilens sets references {name}` lists them")
    released = len(changed) - sum(one.id in unlimited for one in changed)
    left = f"; the breaker leaves {len(changed)} alone until {_at(until)}" if until else ""
    click.echo(f"{name}: {released} released, version {changed[0].version}{left}")


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _MOST_S:
        raise click.UsageError(f"--for {text} is no time: write 30m, 24h or 7d, at most 365d")
    return timedelta(seconds=seconds)


def _at(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _marked(store: "Store", name: str, some: "list[tuple[str, Stored]]") -> "list[tuple[str, Stored]]":
    """The same, with a word behind the ceilings that are the breaker's."""
    from reference_sets.restrict import LIMIT, is_limited

    extras = store.extras(name, [id_ for id_, one in some if one.facts.ceiling == LIMIT])
    limited = {id_ for id_, extra in extras.items() if is_limited(extra)}
    return [
        (id_, one._replace(facts=one.facts._replace(ceiling=LIMIT + BY_BREAKER)) if id_ in limited else one)
        for id_, one in some
    ]
