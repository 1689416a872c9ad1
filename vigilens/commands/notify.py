"""`vigilens notify`: sends the records of the alerts topic to a webhook."""

# ruff: noqa: PLC0415 (Kafka's client is not needed for --help)

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

TEMPLATES = ("plain", "slack", "osprey")  # a test compares them with alerting/notify/bodies.py
KINDS = ("reference_burst", "set_not_comparable", "recall_low", "poison_picture", "retention_overtook")
SEVERITIES = ("info", "warning", "critical")


@click.command(short_help="Send alerts to a webhook.")
@click.option("--to", "url", default="", metavar="URL", help="Where to. [default: notify.url]")
@click.option("--template", type=click.Choice(TEMPLATES), default="plain", show_default=True, help="Shape of the body.")
@click.option("--kinds", multiple=True, type=click.Choice(KINDS), help="Only these. Can be repeated. [default: all]")
@click.option("--min-severity", type=click.Choice(SEVERITIES), default="info", show_default=True)
@click.option("--name", default="", help="Tells senders with different receivers apart.")
@click.option("--once", is_flag=True, help="End when there are no more alerts.")
@click.option("--give-up-hours", type=click.FloatRange(min=0), default=24.0, show_default=True, metavar="HOURS")
@click.option("--allow-http", is_flag=True, help="Send unencrypted, to other machines too.")
@click.pass_obj
def command(  # noqa: PLR0913 (click's way)
    load: "Callable[[], Settings]",
    *,
    url: str,
    template: str,
    kinds: tuple[str, ...],
    min_severity: str,
    name: str,
    once: bool,
    give_up_hours: float,
    allow_http: bool,
) -> None:
    """Send each record of the alerts topic to a webhook, at least once, as a POST.

    \b
    plain    the alert's JSON, as a CloudEvent in HTTP's binary mode
    slack    a message for an incoming webhook of Slack
    osprey   an action for ROOST's rules engine

    Requests are signed as Standard Webhooks says, with notify.secret or the content of notify.secret_file: never on the
    command line, which others can read. An address that is a secret itself belongs into notify.url.

    A receiver that does not answer, or answers 408, 425, 429 or 5xx, is tried again, with growing pauses or as its
    Retry-After says; after --give-up-hours the alert is passed over. What it refuses with another code is passed over
    after three tries. Its log says so. Redirects are not followed.

    Run one for each receiver, with another --name: each reads all alerts. The exit code is 1 if --once passed one over.

    \b
    Example:
      VIGILENS_NOTIFY__SECRET=… vigilens notify --to https://pager.example/hook --min-severity warning
      VIGILENS_NOTIFY__URL=https://hooks.slack.com/… vigilens notify --template slack --name slack
    """
    from alerting.notify.sender import Plan, Sender
    from alerting.notify.webhook import Webhook
    from consumer import logs
    from consumer.lifecycle import stop_signals
    from vigilens import wiring

    settings = load()
    address = _ready(settings, url)
    logs.set_up(settings.log.format, settings.log.level)
    kafka, stopping = settings.kafka, threading.Event()
    plan = Plan(
        wiring.connection(settings),
        kafka.alerts_topic,
        "-".join(each for each in (kafka.group, "notify", name) if each),
        template,
        kinds,
        SEVERITIES.index(min_severity),
        give_up_hours * 3600,
        kafka.session_timeout_s,
    )
    with stop_signals(stopping):
        webhook = Webhook(address, _secret(settings), allow_http=allow_http)
        sent = Sender(plan, webhook, stopping).run(once=once)
    click.echo(f"{sent.delivered} delivered, {sent.left_out} left out, {sent.passed_over} passed over")
    if once and sent.passed_over:
        raise click.exceptions.Exit(1)


def _ready(settings: "Settings", url: str) -> str:
    """The address; there must be one, and a topic to read."""
    from consumer import topics
    from vigilens import wiring

    address = url or settings.notify.url.get_secret_value()
    topic = settings.kafka.alerts_topic
    if not address:
        raise click.UsageError("say where to send alerts: --to URL, or notify.url")
    if not topic:
        raise click.UsageError("kafka.alerts_topic is empty, so there are no alerts")
    with topics.admin(wiring.connection(settings)) as client:
        if topics.missing(client, [topic]):
            raise topics.NoAnswer(f"there is no topic {topic}; `vigilens check --create-topics` makes it")
    return address


def _secret(settings: "Settings") -> str:
    """The secret; empty: requests are not signed."""
    file = settings.notify.secret_file
    if not file:
        return settings.notify.secret.get_secret_value()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"notify.secret_file cannot be read: {error}") from error
