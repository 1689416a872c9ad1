"""One request to a webhook: its signature, its body, and what its answer means."""

import base64
import hashlib
import hmac
import json
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest
from receiver import receiving

from alerting.notify.alert import received
from alerting.notify.bodies import TEMPLATES
from alerting.notify.webhook import BadAddress, Webhook, key_of, signed, wish
from consumer.alerts import alert_record, example

SECRET = "whsec_" + base64.b64encode(b"a key of 24 bytes or more").decode()


def alert(**changes):
    record = alert_record(example().model_copy(update=changes), "alerts")
    return received(record.value, record.headers, "alerts/0/1")


def test_a_request_is_signed_as_standard_webhooks_says():
    one = alert()
    body, headers = TEMPLATES["plain"](one)
    with receiving() as receiver:
        assert Webhook(receiver.url + "/hook?a=1", SECRET).post(one.id, body, headers).result == "delivered"
    ((path, sent, got),) = receiver.requests
    assert (path, got) == ("/hook?a=1", one.value)
    sent = {name.lower(): value for name, value in sent.items()}
    content = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + got
    expected = hmac.new(b"a key of 24 bytes or more", content, hashlib.sha256).digest()
    assert sent["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert "." not in sent["webhook-id"]
    assert (sent["ce-id"], sent["ce-type"]) == (example().id, "vigilens.alert.v1")
    assert (sent["ce-specversion"], sent["content-type"]) == ("1.0", "application/json")


def test_the_name_of_a_request_is_the_same_each_time_and_without_a_secret_there_is_no_signature():
    one, again, other = signed("a", b"x", b"key", 1), signed("a", b"x", b"key", 2), signed("b", b"x", b"", 1)
    assert one["webhook-id"] == again["webhook-id"] != other["webhook-id"]
    assert one["webhook-signature"] != again["webhook-signature"]
    assert "webhook-signature" not in other
    assert key_of("any text") == b"any text"
    for secret in ("whsec_no base64", "whsec_"):
        with pytest.raises(BadAddress, match="whsec_"):
            key_of(secret)


@pytest.mark.parametrize(
    ("answer", "result", "after_s"),
    [
        (200, "delivered", 0),
        (202, "delivered", 0),
        ((429, {"Retry-After": "7"}), "again", 7),
        ((503, {"Retry-After": "999999"}), "again", 3600),
        (500, "again", 0),
        (408, "again", 0),
        (0, "again", 0),
        (400, "refused", 0),
        (410, "refused", 0),
        ((302, {"Location": "/elsewhere"}), "refused", 0),
        ((307, {"Location": "/elsewhere"}), "refused", 0),
    ],
)
def test_what_an_answer_means(answer, result, after_s):
    with receiving(answer) as receiver:
        outcome = Webhook(f"{receiver.url}/secret-path").post("id", b"{}", {})
    assert (outcome.result, outcome.after_s) == (result, after_s)
    assert len(receiver.requests) == 1  # redirects are not followed
    assert "secret-path" not in outcome.why


def test_a_receiver_that_is_not_there_or_does_not_answer_is_tried_again(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr("alerting.notify.webhook.TIMEOUT_S", 0.2)
        slow = Webhook(f"http://127.0.0.1:{port}/secret-path").post("id", b"{}", {})
    gone = Webhook(f"http://127.0.0.1:{port}/secret-path").post("id", b"{}", {})
    for outcome in (slow, gone):
        assert outcome.result == "again"
        assert f"http://127.0.0.1:{port} does not answer" in outcome.why
        assert "secret-path" not in outcome.why


def test_a_receiver_that_answers_byte_by_byte_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("alerting.notify.webhook.TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        sent = pool.submit(Webhook(f"http://127.0.0.1:{server.getsockname()[1]}").post, "id", b"{}", {})
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not wait([sent], 0.05).done:
                connection.sendall(b"x: y\r\n")
        outcome = sent.result()
    assert (outcome.result, outcome.why.partition("TimeoutError")[2]) == ("again", ": timed out")


def test_a_wish_for_a_pause_is_a_number_or_a_date():
    now = 1_795_262_400.0  # 2026-11-21 12:00:00 UTC
    assert wish("Sat, 21 Nov 2026 12:00:30 GMT", now) == 30
    assert wish("Sat, 21 Nov 2026 11:00:30 GMT", now) == 0
    far = "Mon, 1 Jan 2030 00:00:00 +99999999999999999999"
    assert [wish(text, now) for text in ("", "soon", "-3", far, "12")] == [0, 0, 0, 0, 12]


@pytest.mark.parametrize(
    "address", ["http://example.com/x", "ftp://a/b", "no address", "//x", "http://127.0.0.1.evil/"]
)
def test_addresses_must_be_https_or_of_this_machine(address):
    with pytest.raises(BadAddress) as error:
        Webhook(address)
    assert address not in str(error.value)


def test_addresses_that_are_fine():
    assert Webhook("https://user:password@example.com/x").place == "https://example.com"
    assert Webhook("http://[::1]:8080/x").place == "http://[::1]:8080"
    assert Webhook("http://example.com/x", allow_http=True).place == "http://example.com"


def test_user_and_password_in_an_address_are_sent_as_a_header():
    with receiving() as receiver:
        Webhook(receiver.url.replace("//", "//user:p%40ss%C3%BC@")).post("id", b"{}", {})
    assert receiver.requests[0][1]["authorization"] == "Basic " + base64.b64encode("user:p@ssü".encode()).decode()


def test_text_from_strangers_is_no_command_to_slack():
    body, _ = TEMPLATES["slack"](alert(sentence="<!channel> & <https://evil|click> *b*" + "x" * 5000))
    message = json.loads(body)
    titled = received(b'{"kind":"<!channel>","severity":"info","sentence":"x"}', [], "alerts/0/1")
    assert "&lt;!channel&gt;" in json.loads(TEMPLATES["slack"](titled)[0])["text"]
    texts = [
        part
        for block in message["attachments"][0]["blocks"]
        for part in (block.get("text"), *block.get("elements", []))
    ]
    assert {part["type"] for part in texts if part} == {"plain_text"}
    assert all(len(part["text"]) <= 3000 for part in texts if part)
    assert message["attachments"][0]["blocks"][1]["text"]["text"].startswith("<!channel> & <https://evil|click>")


def test_osprey_gets_an_action_with_a_number_that_stays_the_same():
    first, again = (json.loads(TEMPLATES["osprey"](alert())[0]) for _ in range(2))
    assert first == again
    assert set(first) == {"send_time", "data"}
    action = first["data"]
    assert (action["action_name"], 0 <= int(action["action_id"]) < 2**63) == ("vigilens_reference_burst", True)
    assert (action["data"]["set"], action["data"]["facts"]["matches"]) == ("known_spam", 26)
    assert json.loads(TEMPLATES["osprey"](alert(version="14"))[0])["data"]["action_id"] != action["action_id"]


@pytest.mark.parametrize("value", [None, b"", b"no JSON", b"[]", b'{"kind":1,"severity":"info","sentence":"x"}', b"3"])
def test_a_record_that_is_no_alert(value):
    assert received(value, [], "alerts/0/1") is None


def test_an_alert_of_a_later_version_is_passed_on():
    value = b'{"kind":"new","severity":"fatal","sentence":"x","more":[1]}'
    one = received(value, [("ce_id", "ünïcode %".encode())], "alerts/0/1")
    assert (one.rank, one.id) == (3, "ünïcode %")
    body, headers = TEMPLATES["plain"](one)
    assert (body, headers["ce-id"]) == (value, "%C3%BCn%C3%AFcode%20%25")
    assert received(value, [], "alerts/0/1").id == "alerts/0/1"
    for template in TEMPLATES.values():
        template(one)


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_alert_with_odd_text_and_odd_headers_is_sent_like_any_other(template):
    value = b'{"kind":"\\ud800","severity":"info","sentence":"\\udfff","subject":{"a":1e999}}'
    headers = [("ce_id", b"one"), ("ce_none", None), ("ce_a b\n", b"1"), ("ce_\xfc", b"1"), ("ce_", b"1")]
    one = received(value, headers, "alerts/0/1")
    with receiving() as receiver:
        assert Webhook(receiver.url).post(one.id, *TEMPLATES[template](one)).result == "delivered"
    assert one.headers == {"id": "one"}
