"""A fetcher with small limits, and servers on real sockets that send exactly what a test needs."""

import socket
import threading
from contextlib import contextmanager
from pathlib import Path

from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.image import Unreadable, Url

CAP = 1_000
TIMEOUT_S = 0.5
PATIENCE_S = 5.0  # a fetch that takes this long has ignored its deadline; generous, because machines are busy


def fetcher(roots=(), hosts=(), *, http=True, timeout_s=PATIENCE_S):
    return Fetcher(FetchRules(CAP, tuple(map(Path, roots)), tuple(hosts), allow_http=http, timeout_s=timeout_s))


def reason(result):
    assert isinstance(result, Unreadable), result
    assert result.detail
    return result.reason


def answer(status="200 OK", body=b"", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def whole(body, **headers):
    return answer(body=body, Content_Length=len(body), **headers)


def redirect(place, status="302 Found"):
    return answer(status, Location=place, Content_Length=0)


class Server:
    """Answers each path with its bytes, or lets a function use the socket. Keeps the requests."""

    def __init__(self, answers, tls=None):
        self._answers, self._tls = answers, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"localhost:{self._listening.getsockname()[1]}"
        self.requests = []
        self.done = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while not self.done.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._talk, args=(connection,)))
            self._threads[-1].start()

    def _talk(self, connection):
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4_096) or b"\r\n\r\n"
            self.requests.append(request)
            path = request.split()[1].decode() if request.split() else ""
            response = self._answers.get(path, answer("404 Not Found", Content_Length=0))
            if callable(response):
                response(connection)
            else:
                connection.sendall(response)
        except OSError:  # the client closed the connection, as some tests expect
            pass
        finally:
            connection.close()

    def drip(self, connection, data):
        """Send one byte at a time, until the client closes the connection."""
        for byte in data:
            connection.sendall(bytes([byte]))
            if self.done.wait(0.02):
                return


@contextmanager
def serving(answers, tls=None, **options):
    with Server(answers, tls) as server:
        yield server, fetcher(hosts=[server.host], **options)


def get(answers, path="/a", **options):
    with serving({"/a": answers} if not isinstance(answers, dict) else answers, **options) as (server, fetching):
        return fetching.fetch(Url(f"http://{server.host}{path}"))
