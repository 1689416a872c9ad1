"""The command line: `vigilens COMMAND`. A command's module is imported only when the command is used.

Exit codes: 0 done; 1 something is wrong, and one sentence on stderr says what it is and how to fix it; 2 wrong usage;
130 interrupted. A command documents any other codes.

A command gets the settings through `@click.pass_obj`: a function without arguments that reads them on its first call.
"""

import errno
import functools
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vigilens.errors import expected

if TYPE_CHECKING:
    from config.settings import Settings

# Each command's module and its line of help, so that `vigilens --help` imports no command. A test compares the line
# with the command's own.
COMMANDS = {
    "demo": ("demo.command", "Try it out: a real broker, sample pictures, a report."),
    "check": ("vigilens.commands.check", "Check settings, Kafka, topics, Milvus, encoder and sets."),
    "sets": ("vigilens.commands.sets", "Create, fill, show and change the sets of known pictures."),
    "encoders": ("vigilens.commands.encoders", "Show the encoders, and make shorter vectors."),
    "scan": ("vigilens.commands.scan", "Judge local files, without Kafka."),
    "run": ("vigilens.commands.run", "Run the service: judge images from Kafka until stopped."),
    "milvus": ("vigilens.commands.milvus", "Serve a Milvus Lite file to several processes on this machine."),
    "schema": ("vigilens.commands.schema", "Print the JSON Schema of events, verdicts or metrics."),
    "config": ("vigilens.commands.config", "Print the settings in use, and where each comes from."),
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, user's quota reached, file too large for the system
INTERRUPTED = 130  # 128 + SIGINT, as in shells


class Lazy(click.Group):
    """A group that imports a command when it is used, and prints expected errors and a full disk as one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Names of the commands, in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=list(COMMANDS), ctx=ctx)
        module, _ = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; expected errors and a full disk end with one sentence, an interruption with code 130."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # now, while a full disk can still be reported
        except expected() as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in FULL:
                raise
            _discard_output()
            what = error.filename or "the output"
            raise click.ClickException(
                f"{what} cannot be written ({error.strerror}): free some space, or write to another disk"
            ) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        return result


def _discard_output() -> None:
    """Discard what is left in stdout's buffer: Python would try to write it again when it exits, and fail."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Lazy, name="vigilens", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vigilens")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings file. Default: $VIGILENS_CONFIG, or ./vigilens.toml if it exists.",
)
@click.pass_context
def main(ctx: click.Context, file: Path | None) -> None:
    """Vigilens judges a stream of images and says which are copies of known ones.

    Events come from a Kafka topic; each gets exactly one verdict in another: block, review, allow, or unscannable.
    You make sets of known pictures. Milvus holds their vectors and local features, never the pictures.

    \b
    A first session:
      vigilens demo                                     try it out
      vigilens sets create spam --kind harmful          a set of your own
      vigilens sets add spam ~/pictures/spam
      vigilens scan ~/pictures/inbox                    judge files, no Kafka
      vigilens check --create-topics                    is everything ready?
      vigilens run                                      judge the stream

    Settings come from vigilens.toml and the environment; `vigilens config` prints them all.
    """
    for libraries in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read when torch, FAISS and numpy are loaded
        # Batches run in parallel, each on one thread. The libraries' own threads would compete for the same cores: a
        # search for 450 descriptors took 240 ms on two busy cores instead of 0.3.
        os.environ.setdefault(libraries, "1")
    ctx.obj = functools.cache(lambda: _load(file))


def _load(file: Path | None) -> "Settings":
    from config.load import load  # noqa: PLC0415 (only commands that need settings import pydantic)

    return load(file)


if __name__ == "__main__":
    main()
