"""Files below roots, addresses of configured hosts, and a deadline that holds. The servers are real sockets."""

import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedding.address import Permitted, Refused
from embedding.fetch import Fetcher, FetchRules
from embedding.source import File, Inline, Reason, Unreadable, Url

CAP = 1_000
TIMEOUT_S = 0.5
PATIENCE_S = 5.0  # a fetch that takes so long has no deadline; generous, as machines are busy

# A certificate for localhost, made for these tests alone and trusted by nobody: `openssl req -x509 -days 36500`.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUH/inp5X4YpLw/pqQxapcYdGlTmAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEyMTEwN1oYDzIxMjYxMDI4
MTIxMTA3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ4LycBeLCilfwLd4NJI41H/bA/vu6tEBsWV3Mik3oihnUkeHrgKo2M
mW0Wquea1ATfxdRRyjKyLmaj68EuAT4Jo2kwZzAdBgNVHQ4EFgQUTmmuwsSiQbuy
dxPIdI88LfKDPZUwHwYDVR0jBBgwFoAUTmmuwsSiQbuydxPIdI88LfKDPZUwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhAO+CL5zuB35e4Y+L1s6f0yWqGRJVxX9+BBrWNhFMjgxUAiBPlyhjmVJz
Kg2gpm55YqD+3upXJ+HEKRcU4VB7RLy5hg==
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDHA+K4bqGBm+wrqm
Q05pzMjFCF59bKTN5vWju70Q1JihRANCAAQ4LycBeLCilfwLd4NJI41H/bA/vu6t
EBsWV3Mik3oihnUkeHrgKo2MmW0Wquea1ATfxdRRyjKyLmaj68EuAT4J
-----END PRIVATE KEY-----
"""


def fetcher(roots=(), hosts=(), *, http=True, timeout_s=PATIENCE_S):
    return Fetcher(FetchRules(CAP, tuple(map(Path, roots)), tuple(hosts), allow_http=http, timeout_s=timeout_s))


def reason(result):
    assert isinstance(result, Unreadable), result
    assert result.detail
    return result.reason


# Bytes in the event


def test_inline_bytes_are_capped_and_must_be_some():
    fetch = fetcher().fetch
    assert fetch(Inline(b"x" * CAP)) == b"x" * CAP
    assert reason(fetch(Inline(b"x" * (CAP + 1)))) is Reason.TOO_MANY_BYTES
    assert reason(fetch(Inline(b""))) is Reason.EMPTY_VALUE


# Files


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root-like").mkdir()
    (tmp_path / "root-like" / "b.jpg").write_bytes(b"other")
    return folder


def test_a_file_below_a_root_is_read(root):
    assert fetcher([root]).fetch(File(str(root / "a.jpg"))) == b"picture"
    assert fetcher(["/nowhere", root]).fetch(File(f"{root}/../root/./a.jpg")) == b"picture"


def test_links_are_resolved_on_both_sides(root, tmp_path):
    (root / "inside").symlink_to(root / "a.jpg")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (tmp_path / "alias").symlink_to(root)
    fetch = fetcher([tmp_path / "alias"]).fetch
    assert fetch(File(str(root / "inside"))) == b"picture"
    assert fetch(File(str(tmp_path / "alias" / "a.jpg"))) == b"picture"
    assert reason(fetch(File(str(root / "outside")))) is Reason.SOURCE_NOT_ALLOWED
    assert reason(fetch(File(str(root / "up" / "secret")))) is Reason.SOURCE_NOT_ALLOWED


@pytest.mark.parametrize(
    "path",
    ["{root}/../secret", "{root}-like/b.jpg", "a.jpg", "", "/etc/passwd", "/proc/self/environ", "{root}/../gone"],
)
def test_paths_elsewhere_are_not_allowed_whether_there_is_a_file_or_not(root, path):
    assert reason(fetcher([root]).fetch(File(path.format(root=root)))) is Reason.SOURCE_NOT_ALLOWED


def test_without_roots_no_path_is_allowed(root):
    assert reason(fetcher().fetch(File(str(root / "a.jpg")))) is Reason.SOURCE_NOT_ALLOWED


@pytest.mark.parametrize("name", ["gone.jpg", "a.jpg/below", "x" * 300, "nul\0", "lone\ud800", "loop"])
def test_names_that_no_file_has_are_not_found(root, name):
    (root / "loop").symlink_to("loop")
    assert reason(fetcher([root]).fetch(File(f"{root}/{name}"))) is Reason.NOT_FOUND


def test_only_regular_files_are_read_and_a_fifo_does_not_block(root):
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
        for name in ("fifo", "socket", "."):
            assert reason(fetcher([root]).fetch(File(str(root / name)))) is Reason.SOURCE_NOT_ALLOWED
    assert reason(fetcher(["/"]).fetch(File("/dev/zero"))) is Reason.SOURCE_NOT_ALLOWED


def test_a_file_is_capped_and_must_not_be_empty(root):
    (root / "large").write_bytes(b"x" * (CAP + 1))
    (root / "full").write_bytes(b"x" * CAP)
    (root / "empty").touch()
    fetch = fetcher([root]).fetch
    assert reason(fetch(File(str(root / "large")))) is Reason.TOO_MANY_BYTES
    assert len(fetch(File(str(root / "full")))) == CAP
    assert reason(fetch(File(str(root / "empty")))) is Reason.EMPTY_VALUE


def test_a_file_that_is_swapped_for_a_link_in_between_is_not_followed(root, tmp_path, monkeypatch):
    resolve = os.path.realpath

    def swap(path, **options):
        resolved = resolve(path, **options)
        if str(path).endswith("a.jpg"):
            Path(path).unlink()
            Path(path).symlink_to(tmp_path / "secret")
        return resolved

    fetch = fetcher([root]).fetch
    monkeypatch.setattr(os.path, "realpath", swap)
    assert reason(fetch(File(str(root / "a.jpg")))) is Reason.SOURCE_NOT_ALLOWED


def test_no_descriptor_is_left_open(root):
    fetch = fetcher([root]).fetch
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("a.jpg", "gone", "../secret", "."):
        fetch(File(str(root / name)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Addresses

PERMITTED = ["pictures.example", "cdn.example:8443", "b\u00fccher.example", "192.0.2.7", "[2001:db8::1]:444"]


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://pictures.example/a.jpg", "pictures.example", 443),
        ("HTTPS://Pictures.EXAMPLE:443/a.jpg", "pictures.example", 443),
        ("https://pictures.example./a.jpg", "pictures.example", 443),
        ("http://pictures.example", "pictures.example", 80),
        ("https://cdn.example:8443/", "cdn.example", 8443),
        ("https://b\u00fccher.example/\u00fc?q=\u00fc", "xn--bcher-kva.example", 443),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
        ("https://192.0.2.7/", "192.0.2.7", 443),
        ("https://[2001:db8::1]:444/", "2001:db8::1", 444),
    ],
)
def test_spellings_of_configured_hosts_are_permitted(url, host, port):
    address = Permitted(PERMITTED, allow_http=True).address(url)
    assert (address.host, address.port) == (host, port)
    assert address.target.startswith("/")
    assert address.target.isascii()


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/",
        "https://pictures.example.other.example/",
        "https://evil-pictures.example/",
        "https://sub.pictures.example/",
        "https://pictures.example:444/",
        "https://cdn.example/",
        "https://pictures.example@other.example/",
        "https://user:password@pictures.example/",
        "https://@pictures.example/",
        "https://other.example\\@pictures.example/",
        "https://pictures.example\\.other.example/",
        "https://pictures.example\t/",
        "https://pictures.example/a b",
        "https://pictures.example/\r\nHost: other.example",
        "https://pictures.example\x00.other.example/",
        "https://pictures.example%2eother.example/",
        "https://pictures.example../",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://[::ffff:192.0.2.7]/",
        "https://192.0.2.7.:444/",
        "https://[pictures.example/",
        "https://pictures.example:port/",
        "https://pictures.example:99999/",
        "https:///a.jpg",
        "https:pictures.example/a.jpg",
        "//pictures.example/",
        "pictures.example",
        "ftp://pictures.example/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "gopher://pictures.example/",
        "javascript:alert(1)",
        "https://" + "x" * 300 + ".example/",
        "https://\ud800.example/",
        "",
    ],
)
def test_everything_else_is_refused_in_a_sentence_that_does_not_repeat_it(url):
    with pytest.raises(Refused) as refusal:
        Permitted(PERMITTED, allow_http=True).address(url)
    assert not url or url not in str(refusal.value)
    assert reason(fetcher(hosts=PERMITTED).fetch(Url(url))) is Reason.SOURCE_NOT_ALLOWED


def test_http_must_be_allowed():
    with pytest.raises(Refused, match="only https"):
        Permitted(PERMITTED, allow_http=False).address("http://pictures.example/")


@pytest.mark.parametrize("host", ["", "https://pictures.example", "a/b", "user@host", "host:port", "a b"])
def test_a_configured_host_that_is_none_is_refused_at_the_start(host):
    with pytest.raises(ValueError, match=r"images\.hosts"):
        fetcher(hosts=[host])


# Servers


def answer(status="200 OK", body=b"", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def whole(body, **headers):
    return answer(body=body, Content_Length=len(body), **headers)


def redirect(place, status="302 Found"):
    return answer(status, Location=place, Content_Length=0)


class Server:
    """Answers each path with its bytes, or lets a function talk to the socket. Counts and keeps requests."""

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
        with connection:
            try:
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(4_096) or b"\r\n\r\n"
                self.requests.append(request)
                path = request.split()[1].decode() if request.split() else ""
                say = self._answers.get(path, answer("404 Not Found", Content_Length=0))
                if callable(say):
                    say(connection)
                else:
                    connection.sendall(say)
                if self._tls:
                    connection.close()
            except OSError:  # the client went away, which is what some tests are about
                pass

    def drip(self, connection, data):
        """One byte at a time, until the client goes away."""
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


def test_a_body_is_had():
    assert get(whole(b"picture")) == b"picture"
    assert get(answer(body=b"until the end", Connection="close")) == b"until the end"
    chunked = answer(body=b"3\r\npic\r\n4\r\nture\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    assert get(chunked) == b"picture"


@pytest.mark.parametrize(
    ("said", "expected"),
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
def test_answers_become_reasons(said, expected):
    assert reason(get(said)) is expected


def test_identity_is_asked_for_and_nothing_of_ours_is_told():
    with serving({"/a?b=%20c": whole(b"x")}) as (server, fetching):
        assert fetching.fetch(Url(f"http://{server.host}/a?b=%20c#fragment")) == b"x"
    (request,) = server.requests
    assert b"Accept-Encoding: identity" in request
    assert b"cookie" not in request.lower()
    assert b"authorization" not in request.lower()
    assert b"fragment" not in request


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
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


def test_a_host_that_refuses_or_does_not_exist_is_a_reason():
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


def test_a_body_that_drips_is_cut():
    head = answer(Content_Length=900)
    assert reason(timed(lambda server, to: (to.sendall(head), server.drip(to, b"x" * 900)))) is Reason.FETCH_TIMED_OUT


def test_a_dripping_body_without_a_length_is_not_taken_for_whole():
    assert (
        reason(timed(lambda server, to: (to.sendall(answer()), server.drip(to, b"x" * 900)))) is Reason.FETCH_TIMED_OUT
    )


def test_headers_that_drip_are_cut():
    assert reason(timed(lambda server, to: server.drip(to, answer(X="y" * 900)))) is Reason.FETCH_TIMED_OUT


def test_endless_interim_answers_are_cut():
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert reason(timed(lambda server, to: [server.drip(to, interim) for _ in range(900)])) is Reason.FETCH_TIMED_OUT


def test_silence_is_cut():
    assert reason(timed(lambda server, _to: server.done.wait(PATIENCE_S))) is Reason.FETCH_TIMED_OUT


def test_a_host_that_does_not_take_the_connection_is_cut():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for waiting in (first, second):  # the queue is full now
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        host = f"127.0.0.1:{full.getsockname()[1]}"
        started = time.monotonic()
        result = fetcher(hosts=[host], timeout_s=TIMEOUT_S).fetch(Url(f"http://{host}/"))
        assert reason(result) is Reason.FETCH_TIMED_OUT
        assert time.monotonic() - started < PATIENCE_S


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


def test_nothing_is_left_behind_by_many_fetches():
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


# TLS


@pytest.fixture
def tls(tmp_path):
    (tmp_path / "certificate.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(KEY)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(tls):
    with Server({"/a": whole(b"picture")}, tls) as server:
        result = fetcher(hosts=[server.host]).fetch(Url(f"https://{server.host}/a"))
    assert reason(result) is Reason.FETCH_FAILED
    assert server.requests == []


def test_a_certificate_that_the_system_trusts_is_taken_for_its_own_name_only(tls, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with Server({"/a": whole(b"picture")}, tls) as server:
        port = server.host.split(":")[1]
        fetch = fetcher(hosts=[server.host, f"127.0.0.1:{port}"], http=False).fetch
        assert fetch(Url(f"https://{server.host}/a")) == b"picture"
        assert reason(fetch(Url(f"https://127.0.0.1:{port}/a"))) is Reason.FETCH_FAILED


def test_a_handshake_that_never_ends_is_cut():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"localhost:{silent.getsockname()[1]}"
        started = time.monotonic()
        result = fetcher(hosts=[host], timeout_s=TIMEOUT_S).fetch(Url(f"https://{host}/"))
        assert reason(result) is Reason.FETCH_TIMED_OUT
        assert time.monotonic() - started < PATIENCE_S
