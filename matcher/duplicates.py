"""Recent embeddings, by the SHA-256 of the bytes: an exact duplicate is not embedded again.

A digest costs 1/250 of decoding and embedding. The verdict is still the duplicate's own: it is searched for, checked
and decided anew.
"""

import pickle
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Duplicates(Generic[Key, Made]):
    """Keeps what was made last, within a bound. Safe to use from several threads.

    It is kept as bytes in one block, a ring. As objects, scattered between the pixels of pictures, what was made of
    11,000 images took 190 MB; its bytes are 28.

    Args:
        max_bytes: size of the block; 0: nothing is kept, and duplicates are noticed only while one is being embedded.
    """

    def __init__(self, max_bytes: int) -> None:
        self._block = np.empty(max_bytes, np.uint8)  # takes memory where it is written
        self._at = 0  # where the next goes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[int, int]] = OrderedDict()  # oldest first: start and end in the block
        self._making: dict[Key, Future[Made]] = {}

    def claim(self, key: Key) -> tuple[Future[Made], bool]:
        """What was made, or will be, of these bytes; True: it is yours to make, then `settle` or `forsake` it.

        Before waiting for what others make, settle what you have claimed yourself: so nobody waits for ever.
        """
        made: Future[Made] = Future()
        with self._lock:
            if key in self._making:
                return self._making[key], False
            if key not in self._kept:
                self._making[key] = made
                return made, True
            start, end = self._kept[key]
            kept = self._block[start:end].tobytes()
        made.set_result(pickle.loads(kept))  # noqa: S301 (nobody else writes there)
        return made, False

    def settle(self, key: Key, made: Made, *, keep: bool) -> None:
        """This is what was claimed; `keep` it for duplicates that come later."""
        self._making[key].set_result(made)
        kept = pickle.dumps(made) if keep else b""
        with self._lock:
            del self._making[key]
            if 0 < len(kept) <= len(self._block):
                self._keep(key, kept)

    def _keep(self, key: Key, kept: bytes) -> None:
        """Behind the newest, where the oldest lie."""
        if self._at + len(kept) > len(self._block):
            self._drop(self._at, len(self._block))
            self._at = 0
        start, self._at = self._at, self._at + len(kept)
        self._drop(start, self._at)
        self._block[start : self._at] = np.frombuffer(kept, np.uint8)
        self._kept[key] = start, self._at

    def _drop(self, start: int, end: int) -> None:
        """Forget the oldest for as long as they begin in this part of the block."""
        while self._kept and start <= next(iter(self._kept.values()))[0] < end:
            self._kept.popitem(last=False)

    def forsake(self, keys: Iterable[Key], error: BaseException) -> None:
        """What was claimed and is not settled will not be made."""
        for key in keys:
            with self._lock:
                made = self._making.pop(key, None)
            if made:
                made.set_exception(error)
