"""`vigilens encoders …`: shows the configured encoders, and fits projections to shorter vectors."""

# ruff: noqa: PLC0415 (encoders, pymilvus and tables are imported by the commands that need them, not for --help)

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vigilens.commands.printable import printable
from vigilens.commands.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from config.settings import Settings
    from embedding.encoder import Encoder
    from embedding.encoders import Encoders

    Load = Callable[[], Settings]

HEADINGS = ("encoder", "kind", "dimension", "fingerprint", "sets", "computes")


@click.group(short_help="Show the encoders, and make shorter vectors.")
def command() -> None:
    """Show the encoders, and make shorter vectors.

    An encoder makes the vectors that sets hold and images are compared by. The settings name them: a table
    [encoders.NAME] each; words, pdq and relatives are built in.

    \b
    Example:
      vigilens encoders list
      vigilens encoders reduce relatives --to 256 --pictures ~/pictures/ordinary
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_obj
def list_(load: "Load", *, as_json: bool) -> None:
    """List all encoders: a table on a terminal, tab-separated lines in a pipe.

    Each is loaded, which can take some seconds. The columns of a line are encoder, kind, dimension, fingerprint, the
    sets that it made, and what it computes with, or why it cannot be loaded.
    """
    from vigilens import wiring

    settings = load()
    rows = list(_rows(settings, wiring.encoders(settings), _sets(settings)))
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    lines = [[_cell(row[heading]) for heading in HEADINGS] for row in rows]
    if sys.stdout.isatty():
        _table(lines)
    else:
        for line in lines:
            click.echo("\t".join(line))


def _rows(settings: "Settings", encoders: "Encoders", sets: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Yield the facts of each encoder, by HEADINGS and a few more."""
    from embedding.encoder import EncoderError

    for name, table in settings.encoders.items():
        row: dict[str, Any] = {"encoder": name, "kind": table.kind, "default": name == settings.sets.default_encoder}
        try:
            found = encoders.get(name)
        except EncoderError as error:
            yield {**row, "dimension": None, "fingerprint": None, "sets": [], "computes": f"not loaded: {error}"}
            continue
        mark = found.fingerprint
        facts = {"dimension": found.dimension, "fingerprint": mark, "sets": sets[mark], "computes": found.backend}
        yield {**row, **facts}


def _sets(settings: "Settings") -> dict[str, list[str]]:
    """Return the names of the sets by the fingerprint of their encoder; none if Milvus cannot be asked."""
    from patience import Away
    from reference_sets.store import StoreError
    from vigilens import wiring

    found: dict[str, list[str]] = defaultdict(list)
    try:
        with wiring.store(settings) as store:
            for known in store.sets():
                found[known.encoder].append(known.name)
    except (StoreError, Away) as error:
        click.echo(f"which sets use them is not known: {error}", err=True)
    return found


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return printable(", ".join(value))
    return "" if value is None else printable(str(value))


def _table(lines: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading == "dimension" else "left")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)


@command.command(short_help="Fit a projection to shorter vectors.")
@click.argument("name")
@click.option("--to", type=click.IntRange(2), required=True, help="Values of a vector afterwards.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="File, or folder with its subfolders. Can be repeated.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file with the projection. [default: NAME and the number of values, .safetensors]",
)
@click.option("--yes", is_flag=True, help="Overwrite the file without asking: sets that were made with it need it.")
@click.pass_obj
def reduce(  # noqa: PLR0913 (click's way)
    load: "Load", *, name: str, to: int, pictures: tuple[Path, ...], output: Path | None, yes: bool
) -> None:
    """Fit a projection (PCA) to shorter vectors of an encoder, and print the table of the new encoder.

    A set of shorter vectors needs less memory and is searched faster. The pictures should be like those that come by,
    more of them than values, and need not be harmful. The new encoder has other thresholds: measure them.

    \b
    Example:
      vigilens encoders reduce relatives --to 256 --pictures ~/pictures/ordinary >> vigilens.toml
    """
    from embedding.projection import ENDING, fit, save
    from vigilens import wiring

    settings = load()
    encoder = wiring.encoders(settings).get(name)
    if settings.encoders[name].projection:
        raise click.ClickException(f"{name} is reduced already: reduce the encoder that it is made of")
    file = output or Path(f"{name}{to}{ENDING}")
    if file.suffix != ENDING:
        raise click.UsageError(f"--output must end in {ENDING}")
    if not file.parent.is_dir():
        raise click.UsageError(f"there is no folder {file.parent} for {file.name}")
    if file.exists() and not yes:
        click.confirm(f"{file} exists. Overwrite it? Sets that were made with it need it.", abort=True, err=True)
    vectors = _vectors(settings, encoder, pictures)
    made = fit(vectors, to, encoder.fingerprint)
    save(made, file)
    click.echo(f"{file}: {to} of {encoder.dimension} values, {made.kept:.1%} of what differs is kept", err=True)
    click.echo(_pasted(settings, name, to, file))


def _vectors(settings: "Settings", encoder: "Encoder", paths: Sequence[Path]) -> "NDArray[np.float32]":
    """Return the vectors (n, dimension) of all pictures that can be compared; what cannot is counted on stderr."""
    import numpy as np

    from embedding.picture import Wanted
    from reference_sets.files import find
    from reference_sets.opened import Opened, in_batches, opened_files
    from vigilens import wiring

    images, files = settings.images, list(find(paths))
    wanted = Wanted(encoder.needs, images.max_pixels, 1, images.reduce_jpegs)
    found = [np.zeros((0, encoder.dimension), np.float32)]
    with wiring.decoders(settings) as decoders, progress_bar(len(files)) as advance:
        for batch in in_batches(opened_files(decoders, files, wanted)):
            views = [one.found.views[0].own for one in batch if isinstance(one, Opened)]
            if views:
                encoded = encoder.encode(views)
                found.append(encoded.vectors[~encoded.featureless])
            advance(len(batch))
    vectors = np.concatenate(found)
    if left_out := len(files) - len(vectors):
        click.echo(f"{left_out} of {len(files)} files are left out: no pictures, or with too little detail", err=True)
    return vectors


def _pasted(settings: "Settings", name: str, to: int, file: Path) -> str:
    """Return the table of the new encoder for the settings."""
    from vigilens.commands.config import toml

    table = settings.encoders[name].model_dump(mode="json", exclude_unset=True)
    table |= {"kind": settings.encoders[name].kind, "projection": str(file.resolve())}
    lines = [f"[encoders.{name}{to}]", *(f"{key} = {toml(value)}" for key, value in table.items() if value)]
    return "\n".join(lines)
