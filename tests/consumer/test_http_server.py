"""Requests to the metrics port over a plain socket: a client library would hide a body in the response to HEAD."""

import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from consumer import http_server
from consumer.http_server import MAX_CONNECTIONS, serve
from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics
from consumer.progress import Progress


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def progress():
    return Progress(bound_s=60.0)


@pytest.fixture
def ask(metrics, progress):
    """Requests a page; returns status, headers and body. Its `connect` opens a connection."""
    with serve(metrics, progress, "127.0.0.1", 0) as address:
        host, port = address.removeprefix("http://").split(":")

        def connect():
            return socket.create_connection((host, int(port)), timeout=10)

        def page(method, path, more=""):
            with connect() as connection:
                connection.sendall(f"{method} {path} HTTP/1.0\r\n{more}\r\n".encode())
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


def test_the_ready_page_says_what_the_service_waits_for_and_since_when(ask, metrics):
    status, headers, body = ask("GET", "/ready?verbose")
    said = json.loads(body)
    assert (status, headers["Content-Type"], said["ready"]) == (503, "application/json", False)
    assert said["dependencies"]["start"]["waiting"] == "the service is starting"
    metrics.set_waiting("start", None)
    metrics.set_waiting("milvus", "milvus: refused")
    since = json.loads(ask("GET", "/ready")[2])["dependencies"]["milvus"]["since"]
    metrics.set_waiting("milvus", "milvus: still refused")
    said = json.loads(ask("GET", "/ready")[2])
    assert said["dependencies"]["milvus"] == {"ok": False, "since": since, "waiting": "milvus: still refused"}
    assert said["since"] == since
    metrics.set_waiting("milvus", None)
    metrics.skipped = {"foreign": "made by another encoder"}
    status, _, body = ask("GET", "/ready")
    said = json.loads(body)
    assert (status, said["ready"], said["skipped"]) == (200, True, metrics.skipped)
    assert said["dependencies"]["milvus"]["ok"]


def test_the_service_is_alive_until_its_loop_stands_still_for_longer_than_it_may(ask, progress):
    assert ask("GET", "/live?from=kubelet")[0::2] == (200, b"live\n")  # the loop has not begun
    progress.turn()
    assert ask("GET", "/live")[0] == 200
    progress._turned_at -= 61
    status, _, body = ask("GET", "/live")
    assert status == 503
    assert b"the loop has stood still for 61 s" in body


def test_the_metrics_are_openmetrics_if_that_is_asked_for(ask):
    assert ask("GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n")[2].endswith(b"# EOF\n")
    assert not ask("GET", "/metrics")[2].endswith(b"# EOF\n")


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
    assert int(same["Content-Length"]) == pytest.approx(len(body), abs=0 if path != "/metrics" else 100)  # time goes on


def test_a_port_that_is_taken_is_one_sentence_that_names_the_fix():
    with serve(Metrics(), Progress(), "127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(CannotStart, match=r"http\.port"), serve(Metrics(), Progress(), "127.0.0.1", port):
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
