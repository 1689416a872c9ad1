"""`vigilens sets import-hashes` and `export-hashes`: lists of hashes."""

# ruff: noqa: PLC0415 (pymilvus and readers are imported by the commands that need them, not for --help)

import signal
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from patience import Patience
from reference_sets.hash_lists.formats import FORMATS, recognise
from reference_sets.hash_lists.importer import Importer, chosen
from reference_sets.hash_lists.sets import DIGESTS, PDQ, kinds_in, new_hash_set
from reference_sets.hash_lists.survey import is_unusable, survey
from reference_sets.model import Kind
from reference_sets.rows import MAX_SHORT
from vigilens.commands.printable import printable
from vigilens.commands.progress import progress_bar
from vigilens.commands.sets_hashes_output import print_imported, print_left

if TYPE_CHECKING:
    from config.settings import Settings
    from reference_sets.hash_lists.entry import Item
    from reference_sets.hash_lists.survey import Survey
    from reference_sets.model import ReferenceSet
    from reference_sets.store import Store

    Load = Callable[[], Settings]

_DESCRIBES = ("kind", "category", "severity", "note")  # options for a set that is made
PATIENCE_S = 120.0

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import-hashes", short_help="Read lists of hashes into a set.")
@click.argument("files", nargs=-1, required=True, type=_file)
@click.option("--set", "name", required=True, help="Name of the set. It is made if it is not there.")
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), help="[default: recognised by the content]")
@click.option("--source", default="", help="Who gave the list. [default: the exchange, or the file's name]")
@click.option("--take", type=click.Choice(("pdq", "exact")), help="Which hashes to take. [default: see above]")
@click.option("--prune", is_flag=True, help="Remove what this source gave before and no longer lists.")
@click.option("--yes", is_flag=True, help="Prune even if nothing that this source gave would be left.")
@click.option("--kind", type=click.Choice([each.value for each in Kind]), default="harmful", show_default=True)
@click.option("--category", default="", help="Your word for what the set holds. [default: the set's name]")
@click.option("--severity", type=click.IntRange(0, 100), default=50, show_default=True, help="100 is worst.")
@click.option("--note", default="", help="Where the list comes from.")
@click.pass_obj
def import_hashes(  # noqa: PLR0913 (click's way)
    load: "Load",
    *,
    files: tuple[Path, ...],
    name: str,
    format_: str | None,
    source: str,
    take: str | None,
    prune: bool,
    yes: bool,
    kind: str,
    category: str,
    severity: int,
    note: str,
) -> None:
    """Read lists of hashes into a set. Several FILES are the parts of one list, in their order.

    The formats are recognised by their content: `pdq HASH` lines and bare hashes, the CSV of `tx`, the output of
    pdq-photo-hasher, md5sum, sha1sum and sha256sum, and what ThreatExchange, StopNCII, NCMEC and Tech Against Terrorism
    give. Lists have entries of two kinds: PDQ hashes find edited copies, and digests (MD5, SHA-1, SHA-256) exactly the
    same file. A set holds one of them: what it holds already, or PDQ if the list has any, or what --take says.

    An entry is known by its source and its id there. So the same list can be read again, an interrupted command can
    simply be run again, and a changed entry replaces the old one. What the list withdraws is removed from the set; what
    is disputed there can only lead to review. --kind, --category, --severity and --note describe a set that is made.

    What cannot be used is counted by its reason on stderr. The exit code is 0 if something can be used, or the list is
    empty; 1 if nothing can be used; 130 after Ctrl-C.

    \b
    Example:
      vigilens sets import-hashes stopncii-page*.json --set ncii --severity 90
      vigilens sets import-hashes partner.txt --set partner --source partner --prune
    """
    from vigilens import wiring

    lists = _Lists(files, format_)
    source = source or lists.source()
    _check_source(source)
    with progress_bar(None, "reading") as advance:
        found = _survey(lists, source, advance)
    if prune and (where := lists.goes_on()):
        raise click.ClickException(f"the list says that it goes on {where}: --prune needs all of its parts")
    if not found.items and not prune:
        click.echo(f"{name}: the list is empty, nothing is changed")
        return
    new = {"kind": Kind(kind), "category": category, "severity": severity, "note": note}
    with wiring.store(load(), patience()) as store:
        described = _ready(store, found, name, take or "", new)
        if described:
            _bring_in(Importer(store, described, found, prune=prune, all_of_them=yes), lists)


def patience() -> Patience:
    """Return the patience of a command that fills a set: a Milvus that is being filled answers late."""

    def waits(why: str | None) -> None:
        if why:
            click.echo(f"waiting: {printable(why)}", err=True)

    return Patience(PATIENCE_S, on_wait=waits)


