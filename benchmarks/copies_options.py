"""What `copies` and `copies_thresholds` are asked for in the same words: folder, encoders, seed, plot."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from benchmarks.copies_finder import Way, way
from benchmarks.copies_pictures import FEWEST, usable
from embedding.encoder import EncoderError

USUAL = ("words", "pdq")
_FORMATS = (".svg", ".png", ".pdf")


def parser(description: str | None) -> argparse.ArgumentParser:
    """With the options that both have; see `parse`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder", metavar="DIR", type=Path, help=f"at least {FEWEST} pictures, in folders or not")
    ways = "pdq, words, openclip:MODEL:CHECKPOINT or timm:MODEL:CHECKPOINT, then +check or -no-check; repeatable"
    made.add_argument("--encoder", action="append", metavar="NAME", help=f"{ways} (default: {' and '.join(USUAL)})")
    made.add_argument("--limit", type=int, default=0, metavar="N", help="use N of the pictures")
    made.add_argument("--seed", type=int, default=0, help="of the choice of pictures (0)")
    made.add_argument("--plot", type=Path, metavar="FILE", help="write a plot: .svg, .png or .pdf")
    return made


def parse(made: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, after looking that pictures can be read and a plot written before anything is measured."""
    options = made.parse_args(arguments)
    if not options.folder.is_dir():
        made.error(f"{options.folder} is no folder: give one with pictures")
    if options.plot and options.plot.suffix not in _FORMATS:
        raise SystemExit(f"{options.plot} cannot hold a plot: give a name that ends in {', '.join(_FORMATS)}")
    if options.plot and not options.plot.parent.is_dir():
        raise SystemExit(f"{options.plot.parent} is no folder: make it first, or give another place for the plot")
    return options


def ways_of(options: argparse.Namespace) -> list[Way]:
    """The ways of finding copies that are asked for.

    Raises:
        SystemExit: one of them cannot be had; the message says why.
    """
    try:
        return [way(name) for name in options.encoder or USUAL]
    except EncoderError as error:
        raise SystemExit(str(error)) from error


def chosen(options: argparse.Namespace, bars: Progress) -> list[Path]:
    """The pictures, in the seed's order; those that cannot be used are named.

    Raises:
        SystemExit: there are too few.
    """
    reading = bars.add_task("reading", total=None)
    paths, skipped = usable(options.folder, options.seed, options.limit, lambda: bars.advance(reading))
    bars.update(reading, total=1, completed=1)
    for one in skipped:
        bars.console.print(f"skipped {one.path}: {one.why}", markup=False, highlight=False, soft_wrap=True)
    if len(paths) < FEWEST:
        raise SystemExit(
            f"{len(paths)} pictures of {options.folder} can be used, at least {FEWEST} are needed: add or allow more"
        )
    return paths
