"""Requests to the metrics port over a plain socket: a client library would hide a body in the response to HEAD."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from consumer import http_server
from consumer.http_server import MAX_CONNECTIONS, serve
from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def ask(metrics):
    """Requests a page; returns status, headers and body. Its `connect` opens a connection."""
    with serve(metrics, "127.0.0.1", 0) as address:
        host, port = address.removeprefix("http://").split(":")

        def connect():
            return socket.create_connection((host, int(port)), timeout=10)

        def page(method, path):
            with connect() as connection:
                connection.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
                head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
            first, *lines = head.decode().splitlines()
            return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body

        page.connect = connect
        yield page


@pytest.mark.parametrize("path", ["/metrics?x=1", "/metrics?", "/metrics?name[]=vigilens_ready&debug", "/metrics"])
def test_a_query_does_not_hide_the_metrics(ask, path):
    status, headers, body = ask("GET", path)
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert b"vigilens_ready 0.0" in body


def test_the_probes_say_what_the_service_waits_for(ask, metrics):
    assert ask("GET", "/live?from=kubelet")[0::2] == (200, b"live\n")
    assert ask("GET", "/ready?verbose")[0::2] == (503, b"waiting: the service is starting\n")
    metrics.set_waiting("start", None)
    assert ask("GET", "/ready?verbose")[0::2] == (200, b"ready\n")


def test_an_unknown_page_names_the_existing_ones(ask):
    status, _, body = ask("GET", "/?page=/metrics")
    assert status == 404
    assert b"/metrics, /live" in body


@pytest.mark.parametrize("path", ["/metrics", "/live", "/ready", "/nothing"])
def test_head_answers_like_get_without_the_body(ask, path):
    status, headers, body = ask("GET", path)
    again, same, nothing = ask("HEAD", path)
    assert (again, nothing) == (status, b"")
    assert same["Content-Type"] == headers["Content-Type"]
    assert int(same["Content-Length"]) == len(body)


def test_a_port_that_is_taken_is_one_sentence_that_names_the_fix():
    with serve(Metrics(), "127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(CannotStart, match=r"http\.port"), serve(Metrics(), "127.0.0.1", port):
            pass


def serving_threads():
    return [each for each in threading.enumerate() if "process_request_thread" in each.name]


def test_many_clients_that_never_finish_their_requests_keep_no_probe_out_and_take_few_threads(ask):
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(ask.connect()).sendall(b"GET /met")
            assert len(serving_threads()) < MAX_CONNECTIONS + 20  # those that are cut end a moment later
        assert ask("GET", "/live")[0::2] == (200, b"live\n")
        assert ask("GET", "/metrics")[0] == 200


def test_a_client_that_sends_a_byte_now_and_then_is_cut(ask, monkeypatch):
    monkeypatch.setattr(http_server._Server, "request_s", 0.5)
    started, done = time.monotonic(), threading.Event()
    with ask.connect() as connection:
        connection.settimeout(0.05)
        connection.sendall(b"GET / HTTP/1.0\r\n")
        while not done.is_set():
            try:
                connection.sendall(b"a")
                if not connection.recv(1):
                    done.set()
            except TimeoutError:
                assert time.monotonic() - started < 10
            except OSError:
                done.set()
    assert time.monotonic() - started >= 0.5