class _Lists:
    """The files of one list, each with its format."""

    def __init__(self, files: Sequence[Path], format_: str | None) -> None:
        self._files = [(file, FORMATS[format_ or recognise(file)]) for file in files]

    def source(self) -> str:
        """Return who gives such lists, or the files' name."""
        names = {format_.source or file.name for file, format_ in self._files}
        if len(names) > 1:
            raise click.UsageError(f"give --source: the files could be from {', '.join(sorted(names))}")
        return names.pop()

    def items(self) -> "Iterator[Item]":
        """Read all files."""
        return chain.from_iterable(format_.read(file) for file, format_ in self._files)

    def goes_on(self) -> str:
        """Return where the list has more, as its first and last files say: before or after them; empty: nowhere."""
        (first, its), (last, format_) = self._files[0], self._files[-1]
        if its.is_later_part(first):
            return f"before {printable(first.name)}"
        return f"after {printable(last.name)}" if format_.goes_on(last) else ""


def _check_source(source: str) -> None:
    if len(source.encode(errors="replace")) > MAX_SHORT or not source.isprintable():
        raise click.UsageError(f"--source must have at most {MAX_SHORT} bytes, and no control characters")


def _survey(lists: _Lists, source: str, advance: Callable[[int], None]) -> "Survey":
    found = survey(lists.items(), source, advance)
    print_left(found.left)
    if is_unusable(found):
        raise click.ClickException("nothing in the list can be used")
    return found


def _ready(store: "Store", found: "Survey", name: str, take: str, new: dict[str, Any]) -> "ReferenceSet | None":
    """Return the set, which is made if it is not there; None if there would be nothing in it."""
    from reference_sets.store import UnknownSet

    there: ReferenceSet | None
    try:
        there = store.describe(name)
    except UnknownSet:
        there = None
    exact = chosen(found, take, there) == "exact"
    held = "digests of files" if exact else "PDQ hashes"
    if found.valid.any() and not found.of(DIGESTS if exact else PDQ).any() and not (there and len(found.gone)):
        fix = "take another name" if there and not take else "see --take"
        raise click.ClickException(f"{name} is for {held}, and the list has none: {fix}")
    if there is not None:
        _note_unused(name)
        return there
    if not found.valid.any():
        click.echo(f"{name} is not created, because the list has no hash that is in force")
        return None
    store.create(new_hash_set(name, exact=exact, **new))
    click.echo(f"{name} is created, for {held}")
    return store.describe(name)


def _note_unused(name: str) -> None:
    """Say which of the given options describe a set that is made, and so have no effect now."""
    context = click.get_current_context()
    given = [key for key in _DESCRIBES if context.get_parameter_source(key) is ParameterSource.COMMANDLINE]
    if given:
        options = ", ".join(f"--{key}" for key in given)
        click.echo(f"{name} is there already, so {options} changes nothing: use `vigilens sets edit`", err=True)


def _bring_in(importer: "Importer", lists: _Lists) -> None:
    described, found = importer.described, importer.found
    total = int(found.of(kinds_in(described)).sum())
    interrupted = False
    try:
        with progress_bar(total, "writing") as advance:
            importer.run(lists.items(), advance)
    except KeyboardInterrupt:
        interrupted = True
    print_imported(described, found, importer.done, total)
    if interrupted:
        click.echo("interrupted: run the same command to continue", err=True)
        raise click.exceptions.Exit(128 + signal.SIGINT)


@click.command("export-hashes", short_help="Write a set as a list of hashes.")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(("pdq", "csv")), help="[default: csv for a FILE.csv, else pdq]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def export_hashes(load: "Load", *, name: str, file: Path, format_: str | None, yes: bool) -> None:
    """Write a set as a list of hashes that other programs read. Asks before overwriting FILE.

    pdq: lines `pdq HASH`. csv: the columns signal_type,signal_str,collab,category,tags of `tx`. This works for lists of
    hashes and for sets of pictures of the encoder pdq; digests of files need csv. Disabled references are left out.
    """
    from reference_sets.hash_lists.exporter import write
    from vigilens import wiring

    if file.exists() and not yes:
        click.confirm(f"{file} exists. Overwrite it?", abort=True)
    format_ = format_ or ("csv" if file.suffix.lower() == ".csv" else "pdq")
    with wiring.store(load()) as store, progress_bar(store.count(name)) as advance:
        written, left = write(store, name, file, format_, advance)
    click.echo(f"{file}: {written} hashes of {name}" + (f", without {left} that are disabled" if left else ""))
