"""An OpenTelemetry collector in the test's process: takes metrics and traces by HTTP, and keeps them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}


class Collector:
    """What came.

    Attributes:
        status: of its answers.
        open: it answers only while this is set.
        asked: set once a request has come.
        came: path → its requests.
    """

    def __init__(self, status=200):
        self.status, self.came, self.open = status, {path: [] for path in KINDS}, threading.Event()
        self.open.set()
        self.asked = threading.Event()

    @property
    def spans(self):
        """All spans: name → those of this name."""
        found = {}
        for request in self.came["/v1/traces"]:
            for of_resource in request.resource_spans:
                for scope in of_resource.scope_spans:
                    for span in scope.spans:
                        found.setdefault(span.name, []).append(span)
        return found

    @property
    def metrics(self):
        """The metrics of the newest request, by name."""
        (of_resource,) = self.came["/v1/metrics"][-1].resource_metrics
        return {metric.name: metric for scope in of_resource.scope_metrics for metric in scope.metrics}

    def resource(self, path):
        """The attributes of the process that sent the newest request."""
        newest = self.came[path][-1]
        (of_resource,) = newest.resource_metrics if path == "/v1/metrics" else newest.resource_spans
        return {each.key: each.value.string_value for each in of_resource.resource.attributes}


@contextmanager
def collecting(status=200) -> Iterator[tuple[Collector, str]]:
    """A collector and its address."""
    collector = Collector(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.asked.set()
            collector.open.wait()
            if collector.status == 200:
                collector.came[self.path].append(KINDS[self.path].FromString(body))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        collector.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
