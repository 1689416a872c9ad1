"""The command line: `vigilens COMMAND`. A command's module is imported only when the command is used.

Exit codes: 0 done; 1 something is wrong, and one sentence on stderr says what it is and how to fix it; 2 wrong usage;
130 interrupted. A command documents any other codes.

A command gets the settings through `@click.pass_obj`: a function without arguments that reads them on its first call.
"""

import errno
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vigilens.errors import expected
from vigilens.lazy import LazyGroup

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
    "notify": ("vigilens.commands.notify", "Send alerts to a webhook."),
    "milvus": ("vigilens.commands.milvus", "Serve a Milvus Lite file to several processes on this machine."),
    "size": ("vigilens.commands.size", "Say what machines a number of images and references needs."),
    "schema": ("vigilens.commands.schema", "Print the JSON Schema of events, verdicts, metrics or alerts."),
    "config": ("vigilens.commands.config", "Print the settings in use, and where each comes from."),
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, user's quota reached, file too large for the system
INTERRUPTED = 130  # 128 + SIGINT, as in shells


class Commands(LazyGroup):
    """All commands. Expected errors and a full disk are printed as one sentence."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; a wrong name is answered with the names that there are."""
        if cmd_name not in self.later and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=list(self.later), ctx=ctx)
        return super().get_command(ctx, cmd_name) if cmd_name in self.later else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command to run. It is not even imported if a helper of `vigilens milvus` or `vigilens run` has run it."""
        from vigilens.answers.ask import WORDS, asked  # noqa: PLC0415 (other commands do not need it)

        if args[0] in WORDS and (code := asked(args, ctx.params["file"])) is not None:
            raise click.exceptions.Exit(code)
        return super().resolve_command(ctx, args)

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


@click.group(cls=Commands, later=COMMANDS, name="vigilens", context_settings={"help_option_names": ["-h", "--help"]})
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
    # Plugins of pydantic may change how values are checked, and looking for some takes 20 ms. Settings need none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    ctx.obj = functools.cache(lambda: _load(file))


def _load(file: Path | None) -> "Settings":
    from config.load import load  # noqa: PLC0415 (only commands that need settings import pydantic)

    return load(file)


if __name__ == "__main__":
    main()
