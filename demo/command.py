"""`vigilens demo`: runs the whole system on this machine, for about a minute."""

from pathlib import Path

import click


@click.command(short_help="Try it out: a real broker, sample pictures, a report.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Everything is written below this folder.",
)
@click.option("--pictures", type=click.IntRange(min=50), default=160, show_default=True, help="Events to send.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of all random choices.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 1000), default=15.0, show_default=True, help="Events to send per second."
)
def command(folder: Path, pictures: int, seed: int, rate: float) -> None:
    """Try it out: a real broker, sample pictures, a report.

    Starts a Kafka broker and Milvus Lite, makes three sets of sample pictures, runs the service, sends it edited,
    unrelated and broken pictures, shows the verdicts as they arrive, and writes a report. Only the folder is left
    behind.

    The first run downloads Kafka (45 MB). If KAFKA_BOOTSTRAP_SERVERS is set, those brokers are used instead, with
    topics that are removed at the end.

    \b
    Example:
      vigilens demo --pictures 400 --seed 7
    """
    from rich.console import Console  # noqa: PLC0415 (`vigilens demo --help` should not wait for all of these)

    from demo.tour import Options, tour  # noqa: PLC0415

    try:
        tour(Options(folder, pictures, seed, rate), Console())
    except KeyboardInterrupt:
        click.echo("\ninterrupted; everything that was started is stopped", err=True)
        raise
