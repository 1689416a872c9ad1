"""`vigilens sets …`: creates, fills, shows and changes the sets of known pictures."""

# ruff: noqa: PLC0415 (pymilvus, encoders and tables are imported by the commands that need them, not for --help)

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from vigilens.commands.sets_create import create, edit, thresholds

if TYPE_CHECKING:
    from config.settings import Settings
    from reference_sets.store import Store

    Load = Callable[[], Settings]

_FORMS: "tuple[Literal['NFC', 'NFD'], ...]" = ("NFC", "NFD")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@contextmanager
def _opened(load: "Load") -> "Iterator[Store]":
    from vigilens import wiring

    with wiring.store(load()) as store:
        yield store


@click.group(short_help="Create, fill, show and change the sets of known pictures.")
def command() -> None:
    """Create, fill, show and change the sets of known pictures.

    A set holds vectors and labels, never pictures. A running service uses a changed set within sets.refresh_s.

    \b
    Example:
      vigilens sets create spam --kind harmful --category spam --severity 40
      vigilens sets add spam ~/pictures/spam
      vigilens sets list
    """


command.add_command(create)
command.add_command(edit)
command.add_command(thresholds)


@command.command("list")
@json_option
@click.pass_obj
def list_(load: "Load", *, as_json: bool) -> None:
    """List all sets of the database: a table on a terminal, tab-separated lines in a pipe.

    The columns of a line are set, kind, category, severity, review, block, check, mirrored, references, version and
    encoder. A terminal that is too narrow shows fewer columns; `vigilens sets show` prints everything about a set.

    The exit code is 1 if a set cannot be read; stderr says why.
    """
    from vigilens.commands.sets_tables import print_list

    with _opened(load) as store:
        listing = store.listing()
        counted = [(known, store.count(known.name)) for known in listing.sets]
    print_list(counted, listing.unreadable, as_json=as_json)
    if listing.unreadable:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(load: "Load", *, name: str, as_json: bool) -> None:
    """Print everything that describes one set."""
    from vigilens.commands.sets_tables import print_one

    with _opened(load) as store:
        print_one(store.describe(name), store.count(name), as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--label", default="", help="Of all these pictures. [default: each picture's path below the given folder]"
)
@click.pass_obj
def add(load: "Load", *, name: str, paths: tuple[Path, ...], label: str) -> None:
    """Add pictures: files, and all files in folders and their subfolders.

    The same picture with the same label is one reference, so an interrupted command can simply be run again. Files that
    are not readable pictures, or have too little detail to be distinguished from others, are named on stderr with the
    reason.

    The exit code is 0 if at least one of the files is in the set now, 1 if files were found and none is, 130 after
    Ctrl-C.

    \b
    Example:
      vigilens sets add spam ~/pictures/spam
      vigilens sets add spam case-4711.jpg --label 4711
    """
    from matcher.candidates import finds_itself
    from reference_sets.add import Interrupted, Limits, gather
    from reference_sets.files import find
    from vigilens import wiring
    from vigilens.commands.sets_tables import print_gathered

    settings = load()
    encoder = wiring.encoder(settings)
    files = list(find(paths, label))
    with _opened(load) as store, wiring.decoders(settings) as decoders:
        described = store.describe(name)
        _fits(encoder.fingerprint, described.encoder, name)
        limits = Limits(settings.images.max_bytes, settings.images.max_pixels, settings.images.reduce_jpegs)
        try:
            with _progress(len(files)) as advance:
                gathered = gather(
                    store,
                    name,
                    encoder,
                    files,
                    decoders=decoders,
                    limits=limits,
                    finds_itself=finds_itself,
                    progress=advance,
                )
        except Interrupted as interrupt:
            print_gathered(described, interrupt.so_far, interrupted=True)
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
    print_gathered(described, gathered)
    if gathered.files and len(gathered.refused) == gathered.files:
        raise click.exceptions.Exit(1)


def _fits(ours: str, theirs: str, name: str) -> None:
    if ours != theirs:
        raise click.ClickException(
            f"the set {name} was made by the encoder {theirs}, but the settings name {ours}: change the encoder in the "
            "settings, or create a new set"
        )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr, if that is a terminal; yields the function that advances it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.advance(task, done)


@command.command(short_help="Remove references by id, label or picture.")
@click.argument("name")
@click.argument("pictures", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "ids", multiple=True, help="Id of a reference, as in a verdict. Can be repeated.")
@click.option("--label", "labels", multiple=True, help="All references with this label. Can be repeated.")
@yes
@click.pass_obj
def remove(  # noqa: PLR0913 (click's way)
    load: "Load", *, name: str, pictures: tuple[Path, ...], ids: tuple[str, ...], labels: tuple[str, ...], yes: bool
) -> None:
    """Remove references by id, by label, or by the picture itself (whatever its label).

    The exit code is 1 if nothing is found.

    \b
    Example:
      vigilens sets remove spam --label 4711
      vigilens sets remove spam ~/pictures/not-spam.jpg
    """
    if not (pictures or ids or labels):
        raise click.UsageError("say what to remove: --id, --label, or pictures")
    import hashlib
    import unicodedata

    from reference_sets.files import unicode_of

    digests = {hashlib.sha256(picture.read_bytes()).hexdigest() for picture in pictures}
    # Unicode has two forms of an accented letter, and file systems differ in which they use; both look the same.
    texts = [unicode_of(label) for label in labels]
    spellings = {each for label in texts for each in (label, *(unicodedata.normalize(f, label) for f in _FORMS))}
    with _opened(load) as store:
        known, labelled = store.known(name, ids), store.labelled(name, *spellings)
        wanted = sorted(known | labelled | store.made_of(name, *digests))
        if not wanted:
            raise click.ClickException(
                f"nothing is removed: {name} has no reference with such an id, label or picture; labels and ids are "
                "in the verdicts and in `vigilens sets export`"
            )
        if not yes:
            click.confirm(f"Remove {len(wanted)} of the {store.count(name)} references of {name}?", abort=True)
        click.echo(f"{name}: {store.delete(name, wanted)} removed")


@command.command("export", short_help="Write a set to a Parquet file.")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@yes
@click.pass_obj
def export(load: "Load", *, name: str, file: Path, yes: bool) -> None:
    """Write a set to a Parquet FILE: ids, labels, vectors, and the set's description. Asks before overwriting it."""
    from reference_sets import parquet as exchange

    exchange.check_name(file)
    if file.exists() and not yes:
        click.confirm(f"{file} exists. Overwrite it?", abort=True)
    with _opened(load) as store, _progress(store.count(name)) as advance:
        rows = exchange.write(store, name, file, advance)
    click.echo(f"{file}: {rows} references of {name}")


@command.command("import", short_help="Read a set from a Parquet file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", help="Of the set. [default: the name in the file]")
@click.pass_obj
def import_(load: "Load", *, file: Path, name: str) -> None:
    """Create a set from an exported FILE, or add its references to a set that exists.

    A file whose vectors were made by another encoder is refused.
    """
    from reference_sets import parquet as exchange
    from vigilens import wiring

    fingerprint = wiring.encoder(load()).fingerprint
    with _opened(load) as store, _progress(exchange.count(file)) as advance:
        done = exchange.read(store, file, name=name, fingerprint=fingerprint, progress=advance)
    click.echo(f"{done.set.name}: {done.rows} references {'in a new set' if done.made else 'added or replaced'}")


@command.command()
@click.argument("name")
@yes
@click.pass_obj
def drop(load: "Load", *, name: str, yes: bool) -> None:
    """Remove a set and all its references."""
    with _opened(load) as store:
        if not yes:
            click.confirm(f"Drop the set {name} with all its references?", abort=True)
        store.drop(name)
    click.echo(f"{name} is dropped")
