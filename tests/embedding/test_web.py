"""Only configured hosts are fetched from, and the deadline is kept."""

import socket
import threading
import time

import pytest
from fetch_fixtures import (
    CAP,
    PATIENCE_S,
    TIMEOUT_S,
    Server,
    answer,
    fetcher,
    get,
    reason,
    redirect,
    serving,
    whole,
)

from embedding.image import Reason, Url


def test_a_body_is_returned():
    assert get(whole(b"picture")) == b"picture"
    assert get(answer(body=b"until the end", Connection="close")) == b"until the end"
    chunked = answer(body=b"3\r\npic\r\n4\r\nture\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert get(chunked) == b"picture"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer("404 Not Found", Content_Length=0), Reason.NOT_FOUND),
        (answer("410 Gone", Content_Length=0), Reason.NOT_FOUND),
        (answer("403 Forbidden", Content_Length=0), Reason.FETCH_FAILED),
        (answer("500 Oops", Content_Length=0), Reason.FETCH_FAILED),
        (answer("304 Not Modified"), Reason.FETCH_FAILED),
        (answer("206 Partial Content", b"x", Content_Length=1), Reason.FETCH_FAILED),
        (answer("302 Found", Content_Length=0), Reason.FETCH_FAILED),
        (redirect("http://["), Reason.FETCH_FAILED),
        (whole(b""), Reason.EMPTY_VALUE),
        (whole(b"x" * (CAP + 1)), Reason.TOO_MANY_BYTES),
        (answer(body=b"x" * 5_000_000), Reason.TOO_MANY_BYTES),
        (answer(body=b"-1\r\n" + b"x" * 50_000_000, Transfer_Encoding="chunked"), Reason.TOO_MANY_BYTES),
        (answer(body=b"x" * 9, Content_Length=10_000_000_000), Reason.FETCH_FAILED),
        (answer(body=b"short", Content_Length=100), Reason.FETCH_FAILED),
        (answer(body=b"zz\r\nno chunk", Transfer_Encoding="chunked"), Reason.FETCH_FAILED),
        (whole(b"\x1f\x8b", Content_Encoding="gzip"), Reason.FETCH_FAILED),
        (b"no http at all\r\n\r\n", Reason.FETCH_FAILED),
        (b"", Reason.FETCH_FAILED),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1_000 + b"\r\n", Reason.FETCH_FAILED),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n", Reason.FETCH_FAILED),
    ],
)
def test_bad_responses_give_reasons(response, expected):
    assert reason(get(response)) is expected


def test_the_request_asks_for_uncompressed_bytes_and_reveals_nothing():
    with serving({"/a?b=%20c": whole(b"x")}) as (server, fetching):
        assert fetching.fetch(Url(f"http://{server.host}/a?b=%20c#fragment")) == b"x"
    (request,) = server.requests
    assert b"Accept-Encoding: identity" in request
    assert b"cookie" not in request.lower()
    assert b"authorization" not in request.lower()
    assert b"fragment" not in request


