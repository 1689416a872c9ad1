"""The HTTP port for Prometheus and for probes: /metrics, /live and /ready."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import choose_encoder

from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics
from consumer.progress import Progress

_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"
MAX_CONNECTIONS = 16  # each has a thread; Prometheus and a few probes need one or two
REQUEST_S = 10.0  # for a whole request and its answer, which take milliseconds


class _Server(ThreadingHTTPServer):
    """Serves each connection on a thread, with a limit on their number and on the time of each.

    A new connection takes the place of the oldest one: clients that send a byte now and then cannot keep probes out.
    """

    daemon_threads = True
    request_queue_size = 128  # with 5, a crowd makes the system drop connections, which are tried again after seconds
    request_s = REQUEST_S

    def __init__(self, address: tuple[str, int], page: type[BaseHTTPRequestHandler]) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}  # connection → when it was accepted, oldest first
        super().__init__(address, page)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to serve a connection."""
        with self._lock:
            while len(self._open) >= MAX_CONNECTIONS:
                self._cut(next(iter(self._open)))
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End the connections whose time is up; `serve_forever` calls this twice a second."""
        with self._lock:
            for connection, since in list(self._open.items()):
                if time.monotonic() - since > self.request_s:
                    self._cut(connection)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that was served or has failed."""
        with self._lock:  # no longer cut by us: its number may be another connection's soon
            self._open.pop(request, None)
        super().shutdown_request(request)

    def _cut(self, connection: socket.socket) -> None:
        """Wake up the thread that reads from the connection or writes to it; the thread closes it."""
        del self._open[connection]
        with contextlib.suppress(OSError):  # the other side was faster
            connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """Report nothing: a client went away, or was cut."""


@contextmanager
def serve(metrics: Metrics, progress: Progress, host: str, port: int) -> Iterator[str]:
    """Serve `metrics` on http://host:port until the body ends; yields the address. Port 0: any free one.

    /live depends on `progress`.

    Raises:
        CannotStart: the port is taken, or the host is not an address of this machine.
    """

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(self._head())

        def do_HEAD(self) -> None:
            self._head()

        def _head(self) -> bytes:
            """Send status and headers; return the body."""
            status, kind, body = _answer(metrics, progress, self.path.partition("?")[0], self.headers.get("Accept", ""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return body

        def log_message(self, *_: Any) -> None:
            """Log nothing: probes come every few seconds."""

    try:
        server = _Server((host, port), Page)
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {host}:{port} ({error.strerror}); does another service use it? "
            "Set http.host and http.port (0: any free port, which the log names)"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _answer(metrics: Metrics, progress: Progress, path: str, accept: str) -> tuple[int, str, bytes]:
    """Status, content type and body for a path; `accept`: the request's header, which may ask for OpenMetrics."""
    if path == "/metrics":
        encode, kind = choose_encoder(accept)
        return 200, kind, encode(metrics.registry)
    if path == "/live":
        stuck = progress.stuck()
        return (503, _PLAIN, f"{stuck}\n".encode()) if stuck else (200, _PLAIN, b"live\n")
    if path == "/ready":
        ready = not metrics.waiting
        return 200 if ready else 503, _JSON, json.dumps(_readiness(metrics), indent=1).encode() + b"\n"
    return 404, _PLAIN, b"try /metrics, /live or /ready\n"


def _readiness(metrics: Metrics) -> dict[str, object]:
    """What the service waits for, each since when."""
    dependencies = dict(metrics.dependencies)
    waited_for = [each for each in dependencies.values() if each.why]
    since = min((each.since for each in waited_for), default=max(each.since for each in dependencies.values()))
    return {
        "ready": not waited_for,
        "since": since.isoformat(timespec="milliseconds"),
        "dependencies": {
            name: {"ok": not each.why, "since": each.since.isoformat(timespec="milliseconds"), "waiting": each.why}
            for name, each in dependencies.items()
        },
        "skipped": dict(metrics.skipped),
    }
