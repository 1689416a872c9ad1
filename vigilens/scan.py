"""`vigilens scan`: judges local files with the service's own judge, and without Kafka."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from config.settings import Settings
    from matcher.compose import Image
    from matcher.judge import Judge
    from matcher.verdict import Verdict

# ruff: noqa: PLC0415 (the parts of matching take a second to import, and --help needs none of them)

FOUND = 3  # exit code of --fail-on; 1 and 2 are taken by errors and wrong usage
FAILS = {"review": {"review", "block"}, "block": {"block"}, "unscannable": {"unscannable"}}


@click.command(short_help="Judge local files, without Kafka.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "form", flag_value="json", help="One verdict per line, as in the topic of verdicts.")
@click.option("--csv", "form", flag_value="csv", help="One line per file, with a heading.")
@click.option("--all", "everything", is_flag=True, help="The table lists allowed files even if there are many.")
@click.option(
    "--fail-on",
    type=click.Choice(list(FAILS)),
    multiple=True,
    help=f"Exit with {FOUND} if a file is judged so. `review` includes block. Can be repeated.",
)
@click.pass_obj
def command(
    settings: "Callable[[], Settings]",
    *,
    paths: Sequence[Path],
    form: str | None,
    everything: bool,
    fail_on: Sequence[str],
) -> None:
    """Judge files, and all files in folders and their subfolders, by the sets in Milvus.

    Prints a table on a terminal and tab-separated lines elsewhere; --json and --csv are for programs. Every file has a
    verdict, hidden files too; what is no image is unscannable. Links to files are followed, links to folders are not.

    \b
    Exit codes: 0 all files have a verdict, 1 could not judge, 2 wrong usage,
    3 a file was judged as --fail-on says.

    \b
    Example:
      vigilens scan upload.jpg
      vigilens scan --csv ~/pictures > verdicts.csv
      vigilens scan --fail-on review --fail-on unscannable incoming/ || echo stop
    """
    from vigilens import scan_shown

    counts: Counter[str] = Counter()
    started = time.monotonic()
    with judging(settings()) as judge:
        images = find(paths)
        verdicts = scan_shown.progress(judge_all(judge, images, settings().batch.images), len(images))
        show = scan_shown.choose(form, everything=everything, files=len(images))
        for verdict in show(verdicts):
            counts[verdict.decision] += 1
    click.echo(scan_shown.summary(counts, time.monotonic() - started), err=True)
    if any(counts[decision] for name in fail_on for decision in FAILS[name]):
        raise click.exceptions.Exit(FOUND)


@contextmanager
def judging(settings: "Settings") -> "Iterator[Judge]":
    """The service's judge, but any file of this machine may be named: whoever runs a scan names the files."""
    from vigilens import wiring

    images = settings.images.model_copy(update={"roots": (Path("/"),)})
    settings = settings.model_copy(update={"images": images})
    encoder = wiring.encoder(settings)
    with wiring.store(settings) as store:
        watch = wiring.watch(settings, store, encoder)
        wiring.prove(encoder, watch.look().sets)
        yield wiring.judge(settings, encoder, store, watch)


def find(paths: Iterable[Path]) -> "list[Image]":
    """The files as images to judge, each once: as named, and in folders by name. A closed folder is an image as well.

    An image's id is its path; characters that are no UTF-8 are written as escapes.
    """
    from embedding.source import File, Reason, Unreadable
    from matcher.compose import Image

    found: dict[str, Image] = {}

    def add(path: str, problem: Unreadable | None = None) -> None:
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        found.setdefault(name, Image(name, name, problem or File(str(Path(path).absolute()))))

    def closed(error: OSError) -> None:
        add(error.filename, Unreadable(Reason.FETCH_FAILED, f"the folder cannot be listed: {error.strerror}"))

    for path in paths:
        if not path.is_dir():
            add(str(path))
            continue
        for folder, folders, files in os.walk(path, onerror=closed):
            folders.sort()
            for file in sorted(files):
                add(str(Path(folder, file)))
    return list(found.values())


def judge_all(judge: "Judge", images: "Sequence[Image]", batch: int) -> "Iterator[Verdict]":
    """Verdicts in the images' order; as many batches at a time as there are cores.

    Args:
        judge: the straight line.
        images: what to judge.
        batch: images of one batch at most.
    """
    workers = os.cpu_count() or 1
    size = max(1, min(batch, -(-len(images) // workers)))
    pool = ThreadPoolExecutor(workers)
    try:
        batches = (images[start : start + size] for start in range(0, len(images), size))
        for judged in pool.map(judge.judge, batches):
            yield from judged.verdicts
    finally:
        pool.shutdown(cancel_futures=True)
