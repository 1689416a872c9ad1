"""Sends metrics and finished spans to a collector, in a thread of its own that nothing waits for.

A collector that is slow or away costs the service nothing: spans wait in a queue with a limit, and what does not fit or
cannot be sent is counted (`vigilens_otlp_lost_total`). The log says once that it fails, and once that it works again.
"""

import logging
import threading
import time
from collections import deque
from importlib.metadata import version
from typing import Self

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from consumer.metrics import Metrics
from consumer.otlp import batch_trace
from consumer.otlp.committed import Committed
from consumer.otlp.metric_data import metric_data

log = logging.getLogger("vigilens.otlp")

MOST_SPANS = 4_096  # that wait; a batch has about seven
AT_ONCE = 512  # spans of one request
REQUEST_S = 5.0  # limit for one request with its repetitions
END_S = 2.0  # limit for the last requests, when the service stops


class _Queue(SpanProcessor):
    """Finished spans; the oldest are dropped when there are too many."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._spans: deque[ReadableSpan] = deque(maxlen=MOST_SPANS)

    def on_end(self, span: ReadableSpan) -> None:
        if len(self._spans) == MOST_SPANS:
            self._metrics.otlp_lost("traces", 1)
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """The oldest spans, as many as fit into a request; they are no longer in the queue."""
        return [self._spans.popleft() for _ in range(min(AT_ONCE, len(self._spans)))]


class Sender:
    """The connection to a collector; a context manager. See `switch.sending` for its arguments."""

    def __init__(self, endpoint: str, metrics: Metrics, group: str, instance: str, every_s: float) -> None:
        # Its errors are ours to report: its own lines would come with each request.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        installed = version("vigilens")
        self._resource = Resource.create(
            {
                "service.name": "vigilens",
                "service.namespace": group,
                "service.instance.id": instance,
                "service.version": installed,
            }
        )
        self._scope = InstrumentationScope("vigilens", installed)
        self._began_ns = time.time_ns()
        self._endpoint = endpoint.rstrip("/")
        self._metrics, self._group, self._every_s = metrics, group, every_s
        self._spans = OTLPSpanExporter(f"{self._endpoint}/v1/traces", timeout=REQUEST_S)
        self._numbers = OTLPMetricExporter(f"{self._endpoint}/v1/metrics", timeout=REQUEST_S)
        self._queue = _Queue(metrics)
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("vigilens", installed)
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(END_S)
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # ends a repetition that is under way
        self._numbers.shutdown()

    def trace(self, done: Committed) -> None:
        """Record a batch. Takes well under a millisecond, and never fails."""
        try:
            batch_trace.trace(self._tracer, self._group, done)
        except Exception:
            log.exception("a batch could not be traced")

    def _run(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(self._every_s)
            try:
                self._send()
            except Exception as error:  # noqa: BLE001 (whatever it is, the service must not notice)
                self._says(repr(error))

    def _send(self) -> None:
        while spans := self._queue.take():
            if self._spans.export(spans) is not SpanExportResult.SUCCESS:
                self._metrics.otlp_lost("traces", len(spans))
                self._says("it does not take traces")
                break
        data = metric_data(self._metrics.registry, self._resource, self._scope, self._began_ns, time.time_ns())
        if self._numbers.export(data) is not MetricExportResult.SUCCESS:
            self._metrics.otlp_lost("metrics", 1)
            self._says("it does not take metrics")
        elif not spans:
            self._says(None)

    def _says(self, why: str | None) -> None:
        """Log a change: `why` it fails, or None if it works."""
        if (why is not None) == self._failing:
            return
        self._failing = why is not None
        fields = {"endpoint": self._endpoint, **({"why": why} if why else {})}
        if why:
            log.warning("OpenTelemetry is not sent; the service goes on", extra={"fields": fields})
        else:
            log.info("OpenTelemetry is sent again", extra={"fields": fields})
