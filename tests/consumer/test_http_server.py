"""Requests to the metrics port over a plain socket: a client library would hide a body in the response to HEAD."""

import socket

import pytest

from consumer.http_server import serve
from consumer.lifecycle import CannotStart
from consumer.metrics import Metrics


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def ask(metrics):
    """Requests a page; returns status, headers and body."""
    with serve(metrics, "127.0.0.1", 0) as address:

        def page(method, path):
            host, port = address.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
                head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
            first, *lines = head.decode().splitlines()
            return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body

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
