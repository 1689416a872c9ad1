"""The trace that an event belongs to, as its sender wrote it: the headers `traceparent` and `tracestate` (W3C).

They come from strangers: what is not valid is left out, and nothing is longer than the standard permits.
"""

import re
from dataclasses import dataclass

PARENT, STATE = "traceparent", "tracestate"
MAX_STATE = 512  # characters of tracestate that the standard wants to be passed on

_PARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)
_STATE = re.compile(rf"[ -~]{{1,{MAX_STATE}}}")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of the sender.

    Attributes:
        trace_id: 32 hexadecimal digits, not all 0.
        span_id: 16 hexadecimal digits, not all 0.
        flags: 2 hexadecimal digits.
        state: what tracing systems note, for their own use; may be empty.
    """

    trace_id: str
    span_id: str
    flags: str
    state: str = ""

    @property
    def parent(self) -> str:
        """The value of the header `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @property
    def sampled(self) -> bool:
        """Whether the sender records this trace; otherwise there is nothing to link to."""
        return bool(int(self.flags, 16) & _SAMPLED)

    def headers(self) -> list[tuple[str, bytes]]:
        """Headers of a record that belongs to this trace too.

        `traceparent` is what tracing libraries for Kafka read, `ce_traceparent` is the attribute of CloudEvents'
        extension for distributed tracing.
        """
        pairs = [(PARENT, self.parent), (STATE, self.state)]
        return [(f"{prefix}{name}", text.encode()) for prefix in ("", "ce_") for name, text in pairs if text]


def read(parent: object, state: object = None) -> TraceContext | None:
    """The trace that these values of headers name; None if there is none, or `parent` is not valid.

    A version that is newer than 00 may have more behind the flags, which is left out, as the standard says.
    """
    found = _PARENT.match(text := _text(parent))
    if not found or set(found["trace"]) == {"0"} or set(found["span"]) == {"0"}:
        return None
    rest = text[found.end() :]
    if rest and (found["version"] == "00" or not rest.startswith("-")):
        return None
    kept = state_text if _STATE.fullmatch(state_text := _text(state).strip()) else ""
    return TraceContext(found["trace"], found["span"], found["flags"], kept)


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
