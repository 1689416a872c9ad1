"""A worker that leaves one precaution out: `python -m benchmarks.sabotage PRECAUTION run`.

The product has no switches for this: here one of its parts is replaced from outside, then the same command line runs.
Each function below says what the part is for; docs/delivery.md shows what the chaos counts without it.
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
    """Nobody looks whether each record was acknowledged: flush and commit are taken at their word."""
    from consumer import transaction as publish  # noqa: PLC0415 (heavy)

    publish.check = lambda futures: None  # noqa: ARG005 (the signature stays)


def without_snapshot() -> None:
    """The membership is asked for when a batch is published, and may be that of a later generation, or of none."""
    _publish_with(lambda consumer, offsets, _: (offsets, consumer.group_metadata()))


def without_own_offsets() -> None:
    """The consumer's position is committed, which runs ahead of the batch by those that are still under way."""
    _publish_with(lambda consumer, offsets, membership: ({at: consumer.position(at) for at in offsets}, membership))


def without_rewind() -> None:
    """After a failed transaction reading goes on where it was, not where the group has committed."""
    from consumer.intake import Intake  # noqa: PLC0415 (heavy)

    def rewind(self: Any) -> None:
        self._polled.clear()

    Intake.rewind = rewind  # type: ignore[method-assign]  # that is the sabotage


def without_drop_in_flight() -> None:
    """Batches that were under way when we were fenced are published all the same, if Kafka lets us."""
    from consumer import loop  # noqa: PLC0415 (heavy)

    def keep(under_way: Any) -> None:
        # Only the one that failed goes, or the loop would try it for ever.
        if under_way:
            under_way.popleft()

    loop.drop = keep


def without_new_producer() -> None:
    """After an error the transaction is aborted and the producer used again, as the usual pattern has it."""
    from kafka.errors import KafkaError  # noqa: PLC0415 (heavy)

    from consumer.transaction import Publisher  # noqa: PLC0415 (heavy)

    discard = Publisher.discard

    def reuse(self: Any) -> None:
        if self._producer is None:
            return
        try:
            self._producer.abort_transaction()
        except (KafkaError, AssertionError):  # fatal, or no transaction was begun: then not even the pattern goes on
            discard(self)

    Publisher.discard = reuse  # type: ignore[method-assign]  # that is the sabotage


def without_rebalance() -> None:
    """Batches of an older generation of the group are kept, and what came with the poll that joined is taken."""
    from consumer import intake  # noqa: PLC0415 (heavy)

    intake._same = lambda before, after: True  # noqa: ARG005, SLF001 (the signature stays)


def without_all() -> None:
    """Nothing but the transaction itself."""
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


def _publish_with(change: Callable[[Any, Mapping[Any, int], Any], tuple[Mapping[Any, int], Any]]) -> None:
    """Lets `change(consumer, offsets, membership)` say what is committed instead."""
    from consumer.intake import Intake  # noqa: PLC0415 (heavy)
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
    """Leaves the precaution out that the first argument names, and runs the command line with the others."""
    SABOTAGE[sys.argv.pop(1)]()
    from vigilens.cli import main as command_line  # noqa: PLC0415 (after the sabotage)

    command_line(prog_name="vigilens")


if __name__ == "__main__":
    main()
