"""Which spellings of an address are permitted."""

import pytest
from fetch_fixtures import fetcher, reason

from embedding.fetch.address import Permitted, Refused
from embedding.image import Reason, Url

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
def test_everything_else_is_refused_with_a_sentence_that_does_not_repeat_the_address(url):
    with pytest.raises(Refused) as refusal:
        Permitted(PERMITTED, allow_http=True).address(url)
    assert not url or url not in str(refusal.value)
    assert reason(fetcher(hosts=PERMITTED).fetch(Url(url))) is Reason.SOURCE_NOT_ALLOWED


def test_http_must_be_allowed():
    with pytest.raises(Refused, match="only https"):
        Permitted(PERMITTED, allow_http=False).address("http://pictures.example/")


@pytest.mark.parametrize("host", ["", "https://pictures.example", "a/b", "user@host", "host:port", "a b"])
def test_a_configured_host_that_is_not_a_host_is_refused_at_the_start(host):
    with pytest.raises(ValueError, match=r"images\.hosts"):
        fetcher(hosts=[host])


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("file:///srv/a.jpg", "the path of a file belongs in path, not in url"),
        ("data:image/png;base64,AAAA", "the bytes of an image belong in data, not in url"),
        ("http://pictures.example/a.jpg", "images.allow_http permits http"),
        ("pictures.example/a.jpg", "the address does not begin with https://"),
        ("/srv/a.jpg", "the address does not begin with https://"),
    ],
)
def test_a_refused_scheme_says_what_to_do_instead(url, hint):
    with pytest.raises(Refused, match=hint):
        Permitted(PERMITTED, allow_http=False).address(url)
