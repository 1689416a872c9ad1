"""`vigilens run` that can be killed within a transaction: `python -m benchmarks.takeover_worker FILE run`.

As soon as FILE exists, the process kills itself (SIGKILL) when it would commit its next transaction with records: all
of them and the offsets are sent, only the commit is not. At its orderly end it logs the longest times between two of
its heartbeats.
"""

import itertools
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Patch the Kafka client, then run the command line."""
    from kafka import KafkaProducer  # noqa: PLC0415 (slow to import)
    from kafka.coordinator.heartbeat import Heartbeat  # noqa: PLC0415

    from vigilens.cli import main as run  # noqa: PLC0415

    file = Path(sys.argv.pop(1))
    commit, send, heartbeat, sent = KafkaProducer.commit_transaction, KafkaProducer.send, Heartbeat.sent_heartbeat, [0]
    times: list[float] = []

    def counted(producer: Any, *args: Any, **options: Any) -> Any:
        sent[0] += 1
        return send(producer, *args, **options)

    def commit_or_end(producer: Any) -> None:
        if file.exists() and sent[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        sent[0] = 0
        commit(producer)

    def timed(self: Any) -> None:
        times.append(time.monotonic())
        heartbeat(self)

    KafkaProducer.send, KafkaProducer.commit_transaction, Heartbeat.sent_heartbeat = counted, commit_or_end, timed
    try:
        run()
    finally:
        pauses = sorted((late - early for early, late in itertools.pairwise(times)), reverse=True)
        longest = [round(each, 2) for each in pauses[:6]]
        logging.getLogger("vigilens.benchmark").info("heartbeats", extra={"fields": {"longest_s": longest}})


if __name__ == "__main__":
    main()
