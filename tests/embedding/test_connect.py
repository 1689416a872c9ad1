"""Hosts with several addresses, names that do not resolve, and certificates."""

import socket
import ssl
import time
from contextlib import contextmanager

import pytest
from certificate import CERTIFICATE, EXPIRED, KEY
from fetch_fixtures import PATIENCE_S, TIMEOUT_S, Server, fetcher, reason, whole

from embedding.image import Reason, Url

resolve = socket.getaddrinfo


@contextmanager
def swallowing():
    """The port of an address that answers no request for a connection, as behind a broken route."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for waiting in (first, second):  # these fill the queue
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def named(*ports):
    """A resolver for which a host has these ports of this machine as its addresses."""
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_an_address_that_does_not_answer_does_not_hide_the_next(monkeypatch):
    with swallowing() as silent, Server({"/a": whole(b"picture")}) as server:
        port = int(server.host.split(":")[1])
        fetching = fetcher(hosts=[server.host])
        for ports in ([silent, port], [closed_port(), port], [silent, closed_port(), silent, port], [port, silent]):
            monkeypatch.setattr(socket, "getaddrinfo", named(*ports))
            started = time.monotonic()
            assert fetching.fetch(Url(f"http://{server.host}/a")) == b"picture"
            assert time.monotonic() - started < PATIENCE_S / 2


def test_addresses_of_which_none_answers_keep_the_deadline(monkeypatch):
    with swallowing() as silent:
        monkeypatch.setattr(socket, "getaddrinfo", named(*[silent] * 5))
        fetching = fetcher(hosts=["localhost:1"], timeout_s=TIMEOUT_S)
        assert reason(fetching.fetch(Url("http://localhost:1/"))) is Reason.FETCH_TIMED_OUT
    monkeypatch.setattr(socket, "getaddrinfo", named(closed_port(), closed_port()))
    result = fetcher(hosts=["localhost:1"]).fetch(Url("http://localhost:1/"))
    assert reason(result) is Reason.FETCH_FAILED
    assert result.detail == "the host refused the connection"


def test_a_family_of_addresses_that_this_machine_does_not_have_does_not_hide_the_next(monkeypatch):
    with Server({"/a": whole(b"picture")}) as server:
        port = int(server.host.split(":")[1])
        foreign = [(socket.AF_IPX, socket.SOCK_STREAM, 0, "", ("::1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: foreign + named(port)())
        assert fetcher(hosts=[server.host]).fetch(Url(f"http://{server.host}/a")) == b"picture"


def test_a_name_that_does_not_resolve_for_a_moment_is_tried_again(monkeypatch):
    failing = iter([socket.EAI_AGAIN, socket.EAI_AGAIN])

    def resolving(*args, **options):
        if number := next(failing, None):
            raise socket.gaierror(number, "Temporary failure in name resolution")
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    with Server({"/a": whole(b"picture")}) as server:
        assert fetcher(hosts=[server.host]).fetch(Url(f"http://{server.host}/a")) == b"picture"


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        (socket.EAI_AGAIN, "the host's name could not be resolved, because no name server answered"),
        (socket.EAI_NONAME, "the host's name does not exist"),
    ],
)
def test_a_name_that_never_resolves_is_a_reason_within_the_deadline(monkeypatch, number, detail):
    def failing(*_, **__):
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    started = time.monotonic()
    result = fetcher(hosts=["cdn.example"], timeout_s=TIMEOUT_S).fetch(Url("https://cdn.example/a"))
    assert (reason(result), result.detail) == (Reason.FETCH_FAILED, detail)
    assert time.monotonic() - started < PATIENCE_S


# TLS


def served(folder, certificate):
    """A server's TLS, with one of our certificates."""
    (folder / "certificate.pem").write_text(certificate)
    (folder / "key.pem").write_text(KEY)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.fixture
def tls(tmp_path):
    return served(tmp_path, CERTIFICATE)


def test_a_certificate_without_a_trusted_authority_is_refused(tls):
    with Server({"/a": whole(b"picture")}, tls) as server:
        result = fetcher(hosts=[server.host]).fetch(Url(f"https://{server.host}/a"))
    assert reason(result) is Reason.FETCH_FAILED
    assert "from an issuer that this machine does not trust" in result.detail
    assert server.requests == []


def test_a_certificate_that_the_system_trusts_is_accepted_for_its_own_name_only(tls, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with Server({"/a": whole(b"picture")}, tls) as server:
        port = server.host.split(":")[1]
        fetch = fetcher(hosts=[server.host, f"127.0.0.1:{port}"], http=False).fetch
        assert fetch(Url(f"https://{server.host}/a")) == b"picture"
        result = fetch(Url(f"https://127.0.0.1:{port}/a"))
        assert reason(result) is Reason.FETCH_FAILED
        assert result.detail == "the host's certificate is for another host"


def test_a_certificate_that_has_expired_is_refused_and_the_reason_says_so(tmp_path, monkeypatch):
    tls = served(tmp_path, EXPIRED)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with Server({"/a": whole(b"picture")}, tls) as server:
        result = fetcher(hosts=[server.host]).fetch(Url(f"https://{server.host}/a"))
    assert reason(result) is Reason.FETCH_FAILED
    assert result.detail == "the host's certificate has expired"
    assert server.requests == []


def test_a_body_over_tls_is_limited_too(tls, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * 5_000_000
    with Server({"/a": endless}, tls) as server:
        result = fetcher(hosts=[server.host]).fetch(Url(f"https://{server.host}/a"))
    assert reason(result) is Reason.TOO_MANY_BYTES


def test_a_handshake_that_never_ends_is_cut():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"localhost:{silent.getsockname()[1]}"
        started = time.monotonic()
        result = fetcher(hosts=[host], timeout_s=TIMEOUT_S).fetch(Url(f"https://{host}/"))
        assert reason(result) is Reason.FETCH_TIMED_OUT
        assert time.monotonic() - started < PATIENCE_S
