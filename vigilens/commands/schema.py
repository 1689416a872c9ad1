"""`vigilens schema`: prints the JSON Schemas of events, verdicts, metrics and alerts."""

import json
from collections.abc import Callable
from typing import Any

import click


def _event() -> dict[str, Any]:
    from consumer.event_body import json_schema  # noqa: PLC0415 (Kafka's client is not needed for --help)

    return json_schema()


def _verdict() -> dict[str, Any]:
    from matcher.verdict import json_schema  # noqa: PLC0415 (pydantic is not needed for --help)

    return json_schema()


def _metrics() -> dict[str, Any]:
    from consumer.records import json_schema  # noqa: PLC0415 (Kafka's client is not needed for --help)

    return json_schema()


def _alert() -> dict[str, Any]:
    from consumer.alerts import json_schema  # noqa: PLC0415 (Kafka's client is not needed for --help)

    return json_schema()


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "event": _event,
    "verdict": _verdict,
    "metrics": _metrics,
    "alert": _alert,
}


@click.command(short_help="Print the JSON Schema of events, verdicts, metrics or alerts.")
@click.argument("name", type=click.Choice(list(SCHEMAS)))
def command(name: str) -> None:
    """Print a JSON Schema (draft 2020-12) with examples.

    \b
    event    the JSON object that a record of the images topic may hold
    verdict  the value of a record of the verdicts topic
    metrics  the value of a record of the metrics topic
    alert    the value of a record of the alerts topic

    \b
    Example:
      vigilens schema verdict > verdict.schema.json
    """
    click.echo(json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False))
