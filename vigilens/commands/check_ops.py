"""`vigilens check`: whether somebody would hear of it if something were wrong. Only what can be known from here."""

# ruff: noqa: PLC0415 (as in check.py)

import ipaddress
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vigilens.commands.findings import Finding

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from config.settings import Settings

MOST_GROUPS = 500  # that are asked what they read
_IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"


def ops(settings: "Settings", client: "KafkaAdminClient") -> Iterator[Finding]:
    """What is missing of what watches a service; never "failed", because images are judged anyway.

    Args:
        settings: of the service.
        client: see `consumer.topics.admin`.
    """
    yield from _alerts(settings, client)
    yield from _breaker(settings)
    yield from _port(settings)


def _alerts(settings: "Settings", client: "KafkaAdminClient") -> Iterator[Finding]:
    from kafka.errors import KafkaError

    from consumer import topics

    topic = settings.kafka.alerts_topic
    if not topic:
        yield Finding("ops", "warning", "kafka.alerts_topic is empty: no alerts are written, only logs and metrics")
        return
    try:
        if topics.missing(client, [topic]):
            return  # reported with the other topics
        readers = _readers(client, topic)
    except (KafkaError, topics.NoAnswer) as error:
        yield Finding("ops", "warning", f"whether anybody reads {topic} is not known: {error!r}")
        return
    if readers:
        some = ", ".join(sorted(readers)[:3]) + (" …" if len(readers) > 3 else "")  # noqa: PLR2004 (names on a line)
        yield Finding("ops", "ok", f"alerts are read from {topic} by {some}")
    else:
        yield Finding(
            "ops",
            "warning",
            f"no group has read {topic} yet, so nobody may hear of alerts: `vigilens notify --to URL` sends them "
            "(docs/notify.md)",
        )


def _readers(client: "KafkaAdminClient", topic: str) -> set[str]:
    """The groups that have committed offsets of a topic."""
    groups = [str(each["group_id"]) for each in client.list_groups()][:MOST_GROUPS]
    offsets = client.list_group_offsets(groups) if groups else {}
    return {group for group, places in offsets.items() if any(at.topic == topic for at in places)}


def _breaker(settings: "Settings") -> Iterator[Finding]:
    breaker = settings.breaker
    if not breaker.attribute:
        yield Finding(
            "ops",
            "warning",
            "the breaker is off, so one bad reference can flood the queues: set breaker.attribute to the attribute of "
            "events that tells people apart (docs/breaker.md)",
        )
        return
    yield Finding(
        "ops",
        "ok",
        f"the breaker limits references to review: more than {breaker.least} matches an hour, {breaker.factor:g} times "
        f"the mean, from {breaker.people} values of {breaker.attribute}; sets of severity {breaker.below_severity} and "
        "more are exempt",
    )


def _port(settings: "Settings") -> Iterator[Finding]:
    host, port = settings.http.host, settings.http.port
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not _is_loopback(host):
        yield Finding("ops", "ok", f"metrics and probes on {place}, for whoever reaches this machine")
    elif os.environ.get(_IN_KUBERNETES):
        yield Finding("ops", "warning", f"http.host is {host}: Kubernetes and Prometheus cannot reach it; use 0.0.0.0")
    else:
        yield Finding("ops", "ok", f"metrics and probes on {place}, for programs on this machine only (http.host)")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