def test_a_proxy_from_the_environment_is_not_used(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert get(whole(b"picture")) == b"picture"


def test_redirects_are_followed_five_times_and_no_more():
    hops = {f"/{step}": redirect(f"/{step + 1}") for step in range(6)}
    assert get({**hops, "/5": whole(b"picture")}, "/0") == b"picture"
    assert reason(get({**hops, "/6": whole(b"picture")}, "/0")) is Reason.FETCH_FAILED
    assert reason(get({"/a": redirect("/a")})) is Reason.FETCH_FAILED


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_every_kind_of_redirect_is_followed(status):
    assert get({"/a": redirect("b?c=1", status), "/b?c=1": whole(b"picture")}) == b"picture"


def test_a_redirect_to_a_host_that_is_not_configured_is_not_followed():
    with Server({"/": whole(b"secret")}) as inner:
        for place in (
            f"http://{inner.host}/",
            f"//{inner.host}/",
            "file:///etc/passwd",
            "http://x@{own}/b",
        ):
            with serving({"/b": whole(b"secret")}) as (server, fetching):
                server._answers["/a"] = redirect(place.replace("{own}", server.host))
                assert reason(fetching.fetch(Url(f"http://{server.host}/a"))) is Reason.SOURCE_NOT_ALLOWED
    assert inner.requests == []


def test_a_host_that_refuses_the_connection_gives_a_reason():
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"localhost:{free.getsockname()[1]}"
    assert reason(fetcher(hosts=[host]).fetch(Url(f"http://{host}/"))) is Reason.FETCH_FAILED


# The deadline


def timed(say):
    with Server({}) as server:
        server._answers["/a"] = lambda connection: say(server, connection)
        started = time.monotonic()
        result = fetcher(hosts=[server.host], timeout_s=TIMEOUT_S).fetch(Url(f"http://{server.host}/a"))
        assert time.monotonic() - started < PATIENCE_S
        return result


def test_a_body_that_is_sent_byte_by_byte_is_cut():
    head = answer(Content_Length=900)
    assert reason(timed(lambda server, to: (to.sendall(head), server.drip(to, b"x" * 900)))) is Reason.FETCH_TIMED_OUT


def test_a_slow_body_without_a_length_is_not_taken_for_complete():
    assert (
        reason(timed(lambda server, to: (to.sendall(answer()), server.drip(to, b"x" * 900)))) is Reason.FETCH_TIMED_OUT
    )


def test_headers_that_are_sent_byte_by_byte_are_cut():
    assert reason(timed(lambda server, to: server.drip(to, answer(X="y" * 900)))) is Reason.FETCH_TIMED_OUT


def test_endless_interim_responses_are_cut():
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert reason(timed(lambda server, to: [server.drip(to, interim) for _ in range(900)])) is Reason.FETCH_TIMED_OUT


def test_a_host_that_sends_nothing_is_cut():
    assert reason(timed(lambda server, _to: server.done.wait(PATIENCE_S))) is Reason.FETCH_TIMED_OUT


def test_a_host_that_does_not_accept_the_connection_is_cut():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for waiting in (first, second):  # these fill the queue
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        host = f"127.0.0.1:{full.getsockname()[1]}"
        started = time.monotonic()
        result = fetcher(hosts=[host], timeout_s=TIMEOUT_S).fetch(Url(f"http://{host}/"))
        assert reason(result) is Reason.FETCH_TIMED_OUT
        assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize(
    "head",
    [
        answer(body=b"-1\r\n", Transfer_Encoding="chunked"),
        answer(),
        answer(Content_Length=-1),
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_however_an_answer_goes_on_for_ever_little_more_than_an_image_is_received(head):
    sent = []

    def say(connection):
        connection.sendall(head)
        while True:
            sent.append(connection.send(b"a: b\r\nHTTP/1.1 100 Continue\r\n\r\n" * 1_000))

    result = get(say)
    assert reason(result) in {Reason.TOO_MANY_BYTES, Reason.FETCH_FAILED}
    assert sum(sent) < 2_000_000 + 8_000_000  # what is allowed, and what the system keeps for both sockets


def test_redirects_share_the_deadline():
    def slow(server, to, place):
        server.done.wait(0.2)
        to.sendall(redirect(place))

    with Server({}) as server:
        for step in range(5):
            server._answers[f"/{step}"] = lambda to, step=step: slow(server, to, f"/{step + 1}")
        server._answers["/5"] = whole(b"late")
        result = fetcher(hosts=[server.host], timeout_s=TIMEOUT_S).fetch(Url(f"http://{server.host}/0"))
    assert reason(result) is Reason.FETCH_TIMED_OUT


def test_many_fetches_leave_no_timers_behind():
    with serving({"/a": whole(b"picture")}) as (server, fetching):
        fetching.fetch(Url(f"http://{server.host}/a"))
        before = {thread.name for thread in threading.enumerate()}
        results = [fetching.fetch(Url(f"http://{server.host}/a")) for _ in range(20)]
    assert results == [b"picture"] * 20
    left = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    for timer in left:
        timer.join(PATIENCE_S)
        assert not timer.is_alive()
    assert before
