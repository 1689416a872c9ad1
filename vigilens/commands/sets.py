"""`vigilens sets …`: creates, fills, shows and changes the sets of known pictures."""

# ruff: noqa: PLC0415 (pymilvus, encoders and tables are imported by the commands that need them, not for --help)

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from vigilens.commands.progress import progress_bar
from vigilens.lazy import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from config.settings import Settings
    from embedding.encoder import Encoder
    from embedding.encoders import Encoders
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store

    Load = Callable[[], Settings]

_FORMS: "tuple[Literal['NFC', 'NFD'], ...]" = ("NFC", "NFD")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@contextmanager
def _opened(load: "Load", *, fill: bool = False) -> "Iterator[Store]":
    """Open the store of sets; to fill a set with much, wait for a Milvus that does not answer every call in time."""
    from vigilens import wiring
    from vigilens.commands.sets_hashes import patience

    with wiring.store(load(), patience() if fill else None) as store:
        yield store


LATER = {
    "create": ("vigilens.commands.sets_create:create", "Create an empty set, for one encoder."),
    "edit": ("vigilens.commands.sets_edit:edit", "Change what describes a set."),
    "thresholds": ("vigilens.commands.sets_edit:thresholds", "Change the thresholds of a set."),
    "index": ("vigilens.commands.sets_index:index", "Search a set exactly, or by an approximate index."),
    "import-hashes": ("vigilens.commands.sets_hashes:import_hashes", "Read lists of hashes into a set."),
    "export-hashes": ("vigilens.commands.sets_hashes:export_hashes", "Write a set as a list of hashes."),
    "references": ("vigilens.commands.sets_references:references", "List the references of a set."),
    "disable": ("vigilens.commands.sets_references:disable", "Let references match nothing, for a while or for ever."),
    "enable": ("vigilens.commands.sets_references:enable", "Let disabled references match again."),
    "release": ("vigilens.commands.sets_references:release", "Lift the breaker's limit of references."),
}


@click.group(cls=LazyGroup, later=LATER, short_help="Create, fill, show and change the sets of known pictures.")
def command() -> None:
    """Create, fill, show and change the sets of known pictures.

    A set holds vectors and labels, never pictures. A running service uses a changed set within sets.refresh_s.

    \b
    Example:
      vigilens sets create spam --kind harmful --category spam --severity 40
      vigilens sets add spam ~/pictures/spam
      vigilens sets list
    """


