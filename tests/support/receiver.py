"""A receiver of webhooks on this machine, which answers as it is told."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from running_service import PATIENCE_S


class Receiver:
    """What came, in its order.

    Args:
        answers: status, or status and headers, of the first requests; later ones are answered 204.
    """

    def __init__(self, *answers):
        self.requests = []  # path, headers, body
        self.answers = list(answers)
        self.url = ""
        self._changed = threading.Condition()

    def take(self, path, headers, body):
        """Note a request; the status and headers of its answer."""
        with self._changed:
            self.requests.append((path, headers, body))
            answer = self.answers.pop(0) if self.answers else 204
            self._changed.notify_all()
        return answer if isinstance(answer, tuple) else (answer, {})

    def wait_for(self, number):
        """Wait until so many requests came."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= number, PATIENCE_S), self.requests


@contextmanager
def receiving(*answers):
    """A receiver that answers."""
    receiver = Receiver(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.take(self.path, dict(self.headers), body)
            if status == 0:
                return  # no answer: the connection is closed
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
