"""Sends metrics and traces if an endpoint is set, else does nothing."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics
from consumer.otlp.committed import Trace, no_trace

EVERY_S = 10.0
MISSING = "otlp.endpoint is set, which needs an extra: pip install 'vigilens[otlp]'"
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


@contextmanager
def sending(endpoint: str, metrics: Metrics, group: str, instance: str, every_s: float = EVERY_S) -> Iterator[Trace]:
    """Send the metrics of this process until the end of the block, and what the function that it yields is called with.

    Args:
        endpoint: base address of the collector, e.g. http://localhost:4318; empty: nothing is sent.
        metrics: of this process.
        group: of the service.
        instance: of this process.
        every_s: seconds between two requests of each kind.

    Raises:
        CannotStart: the extra is not installed.
    """
    if not endpoint:
        yield no_trace
        return
    if not installed():
        raise CannotStart(MISSING)
    from consumer.otlp.sender import Sender  # noqa: PLC0415 (the extra may be missing)

    with Sender(endpoint, metrics, group, instance, every_s) as sender:
        yield sender.trace


def installed() -> bool:
    """Whether the libraries of the extra are there."""
    try:
        return all(importlib.util.find_spec(each) for each in NEEDED)
    except ModuleNotFoundError:  # of a package above it
        return False