@command.command("list")
@json_option
@click.pass_obj
def list_(load: "Load", *, as_json: bool) -> None:
    """List all sets of the database: a table on a terminal, tab-separated lines in a pipe.

    The columns of a line are set, kind, category, group, severity, review, block, alone, check, mirrored, references,
    version and encoder. A terminal that is too narrow shows fewer columns; `vigilens sets show` prints everything about
    a set.

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


@command.command(short_help="Add pictures to one set or several.")
@click.argument("names_and_paths", nargs=-1, required=True, metavar="NAME… PATH…")
@click.option(
    "--label", default="", help="Of all these pictures. [default: each picture's path below the given folder]"
)
@click.pass_obj
def add(load: "Load", *, names_and_paths: tuple[str, ...], label: str) -> None:
    """Add pictures: files, and all files in folders and their subfolders.

    The first words that name sets are the sets; each picture is decoded once and added to all of them. A folder with
    the name of a set is written as ./NAME.

    The same picture with the same label is one reference, so an interrupted command can simply be run again. Files that
    are not readable pictures, or have too little detail to be distinguished from others, are named on stderr with the
    reason.

    The exit code is 0 if each set has at least one of the files now, 1 if files were found and a set has none, 130
    after Ctrl-C.

    \b
    Example:
      vigilens sets add spam ~/pictures/spam
      vigilens sets add spam case-4711.jpg --label 4711
      vigilens sets add spam spam_relatives ~/pictures/spam
    """
    from matcher.candidates import finds_itself
    from reference_sets.add import Interrupted, gather
    from reference_sets.files import find
    from reference_sets.opened import Limits
    from vigilens import wiring
    from vigilens.commands.sets_tables import print_gathered

    settings = load()
    with _opened(load, fill=True) as store, wiring.decoders(settings) as decoders:
        names, paths = _sets_and_paths({known.name for known in store.sets()}, names_and_paths)
        described = {name: store.describe(name) for name in names}
        into = {name: _encoder_of(wiring.encoders(settings), known) for name, known in described.items()}
        files = list(find(paths, label))
        limits = Limits(settings.images.max_bytes, settings.images.max_pixels, settings.images.reduce_jpegs)
        try:
            with progress_bar(len(files)) as advance:
                gathered = gather(
                    store, into, files, decoders=decoders, limits=limits, finds_itself=finds_itself, progress=advance
                )
        except Interrupted as interrupt:
            for name, so_far in interrupt.so_far.items():
                print_gathered(described[name], so_far, interrupted=True)
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
    for name, each in gathered.items():
        print_gathered(described[name], each)
    if any(each.files and len(each.refused) == each.files for each in gathered.values()):
        raise click.exceptions.Exit(1)


def _sets_and_paths(sets: "Collection[str]", words: "Sequence[str]") -> tuple[list[str], list[Path]]:
    """Return the names of sets at the beginning, and the paths after them.

    Raises:
        click.ClickException: the first word names no set, a path does not exist, or it is not clear what is meant.
    """
    if len(words) == 1:
        raise click.UsageError("name the files or folders to add, after the names of the sets")
    first, *between = words[:-1]
    number = 1 + next((index for index, word in enumerate(between) if word not in sets), len(between))
    names, paths = list(dict.fromkeys(words[:number])), [Path(word) for word in words[number:]]
    if first not in sets:
        raise click.ClickException(f"there is no set named {first}; `vigilens sets list` shows all of them")
    if both := [name for name in names[1:] if Path(name).exists()]:
        raise click.UsageError(
            f"{both[0]} is a set, and a file or folder here: write ./{both[0]} for the file or folder, or add to the "
            f"set {both[0]} by a command of its own"
        )
    if missing := [path for path in paths if not path.exists()]:
        what = "neither a set nor a file or folder" if len(missing) < len(paths) else "no such file or folder"
        raise click.UsageError(f"{missing[0]}: {what}")
    return names, paths


def _encoder_of(encoders: "Encoders", known: "ReferenceSet") -> "Encoder | None":
    """Return the encoder for the pictures of a set; None: it is an exact list.

    Raises:
        click.ClickException: the set cannot take pictures.
    """
    from reference_sets.in_memory.constants import IN_MEMORY

    encoder = _check_encoder(encoders, known)
    if encoder and known.index == IN_MEMORY:
        raise click.ClickException(
            f"{known.name} is a list of hashes, which `vigilens sets import-hashes` fills; create a set for pictures "
            "with `vigilens sets create`"
        )
    return encoder


def _check_encoder(encoders: "Encoders", known: "ReferenceSet") -> "Encoder | None":
    """Return the encoder that made a set, None for an exact list. Raise click.ClickException if it is not there."""
    from embedding.encoder import EncoderError
    from reference_sets.in_memory.constants import is_exact

    try:
        return None if is_exact(known.encoder) else encoders.with_fingerprint(known.encoder).encoder
    except EncoderError as error:
        raise click.ClickException(
            f"the set {known.name} was made by another encoder: {error}; add that table, or create a new set"
        ) from error


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
    with _opened(load) as store, progress_bar(store.count(name)) as advance:
        rows = exchange.write(store, name, file, advance)
    click.echo(f"{file}: {rows} references of {name}")


@command.command("import", short_help="Read a set from a Parquet file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", help="Of the set. [default: the name in the file]")
@click.pass_obj
def import_(load: "Load", *, file: Path, name: str) -> None:
    """Create a set from an exported FILE, or add its references to a set that exists.

    A file whose vectors were made by an encoder that is not configured is refused.
    """
    from reference_sets import parquet as exchange
    from vigilens import wiring

    _check_encoder(wiring.encoders(load()), exchange.describe(file))
    with _opened(load, fill=True) as store, progress_bar(exchange.count(file)) as advance:
        done = exchange.read(store, file, name=name, progress=advance)
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
