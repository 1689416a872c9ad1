"""A worker without one precaution: `python -m benchmarks.sabotage PRECAUTION run`.

The service has no switches for this: this module replaces one of its parts, then runs the same command line. Each
function below says what happens without the precaution; docs/delivery.md shows what the chaos counts then.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

PRECAUTIONS = (
    "check-futures",
    "snapshot",
    "rewind",
    "own-offsets",
    "drop-in-flight",
    "new-producer",
    "rebalance",
    "all",
)


def without_check_futures() -> None:
    """The records' acknowledgements are not checked: flush and commit are trusted."""
    from consumer import transaction as publish  # noqa: PLC0415 (slow to import)

    publish.check = lambda futures: None  # noqa: ARG005 (the signature stays)


def without_snapshot() -> None:
    """The membership is read when a batch is published; it may be of a later generation, or of none."""
    _publish_with(lambda consumer, offsets, _: (offsets, consumer.group_metadata()))


def without_own_offsets() -> None:
    """The consumer's position is committed, which is ahead of the batch by all batches under way."""

    def positions(consumer: Any, offsets: Mapping[Any, Any], membership: Any) -> tuple[Mapping[Any, Any], Any]:
        return {at: each._replace(offset=consumer.position(at)) for at, each in offsets.items()}, membership

    _publish_with(positions)


def without_rewind() -> None:
    """After a failed transaction reading goes on at its position, not at the committed offset."""
    from consumer.intake import Intake  # noqa: PLC0415 (slow to import)

    def rewind(self: Any) -> None:
        self._polled.clear()

    Intake.rewind = rewind  # type: ignore[method-assign]  # that is the sabotage


def without_drop_in_flight() -> None:
    """Batches that were under way when we were fenced are still published, if Kafka accepts them."""
    from consumer import loop  # noqa: PLC0415 (slow to import)

    def keep(under_way: Any, why: str = "") -> None:  # noqa: ARG001 (the signature stays)
        # Only the failed batch is dropped, or the loop would try it for ever.
        if under_way:
            under_way.popleft()

    loop.drop = keep


def without_new_producer() -> None:
    """After an error the transaction is aborted and the producer is used again, which is the usual pattern."""
    from kafka.errors import KafkaError  # noqa: PLC0415 (slow to import)

    from consumer.transaction import Publisher  # noqa: PLC0415 (slow to import)

    discard = Publisher.discard

    def reuse(self: Any) -> None:
        if self._producer is None:
            return
        try:
            self._producer.abort_transaction()
        except (KafkaError, AssertionError):  # fatal, or no transaction was begun: even the usual pattern ends here
            discard(self)

    Publisher.discard = reuse  # type: ignore[method-assign]  # that is the sabotage


def without_rebalance() -> None:
    """Batches of an older generation are kept, and records of the first poll of a generation are taken."""
    from consumer import membership  # noqa: PLC0415 (slow to import)

    membership.same = lambda before, after: True  # noqa: ARG005 (the signature stays)


def without_all() -> None:
    """Only the transaction itself is left."""
    for name in PRECAUTIONS[:-1]:
        SABOTAGE[name]()


SABOTAGE: dict[str, Callable[[], None]] = {
    "check-futures": without_check_futures,
    "snapshot": without_snapshot,
    "rewind": without_rewind,
    "own-offsets": without_own_offsets,
    "drop-in-flight": without_drop_in_flight,
    "new-producer": without_new_producer,
    "rebalance": without_rebalance,
    "all": without_all,
}


def _publish_with(change: Callable[[Any, Mapping[Any, Any], Any], tuple[Mapping[Any, Any], Any]]) -> None:
    """Commit the offsets and membership that `change(consumer, offsets, membership)` returns."""
    from consumer.intake import Intake  # noqa: PLC0415 (slow to import)
    from consumer.transaction import Publisher  # noqa: PLC0415

    consumers: list[Any] = []
    start, publish = Intake.__init__, Publisher.publish

    def remember(self: Any, consumer: Any, **options: Any) -> None:
        consumers.append(consumer)
        start(self, consumer, **options)

    def changed(self: Any, records: Any, offsets: Any, membership: Any) -> None:
        offsets, membership = change(consumers[-1], offsets, membership)
        publish(self, records, offsets, membership)

    Intake.__init__ = remember  # type: ignore[method-assign]  # that is the sabotage
    Publisher.publish = changed  # type: ignore[method-assign]


def main() -> None:
    """Remove the precaution that the first argument names, and run the command line with the other arguments."""
    SABOTAGE[sys.argv.pop(1)]()
    from vigilens.cli import main as command_line  # noqa: PLC0415 (after the sabotage)

    command_line(prog_name="vigilens")


if __name__ == "__main__":
    main()
