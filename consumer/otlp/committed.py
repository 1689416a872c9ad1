"""What is told of a batch whose transaction is committed."""

from collections.abc import Callable
from dataclasses import dataclass

from consumer.batch import Batch
from matcher.judge import Judged


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch after its transaction; times in seconds since 1970.

    Attributes:
        publish_at: when its records began to be made.
        committed_at: when it was committed.
    """

    batch: Batch
    judged: Judged
    publish_at: float
    committed_at: float


Trace = Callable[[Committed], None]


def no_trace(_: Committed) -> None:
    """Do nothing: without an endpoint."""
