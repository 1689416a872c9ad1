"""What was made of images of late, by the SHA-256 of their bytes: an exact duplicate is not embedded again.

A digest costs 1/250 of decoding and embedding. The verdict is still the duplicate's own: it is searched for, checked
and decided anew.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from embedding.source import Unreadable
from matcher.examine import Needs, View
from matcher.verdict import ImageFacts

Key = tuple[str, Needs]  # digest, and what was needed

_OVERHEAD = 4096  # bytes of the objects around the arrays, and of the facts


@dataclass(frozen=True, slots=True)
class Embedded:
    """What an image's bytes come to.

    Attributes:
        facts: None if they could not be decoded.
        problem: why there is no view.
        view: None if there is a problem.
        mirror: None where no set asks for it.
    """

    facts: ImageFacts | None
    problem: Unreadable | None = None
    view: View | None = None
    mirror: View | None = None

    @property
    def bytes(self) -> int:
        """Of memory, about."""
        return _OVERHEAD + sum(view.bytes for view in (self.view, self.mirror) if view)


class Recent:
    """Keeps what was used last, within a bound. Safe to use from several threads.

    Args:
        max_bytes: bound of what is kept; 0: nothing is, and duplicates are noticed only while one is being embedded.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Future[Embedded]] = OrderedDict()
        self._making: dict[Key, Future[Embedded]] = {}
        self._bytes = 0

    def claim(self, key: Key) -> tuple[Future[Embedded], bool]:
        """What was made, or will be, of these bytes; True: it is yours to make, then `settle` or `forsake` it.

        Before waiting for what others make, settle what you have claimed yourself: so nobody waits for ever.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key], False
            if key in self._making:
                return self._making[key], False
            self._making[key] = Future()
            return self._making[key], True

    def settle(self, key: Key, embedded: Embedded) -> None:
        """This is what was claimed. Files that could not be decoded are not kept: memory may just have been short."""
        self._making[key].set_result(embedded)
        with self._lock:
            made = self._making.pop(key)
            if embedded.facts is None:
                return
            self._kept[key] = made
            self._bytes += embedded.bytes
            while self._bytes > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.result().bytes

    def forsake(self, keys: Iterable[Key], error: BaseException) -> None:
        """What was claimed and is not settled will not be made."""
        for key in keys:
            with self._lock:
                made = self._making.pop(key, None)
            if made:
                made.set_exception(error)
