"""The HTTP port for Prometheus and for probes: /metrics, /live and /ready."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics

_PLAIN = "text/plain; charset=utf-8"


@contextmanager
def serve(metrics: Metrics, host: str, port: int) -> Iterator[str]:
    """Serve `metrics` on http://host:port until the body ends; yields the address. Port 0: any free one.

    Raises:
        CannotStart: the port is taken, or the host is not an address of this machine.
    """

    class Page(BaseHTTPRequestHandler):
        timeout = 10  # seconds; frees the thread of a client that connects and sends nothing

        def do_GET(self) -> None:
            self.wfile.write(self._head())

        def do_HEAD(self) -> None:
            self._head()

        def _head(self) -> bytes:
            """Send status and headers; return the body."""
            status, kind, body = _answer(metrics, self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return body

        def log_message(self, *_: Any) -> None:
            """Log nothing: probes come every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Page)
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {host}:{port} ({error.strerror}); does another service use it? "
            "Set http.host and http.port (0: any free port, which the log names)"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _answer(metrics: Metrics, path: str) -> tuple[int, str, bytes]:
    """Status, content type and body for a path."""
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)
    if path == "/live":
        return 200, _PLAIN, b"live\n"
    if path == "/ready":
        waiting = metrics.waiting
        if waiting:
            return 503, _PLAIN, f"waiting: {waiting}\n".encode()
        skipped = "".join(f"skipped: {why}\n" for why in metrics.skipped.values())
        return 200, _PLAIN, f"ready\n{skipped}".encode()
    return 404, _PLAIN, b"try /metrics, /live or /ready\n"
