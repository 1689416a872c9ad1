"""`vigilens milvus`: serves a Milvus Lite file to several processes on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

DEFAULT = Path("vigilens.db")


@click.command(short_help="Serve a Milvus Lite file to several processes on this machine.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The Milvus Lite file. [default: milvus.uri if that is a file, else vigilens.db]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=19530,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on. 0 takes any free one.",
)
@click.option(
    "--allow-remote", is_flag=True, help="Permit a --host that other machines can reach. There is no password."
)
@click.pass_obj
def command(settings: "Callable[[], Settings]", *, data: Path | None, host: str, port: int, allow_remote: bool) -> None:
    """Serve a Milvus Lite file to several processes on this machine.

    Only one process at a time can open the file. This command opens it and serves it on loopback, so that sets can be
    changed while the service runs. It ends on SIGTERM or Ctrl-C, with exit code 0.

    `vigilens sets` and `vigilens scan` of the same user need no other setting: where milvus.uri is this file, or the
    address, they run in a process that this command keeps ready for them (milvus.ready_s), and start in a blink.

    \b
    Example:
      vigilens milvus --data vigilens.db
      VIGILENS_MILVUS__URI=http://127.0.0.1:19530 vigilens sets list        in another terminal
    """
    from vectors.connection import file_of, is_file  # noqa: PLC0415 (pymilvus is not needed for --help)
    from vectors.lite_server import serving, stop_on_signal  # noqa: PLC0415
    from vigilens.answers.keep import answering  # noqa: PLC0415

    milvus = settings().milvus
    uri = milvus.uri
    path = data or (file_of(uri) if is_file(uri) else DEFAULT)
    with (
        stop_on_signal() as stopping,
        serving(path, port, host, remote=allow_remote) as address,
        answering([str(path), address], address, milvus.ready_s),
    ):
        click.echo(f"serving {path}; in other processes set milvus.uri, or VIGILENS_MILVUS__URI, to", err=True)
        click.echo(address)
        stopping.wait()
    click.echo("stopped", err=True)
