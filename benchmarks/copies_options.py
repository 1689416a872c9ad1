"""The options that `copies` and `copies_thresholds` share: folder, encoders, seed, plot."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from benchmarks.copies_finder import Way, way
from benchmarks.copies_pictures import MIN_PICTURES, usable
from embedding.encoder import EncoderError

DEFAULT_ENCODERS = ("words", "pdq")
_FORMATS = (".svg", ".png", ".pdf")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the shared options; see `parse`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder", metavar="DIR", type=Path, help=f"folder with at least {MIN_PICTURES} pictures")
    ways = (
        "pdq, words, relatives, openclip:MODEL:CHECKPOINT, timm:MODEL:CHECKPOINT or onnx:FILE, then +check or "
        "-no-check; repeatable"
    )
    made.add_argument(
        "--encoder", action="append", metavar="NAME", help=f"{ways} (default: {' and '.join(DEFAULT_ENCODERS)})"
    )
    made.add_argument("--limit", type=int, default=0, metavar="N", help="use N of the pictures")
    made.add_argument("--seed", type=int, default=0, help="seed of the choice of pictures (0)")
    made.add_argument("--plot", type=Path, metavar="FILE", help="write a plot: .svg, .png or .pdf")
    return made


def parse(made: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options. Checks that the folder exists and a plot can be written before anything is measured."""
    options = made.parse_args(arguments)
    if not options.folder.is_dir():
        made.error(f"{options.folder} is not a folder: give one with pictures")
    if options.plot and options.plot.suffix not in _FORMATS:
        raise SystemExit(f"{options.plot} is not a format for plots: give a name that ends in {', '.join(_FORMATS)}")
    if options.plot and not options.plot.parent.is_dir():
        raise SystemExit(f"there is no folder {options.plot.parent}: create it, or choose another folder for the plot")
    return options


def ways_of(options: argparse.Namespace) -> list[Way]:
    """The chosen ways to find copies.

    Raises:
        SystemExit: one of them is not available; the message says why.
    """
    try:
        return [way(name) for name in options.encoder or DEFAULT_ENCODERS]
    except EncoderError as error:
        raise SystemExit(str(error)) from error


def chosen(options: argparse.Namespace, bars: Progress) -> list[Path]:
    """The pictures, in the seed's order; prints those that cannot be used.

    Raises:
        SystemExit: there are too few.
    """
    reading = bars.add_task("reading", total=None)
    paths, skipped = usable(options.folder, options.seed, options.limit, lambda: bars.advance(reading))
    bars.update(reading, total=1, completed=1)
    for one in skipped:
        bars.console.print(f"skipped {one.path}: {one.why}", markup=False, highlight=False, soft_wrap=True)
    if len(paths) < MIN_PICTURES:
        raise SystemExit(
            f"{options.folder} has {len(paths)} usable pictures, but at least {MIN_PICTURES} are needed: add some, or "
            "raise --limit"
        )
    return paths
