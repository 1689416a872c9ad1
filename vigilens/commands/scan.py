"""`vigilens scan`: judges local files with the same judge as the service, without Kafka."""

import os
import time
from collections import ChainMap, Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from config.settings import Settings
    from embedding.encoders import Encoders
    from embedding.image import Image, Source
    from embedding.picture import Pixels
    from embedding.processes.decoders import Decoders
    from matcher.judge import Judge
    from matcher.verdict import Verdict, View
    from reference_sets.store import Store

# ruff: noqa: PLC0415 (the parts of matching take a second to import, and --help needs none of them)

CONCURRENT_BATCHES = 2  # one is searched for while the other is embedded
FOUND = 3  # exit code of --fail-on; 1 and 2 are taken by errors and wrong usage
FAILS = {"review": {"review", "block"}, "block": {"block"}, "unscannable": {"unscannable"}}


@click.command(short_help="Judge local files, without Kafka.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "form", flag_value="json", help="Print one verdict per line, as in the verdicts topic.")
@click.option("--csv", "form", flag_value="csv", help="Print one line per file, with a header.")
@click.option("--all", "everything", is_flag=True, help="List allowed files in the table even if there are many.")
@click.option(
    "--fail-on",
    type=click.Choice(list(FAILS)),
    multiple=True,
    help=f"Exit with {FOUND} if a file has this decision. `review` includes block. Can be repeated.",
)
@click.option(
    "--explain",
    "page",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE.html",
    help="Write a page that shows where the reference lies in the picture, and why each set matched or not. For one "
    "picture only.",
)
@click.option(
    "--references",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the pictures of the references, for the page of --explain: sets do not hold pictures.",
)
@click.pass_obj
def command(  # noqa: PLR0913 (one for each option)
    settings: "Callable[[], Settings]",
    *,
    paths: Sequence[Path],
    form: str | None,
    everything: bool,
    fail_on: Sequence[str],
    page: Path | None,
    references: Path | None,
) -> None:
    """Judge files, and all files in folders and their subfolders, against the sets in Milvus.

    Prints a table on a terminal and tab-separated lines elsewhere; --json and --csv are for programs. Every file gets a
    verdict, hidden files too; a file that is not an image is unscannable. Links to files are followed, links to folders
    are not.

    In the table, "check 0.82 of 0.60" means that the geometric check decided: its score was 0.82, the threshold 0.60.
    The columns of a tab-separated line are decision, by, score, threshold, similarity, check, set, nearest, reason and
    path.

    --json prints the names of files unchanged. The other forms escape control characters, and --csv puts an apostrophe
    before a text that a spreadsheet would run as a formula.

    \b
    Exit codes: 0 all files have a verdict, 1 cannot judge or cannot print, 2 wrong usage,
    3 a file has a decision that --fail-on names, 130 interrupted (stderr says after how many files).

    \b
    Example:
      vigilens scan upload.jpg
      vigilens scan --csv ~/pictures > verdicts.csv
      vigilens scan --fail-on review --fail-on unscannable incoming/ || echo stop
      vigilens scan --explain why.html --references ~/pictures/spam upload.jpg
    """
    from vigilens.commands import scan_output

    counts: Counter[str] = Counter()
    started = time.monotonic()
    images = find(paths)
    check_explain(page, references, len(images))
    try:
        with judging(settings()) as parts:
            verdicts = scan_output.progress(judge_all(parts.judge, images, settings().batch.images), len(images))
            show = scan_output.choose(form, everything=everything, files=len(images))
            for image, verdict in zip(images, show(verdicts), strict=True):
                counts[verdict.decision] += 1
                if page:
                    page.write_text(explained(parts, image, verdict, references), encoding="utf-8")
    except KeyboardInterrupt:
        click.echo(f"interrupted: {counts.total():,} of {len(images):,} files were judged", err=True)
        raise
    click.echo(scan_output.summary(counts, time.monotonic() - started), err=True)
    if any(counts[decision] for name in fail_on for decision in FAILS[name]):
        raise click.exceptions.Exit(FOUND)


def check_explain(page: Path | None, references: Path | None, files: int) -> None:
    """Raise click.UsageError if --explain and --references cannot be used like this."""
    if page is None:
        if references:
            raise click.UsageError("--references needs --explain: it adds pictures to that page")
        return
    if page.suffix.lower() not in {".html", ".htm"}:  # `--explain a.jpg b.jpg` must not overwrite a.jpg
        raise click.UsageError(f"--explain writes a page: name it something.html, not {page}")
    if not page.parent.is_dir():
        raise click.UsageError(f"--explain {page}: there is no folder {page.parent}")
    if files != 1:
        raise click.UsageError(f"--explain is for one picture, got {files} files")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a scan needs."""

    settings: "Settings"
    encoders: "Encoders"
    store: "Store"
    judge: "Judge"


@contextmanager
def judging(settings: "Settings") -> "Iterator[Parts]":
    """Yield the parts of a scan, with a judge that may read any file: whoever runs a scan chooses the files."""
    from vigilens import wiring

    images = settings.images.model_copy(update={"roots": (Path("/"),)})
    settings = settings.model_copy(update={"images": images})
    encoders = wiring.encoders(settings)
    with wiring.store(settings) as store:
        in_force = wiring.sets_in_force(settings, store, encoders)
        in_force.read()  # sets that cannot be matched are reported before the files are read
        with closing(wiring.judge(settings, encoders, store, in_force)) as judge:
            yield Parts(settings, encoders, store, judge)


def explained(parts: Parts, image: "Image", verdict: "Verdict", references: Path | None) -> str:
    """Return the page that explains the verdict on one picture.

    Args:
        parts: what judged the picture.
        image: the picture. Its file is read again.
        verdict: the verdict on it.
        references: folder with the pictures of the references.
    """
    from embedding.image import File
    from matcher.explain import explain
    from vigilens import wiring
    from vigilens.pages.explained import files_of, page

    with wiring.decoders(parts.settings) as decoders:
        pixels = pixels_of(parts.settings, decoders, image.source, shown_view(verdict))
        if pixels is None:
            return page(verdict, None, (), {})
        searcher = wiring.searcher(parts.settings, parts.store)
        sets = explain(pixels, verdict, encoders=parts.encoders, searcher=searcher, store=parts.store)
        near = [(one.result.set, one.near.id) for one in sets if one.near] if references else []
        digests = [parts.store.digests(name, [id_]) for name, id_ in near]
        files = files_of(references, dict(ChainMap(*digests))) if references else {}
        sources = {id_: File(str(file.absolute())) for id_, file in files.items()}
        shown = {id_: pixels_of(parts.settings, decoders, source) for id_, source in sources.items()}
    return page(verdict, pixels, sets, {id_: pixels for id_, pixels in shown.items() if pixels is not None})


def shown_view(verdict: "Verdict") -> "View | None":
    """Return the view to explain: that of the worst match, else the first one; None if nothing was compared."""
    number = verdict.matches[0].view if verdict.matches else 0
    return next((view for view in verdict.views if view.view == number), None)


def pixels_of(
    settings: "Settings", decoders: "Decoders", source: "Source | None", view: "View | None" = None
) -> "Pixels | None":
    """Return the pixels of a picture's view, or None if it cannot be read; `view` None: the first one."""
    from embedding.image import Unreadable
    from embedding.picture import Looked, Needs, Wanted
    from embedding.second_looks import reread
    from vigilens import wiring

    if source is None:
        return None
    data = wiring.fetcher(settings).fetch(source)
    images = settings.images
    needs = Needs(pixels=True, keypoints=view is not None)  # second looks are made for keypoints
    wanted = Wanted(needs, images.max_pixels, images.max_views if view else 1, reduce=False)
    found = data if isinstance(data, Unreadable) else decoders.look_into(data, wanted)
    if not isinstance(found, Looked):
        return None
    place = (view.frame, view.box, view.reading) if view else None
    shown = [seen for seen in found.views if place in {None, (seen.frame, seen.box, seen.reading)}]
    whole = found.views[0].own.pixels
    if view and shown and shown[0].own.pixels is None and whole is not None:
        return reread(whole, view.reading)  # of which only keypoints are made
    return shown[0].own.pixels if shown else None


def find(paths: Iterable[Path]) -> "list[Image]":
    """Return the files as images to judge, each once: in the order given, and by name within a folder.

    A folder that cannot be listed becomes an image that cannot be read. An image's id is its path, in which bytes that
    are not UTF-8 are escaped.
    """
    from embedding.image import File, Image, Reason, Unreadable

    found: dict[str, Image] = {}

    def add(path: str, problem: Unreadable | None = None) -> None:
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        found.setdefault(name, Image(name, name, File(str(Path(path).absolute())), problem))

    def add_unlisted(error: OSError) -> None:
        add(error.filename, Unreadable(Reason.FETCH_FAILED, f"the folder cannot be listed: {error.strerror}"))

    for path in paths:
        if not path.is_dir():
            add(str(path))
            continue
        for folder, folders, files in os.walk(path, onerror=add_unlisted):
            folders.sort()
            for file in sorted(files):
                add(str(Path(folder, file)))
    return list(found.values())


def judge_all(judge: "Judge", images: "Sequence[Image]", batch: int) -> "Iterator[Verdict]":
    """Yield the verdicts in the order of the images.

    Args:
        judge: judges a batch.
        images: what to judge.
        batch: number of images per batch.
    """
    pool = ThreadPoolExecutor(CONCURRENT_BATCHES)
    try:
        batches = (images[start : start + batch] for start in range(0, len(images), batch))
        for judged in pool.map(judge.judge, batches):
            yield from judged.verdicts
    finally:
        pool.shutdown(cancel_futures=True)
