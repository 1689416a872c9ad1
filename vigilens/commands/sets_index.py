"""`vigilens sets index`: how a set is searched."""

# ruff: noqa: PLC0415 (pymilvus is imported by the commands that need it, not for --help)

from typing import TYPE_CHECKING

import click

from vectors.index import APPROXIMATE, EXACT

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

    Load = Callable[[], Settings]


@click.command(short_help="Search a set exactly, or by an approximate index.")
@click.argument("name")
@click.argument("kind", type=click.Choice([EXACT, *APPROXIMATE]))
@click.option("--even-if-slower", "slower", is_flag=True, help="Keep an index that takes as long as the exact search.")
@click.pass_obj
def index(load: "Load", *, name: str, kind: str, slower: bool) -> None:
    """Search a set exactly, or by an approximate index of Milvus.

    \b
    exact     all references are compared; nothing is missed. The default.
    ivf_flat  references are sorted into cells, and the nearest cells are searched.
    ivf_sq8   the same with a byte for each value: a quarter of the memory on a server.
    hnsw      a graph of neighbours: fast, and slow to build.

    On a Milvus server an approximate index pays from about 20,000 references on. In Milvus Lite, which compares whole
    batches of pictures at once, an exact search is usually faster.

    An approximate index misses some copies. How many is measured before it is used: vectors as edited copies of the
    set's references have are searched exactly and by the index, which must find 99.5 % of them. If it cannot, or takes
    as long as the exact search, the set stays exact, and the exit code is 1. Scores are exact in any case. A running
    service measures the same every minute, see vigilens_index_recall.

    Searches wait while the index is built: seconds for 100,000 references.

    \b
    Example:
      vigilens sets index spam ivf_flat
      vigilens sets index spam exact
    """
    from reference_sets.choose_index import choose
    from reference_sets.model import Verify
    from vigilens import wiring

    settings = load()
    with wiring.store(settings) as store:
        if kind == EXACT:
            store.set_index(name, EXACT, {})
            click.echo(f"{name}: exact")
            return
        checks = store.describe(name).verify is not Verify.OFF
        top_k = settings.sets.shortlist if checks else settings.sets.top_k
        found = choose(store, name, kind, top_k, slower=slower, progress=lambda line: click.echo(line, err=True))
    shown = ", ".join(f"{key} {value}" for key, value in {**found.index.build, **found.index.search}.items())
    click.echo(
        f"{name}: {kind} ({shown}) finds {found.recall:.4f} of {found.copies} planted copies (at least "
        f"{found.lower:.4f} with 95 % confidence) in {found.ms:.2f} ms each; exact {found.exact_ms:.2f} ms"
    )
