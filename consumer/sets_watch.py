"""Looks at the sets now and then, so that a quiet service notices too that it could not judge."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consumer.metrics import Metrics
from patience import Away
from reference_sets.in_force import SetsUnfit, Snapshot

log = logging.getLogger("vigilens.sets")

EVERY_S = 5.0
_STOP_S = 10.0  # a call of Milvus takes no longer


@contextmanager
def watching(read: Callable[[], Snapshot], metrics: Metrics, stopping: threading.Event) -> Iterator[None]:
    """Read the sets every EVERY_S seconds while the body runs, on a thread of its own.

    Args:
        read: reads them; it waits for Milvus, and says so, until `stopping` is set.
        metrics: are told what was read, or why the sets cannot be used.
        stopping: set by any thread; set at the end of the body.
    """
    thread = threading.Thread(target=_watch, args=(read, metrics, stopping), name="sets", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_STOP_S)


def _watch(read: Callable[[], Snapshot], metrics: Metrics, stopping: threading.Event) -> None:
    while True:
        try:
            snapshot = read()
        except SetsUnfit as error:
            metrics.set_waiting("sets", str(error))
        except Away as error:
            log.debug("the sets could not be read: %s", error)  # whoever judges ends the process for that
        except Exception as error:  # noqa: BLE001 (a look must not end the service; the next batch meets the same)
            log.warning("the sets could not be read", extra={"fields": {"why": repr(error)}})
        else:
            metrics.set_waiting("sets", None)
            metrics.about_sets(snapshot)
        if stopping.wait(EVERY_S):
            return
