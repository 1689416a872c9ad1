"""`vigilens size`: what a number of images and references needs, from what one takes on this machine."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vigilens.sizing import Load, Need, Plan, overview, plan
from vigilens.sizing_costs import Costs, Index, costs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

DIGITS = 3  # of a number: the constants are no better
_UNITS = (("TB", 1e3), ("GB", 1.0), ("MB", 1e-3))


@click.command(short_help="Say what machines a number of images and references needs.")
@click.option("--images-per-second", "images", type=click.FloatRange(0, min_open=True), default=100, show_default=True)
@click.option("--references", type=click.IntRange(1), default=10_000, show_default=True, help="Pictures or hashes.")
@click.option("--encoder", default="words", show_default=True, help="words, pdq, or a network of the settings.")
@click.option(
    "--index", type=click.Choice(["auto", "exact", "ivf_flat"]), default="auto", show_default=True,
    help="How vectors are searched. auto: exact for up to 20,000 rows.",
)  # fmt: skip
@click.option("--image-kb", type=click.FloatRange(0, min_open=True), default=85, show_default=True, help="Of a file.")
@click.option("--by-url", is_flag=True, help="The events name the images, and do not carry them.")
@click.option(
    "--busy", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True,
    help="Share of a core to plan with. At .5 verdicts come within a second, also at the peak.",
)  # fmt: skip
@click.option("--hours", type=click.FloatRange(0), default=24, show_default=True, help="That Kafka keeps the events.")
@click.option("--replicas", type=click.IntRange(1), default=3, show_default=True, help="Of each Kafka partition.")
@click.option(
    "--measure/--no-measure", default=True, help="Measure this machine, or take the figures of docs/sizing.md."
)
@click.option(
    "--constants", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Take the figures of a file: `costs` of an earlier --json, or a part of it. Nothing is measured.",
)  # fmt: skip
@click.option(
    "--grid", is_flag=True, help="Print an overview instead: 100 to 10,000 images/s, 10^4 to 10^8 references."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: load, costs and needs.")
@click.pass_obj
def command(  # noqa: PLR0913 (one for each option)
    settings: "Callable[[], Settings]",
    *,
    images: float,
    references: int,
    encoder: str,
    index: Index,
    image_kb: float,
    by_url: bool,
    busy: float,
    hours: float,
    replicas: int,
    measure: bool,
    constants: Path | None,
    grid: bool,
    as_json: bool,
) -> None:
    """Say what machines a number of images and references needs: cores, memory, disk, partitions, nodes, network.

    It first measures what one image takes here, in some seconds: it draws pictures of 640x480, makes a set of them in a
    folder that is removed afterwards, and judges others with one worker. Nothing else may run meanwhile. What Milvus,
    Kafka and a reference take is not measured but taken from docs/sizing.md.

    "measured" means that all of a figure was measured at about that size. "reckoned" means that it was carried on to a
    size that nobody has measured: try it before you buy machines.

    \b
    Example:
      vigilens size --images-per-second 5000 --references 2000000 --encoder words
      vigilens size --no-measure --grid --encoder pdq
      vigilens size --json > here.json; vigilens size --constants here.json --references 100000
    """
    costs = _costs(settings, encoder, measure=measure, constants=constants)
    try:
        if grid:
            click.echo("\n".join(grid_lines(overview(encoder, costs))))
            return
        load = Load(images, references, encoder, index, image_kb * 1000, by_url, busy, replicas=replicas, hours=hours)
        made = plan(load, costs)
    except KeyError:
        raise click.UsageError(
            f"there are no figures of {encoder}: take words, pdq or network, or measure it"
        ) from None
    if as_json:
        needs = [asdict(each) for each in made.needs]
        click.echo(json.dumps({"load": asdict(made.load), "costs": asdict(costs), "needs": needs}, indent=2))
        return
    click.echo("\n".join(lines(made)))


def _costs(settings: "Callable[[], Settings]", encoder: str, *, measure: bool, constants: Path | None) -> Costs:
    if constants:
        try:
            written = json.loads(constants.read_text(encoding="utf-8"))
            return costs_of(written.get("costs", written))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise click.UsageError(f"{constants} does not hold figures of `vigilens size --json`: {error}") from error
    if not measure:
        return Costs()
    from vigilens.commands.progress import progress_bar  # noqa: PLC0415 (late: it needs everything)
    from vigilens.measure_size import STEPS, measured  # noqa: PLC0415

    with progress_bar(STEPS, "measuring") as advance:
        return measured(settings(), encoder, Costs(), advance)


def lines(made: Plan) -> list[str]:
    """Return the plan as a table."""
    load = made.load
    head = f"{_number(load.images)} images/s, {load.references:,} references, encoder {load.encoder}"
    cells = [(each.part, each.what, _amount(each), each.basis, each.because) for each in made.needs]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    table = []
    for number, row in enumerate(cells):
        part = row[0] if not number or cells[number - 1][0] != row[0] else ""
        table.append(f"{part:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:{widths[3]}}  {row[4]}")
    return [head, "", *table]


def grid_lines(plans: Sequence[Plan]) -> list[str]:
    """Return an overview of plans as a table in Markdown."""
    heads = ("images/s", "references", "service cores", "its memory", "Milvus", "its cores", "its memory", "partitions")
    table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for each in plans:
        of = {(need.part, need.what): need for need in each.needs}
        where = "Lite" if each.lite else f"{each.nodes:,} node{'s' * (each.nodes > 1)}, {each.load.index}"
        cells = (
            _number(each.load.images),
            f"10^{round(math.log10(each.load.references))}",
            f"{each.service_cores:,}",
            _amount(of["service", "memory"]),
            where,
            f"{_number(each.milvus_cores)}",
            _amount(of["milvus", "memory"]),
            _amount(of["kafka", "partitions"]),
        )
        table.append(f"| {' | '.join(cells)} |")
    return table


def _amount(need: Need) -> str:
    if need.unit == "GB":
        unit, size = next(((unit, size) for unit, size in _UNITS if need.amount >= size), _UNITS[-1])
        return f"{_number(need.amount / size)} {unit}"
    return f"{_number(need.amount)} {need.unit}".strip()


def _number(value: float) -> str:
    """Return a number with the digits that mean something."""
    if not value:
        return "0"
    rounded = round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (DIGITS - 1) or rounded == int(rounded) else f"{rounded:g}"
