"""The trace in the headers of an event: what is valid is kept, and nothing else."""

from types import SimpleNamespace

import pytest
from made_verdicts import verdict

from consumer import trace_context
from consumer.events import read
from consumer.records import Destination, verdict_record

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


def record(*headers, value=b"picture"):
    return SimpleNamespace(
        topic="t", partition=0, offset=7, timestamp=None, key=None, value=value, headers=list(headers)
    )


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        b"\xff\xfe",
        VALID.upper(),
        VALID[:-1],
        VALID + "-00",  # version 00 ends with the flags
        VALID + "\n",
        "ff" + VALID[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "x" * 1_000_000,
    ],
)
def test_what_is_not_valid_is_no_trace(parent):
    assert trace_context.read(parent) is None


def test_a_newer_version_is_read_as_far_as_it_is_known():
    found = trace_context.read(f"01-{TRACE}-{SPAN}-03-more")
    assert (found.parent, found.sampled) == (f"00-{TRACE}-{SPAN}-03", True)


@pytest.mark.parametrize(("state", "kept"), [("a=1,b=2", "a=1,b=2"), ("a=1\r\nx: y", ""), ("a" * 513, ""), ("ä=1", "")])
def test_a_state_that_is_not_valid_is_left_out(state, kept):
    assert trace_context.read(VALID, state.encode()).state == kept


@pytest.mark.parametrize(
    "sent",
    [
        record(("traceparent", VALID.encode()), ("tracestate", b"a=1")),
        record(("TraceParent", VALID.encode()), ("tracestate", b"a=1")),
        record(
            *[(f"ce_{name}", text) for name, text in (("specversion", b"1.0"), ("id", b"e"), ("source", b"/s"))],
            ("ce_type", b"image"),
            ("ce_traceparent", VALID.encode()),
            ("ce_tracestate", b"a=1"),
        ),
    ],
)
def test_an_event_carries_its_trace_and_so_does_its_verdict(sent):
    event = read(sent, 10_000)
    assert (event.trace.parent, event.trace.state) == (VALID, "a=1")
    headers = dict(verdict_record(event, verdict(), "id", Destination("v", 1, "urn:x")).headers)
    assert headers["traceparent"] == headers["ce_traceparent"] == VALID.encode()
    assert headers["tracestate"] == headers["ce_tracestate"] == b"a=1"


def test_an_event_without_a_trace_gives_none_to_its_verdict():
    event = read(record(("traceparent", b"nonsense"), ("tracestate", None)), 10_000)
    headers = dict(verdict_record(event, verdict(), "id", Destination("v", 1, "urn:x")).headers)
    assert event.trace is None
    assert not [name for name in headers if "trace" in name]
