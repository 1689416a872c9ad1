"""The sets as the service sees them: versions, thresholds and kinds of one moment, asked again every second or so."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from reference_sets.model import ReferenceSet
from reference_sets.store import Store, StoreError, UnknownSet


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. A batch is judged by one look from its search to its decision.

    Attributes:
        sets: all fit for our encoder. Each set's facts are of one moment; of several sets, a few milliseconds apart.
        sizes: number of references of each set, counted when its version was first seen.
    """

    sets: tuple[ReferenceSet, ...]
    sizes: tuple[int, ...]


class SetsUnfit(StoreError):  # noqa: N818 (named after what is wrong)
    """The sets cannot be matched as they are. The message names the mend."""


class Watch:
    """Looks at the sets, at most every `refresh_s` seconds. Safe to use from several threads.

    Args:
        store: where the sets are.
        use: names of the sets to match against. Empty: all sets of the database, whatever comes and goes.
        encoder_fingerprint: of the encoder in use. A set made by another raises `SetsUnfit`; none is skipped silently.
        refresh_s: seconds for which a look is good.
    """

    def __init__(self, store: Store, use: Sequence[str], encoder_fingerprint: str, refresh_s: float) -> None:
        self._store = store
        self._use = tuple(dict.fromkeys(use))
        self._fingerprint = encoder_fingerprint
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        self._look: Look | None = None
        self._looked_at = 0.0
        self._sizes: dict[str, tuple[int, int]] = {}  # name → version, references

    def look(self, *, fresh: bool = False) -> Look:
        """The sets as they were at most `refresh_s` ago; as they are now, if `fresh`.

        Raises:
            SetsUnfit: a set is missing, none is there, or one was made by another encoder.
            StoreError: Milvus refuses.
            Away: Milvus does not answer. An old look is never passed off as a new one.
        """
        with self._lock:  # others wait for the one that asks, rather than ask as well
            if fresh or self._look is None or time.monotonic() - self._looked_at >= self._refresh_s:
                asked_at = time.monotonic()
                sets = self._fit(self._ask())
                self._look = Look(sets, tuple(self._size(known) for known in sets))
                self._looked_at = asked_at
            return self._look

    def _size(self, known: ReferenceSet) -> int:
        """Counted once per version: counting costs as much as a small search."""
        if self._sizes.get(known.name, (None, 0))[0] != known.version:
            self._sizes[known.name] = (known.version, self._store.count(known.name))
        return self._sizes[known.name][1]

    def _ask(self) -> tuple[ReferenceSet, ...]:
        if not self._use:
            return self._store.sets()
        try:
            return tuple(self._store.describe(name) for name in self._use)
        except UnknownSet as error:
            raise SetsUnfit(
                f"sets.use names {error.name}, which does not exist; make it with `vigilens sets create {error.name}` "
                "or take it out of sets.use"
            ) from error

    def _fit(self, sets: tuple[ReferenceSet, ...]) -> tuple[ReferenceSet, ...]:
        if not sets:
            raise SetsUnfit("there is no set to match against; make one with `vigilens sets create NAME`")
        for known in sets:
            if known.encoder != self._fingerprint:
                raise SetsUnfit(
                    f"the set {known.name} was made by the encoder {known.encoder}, in use is {self._fingerprint}: "
                    "change the encoder in the settings, make the set again, or name the fitting sets in sets.use"
                )
        first = sets[0]
        for known in sets:
            if known.dimension != first.dimension:
                raise SetsUnfit(
                    f"the sets {first.name} and {known.name} have vectors of {first.dimension} and {known.dimension} "
                    "values though their encoder is the same; drop the wrong one and make it again"
                )
        return sets
