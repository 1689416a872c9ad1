"""The sets in force: what the service judges by, read anew every second or so.

At the start everything must fit, or the process ends with the fix named. Later it outlives other people's mistakes: a
set that it never judged by and that `sets.use` does not name is skipped and reported. But a set that it judged by and
that cannot be read any more, or the last harmful set gone, makes it wait: nothing is allowed because we could not look.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embedding.encoder import Encoder, EncoderError, in_short
from embedding.encoders import Encoders
from embedding.probe import agrees_with, probe_vector
from reference_sets import backgrounds
from reference_sets.errors import UnknownSet
from reference_sets.in_memory.constants import EXACT, IN_MEMORY
from reference_sets.model import Kind, ReferenceSet
from reference_sets.store import Store
from vectors.errors import StoreError

log = logging.getLogger("vigilens.sets")

Fits = Callable[[ReferenceSet], str | None]  # why a set cannot be matched, or None
_Sizes = dict[str, tuple[int, int]]  # name → version, references


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sets of one moment. A batch is judged by one snapshot from its search to its decision.

    Attributes:
        sets: all can be matched by our encoder. Each set's facts are of one moment; those of several sets are a few
            milliseconds apart.
        sizes: number of references of each set, counted when its version was first read.
        skipped: name of each set that is left out, and why.
        backgrounds: the background sets that `sets` name, by name. They are not in `sets`: nothing matches them.
    """

    sets: tuple[ReferenceSet, ...]
    sizes: tuple[int, ...]
    skipped: Mapping[str, str]
    backgrounds: Mapping[str, ReferenceSet] = field(default_factory=dict)


class SetsUnfit(StoreError):  # noqa: N818 (named after what is wrong)
    """The sets cannot be matched as they are. The message names the fix."""


def fits(encoders: Encoders) -> Fits:
    """Tells why a set cannot be matched by the configured encoders, if it cannot.

    The fingerprint says that set and encoder mean the same vectors, the packaged probe picture that they still have the
    same numbers on this machine. An encoder is loaded when the first set needs it.
    """
    probes: dict[str, NDArray[np.float32]] = {}

    def why(known: ReferenceSet) -> str | None:
        if known.encoder == EXACT:
            return None
        try:
            encoder = encoders.with_fingerprint(known.encoder).encoder
            if known.encoder not in probes:
                probes[known.encoder] = probe_vector(encoder)
        except EncoderError as error:
            return (
                f"the set {known.name} was made by another encoder: {error}; add that table, create the set again, or "
                "name only the other sets in sets.use"
            )
        except Exception as error:  # noqa: BLE001 (a model can raise anything, also for lack of memory)
            return (
                f"the encoder {known.encoder} of the set {known.name} fails for the packaged probe picture: "
                f"{in_short(error)}; correct it, or name only the other sets in sets.use"
            )
        return _other_vectors(known, encoder, probes[known.encoder])

    return why


def _other_vectors(known: ReferenceSet, encoder: Encoder, probe: NDArray[np.float32]) -> str | None:
    """Why the encoder's vectors cannot be compared with those of the set; None if they can."""
    if known.index == IN_MEMORY:  # its rows have hashes, and no vectors
        return None
    if known.dimension != encoder.dimension:
        return (
            f"the set {known.name} has vectors of {known.dimension} values, but the encoder {encoder.fingerprint} "
            f"gives {encoder.dimension}: create the set again with `vigilens sets create` and `vigilens sets add`"
        )
    if not agrees_with(probe, known.probe):
        return (
            f"the encoder {encoder.fingerprint} no longer gives the packaged probe picture the vector that it gave "
            f"when the set {known.name} was made: use the same device, precision and library versions as then, or "
            "create the set again with `vigilens sets create` and `vigilens sets add`"
        )
    return None


class SetsInForce:
    """Reads the sets, at most every `refresh_s` seconds. Safe to use from several threads.

    Args:
        store: where the sets are.
        use: names of the sets to match against. Empty: all sets of the database, whatever comes and goes. The
            background sets that they name are read too.
        fits: see `fits`.
        refresh_s: seconds for which a snapshot is good.
    """

    def __init__(self, store: Store, use: Sequence[str], fits: Fits, refresh_s: float) -> None:
        self._store = store
        self._use = tuple(dict.fromkeys(use))
        self._fits = fits
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._judged_by: set[str] = set()  # names, also of sets that are gone
        self._sizes: _Sizes = {}

    def read(self, *, fresh: bool = False) -> Snapshot:
        """The sets as they were at most `refresh_s` ago; as they are now, if `fresh`.

        Raises:
            SetsUnfit: the sets cannot be judged by as they are. After the first time: wait until they can.
            StoreError: Milvus refuses.
            Away: Milvus does not answer. An old snapshot is never passed off as a new one.
        """
        with self._lock:  # others wait for the one that reads, rather than read as well
            if fresh or self._snapshot is None or time.monotonic() - self._read_at >= self._refresh_s:
                read_at = time.monotonic()
                self._snapshot = self._read_all(self._snapshot)
                self._judged_by |= {known.name for known in self._snapshot.sets}
                self._read_at = read_at
            return self._snapshot

    def _read_all(self, before: Snapshot | None) -> Snapshot:
        while True:
            try:
                return self._read(before)
            except UnknownSet:  # dropped before its references were counted
                continue

    def _read(self, before: Snapshot | None) -> Snapshot:
        listing = self._store.listing()
        every = {known.name: known for known in listing.sets}
        unreadable = {one.name: one.why for one in listing.unreadable}
        used = [known for known in listing.sets if not self._use or known.name in self._use]
        sets = {known.name: known for known in used if known.kind is not Kind.BACKGROUND}
        unfit = {name: why for name, why in unreadable.items() if not self._use or name in self._use}
        unfit |= {name: _missing(name) for name in self._use if name not in every and name not in unfit}
        sizes: _Sizes = {}
        for name, known in sets.items():
            if why := self._fits(known) or self._background_unfit(known, every, unreadable, sizes):
                unfit[name] = why
        fit = tuple(known for name, known in sets.items() if name not in unfit)
        # What the settings name was judged by from the first, so it is never skipped.
        _refuse(fit, unfit, unfit.keys() if before is None else self._judged_by)
        of_fit = {known.name: (known.version, self._size(known)) for known in fit}
        self._sizes = {**sizes, **of_fit}
        with_background = {known.background: every[known.background] for known in fit if known.background}
        now = Snapshot(fit, tuple(size for _, size in of_fit.values()), unfit, with_background)
        if before and _any_harmful(before.sets) and not _any_harmful(_filled(now, before)):
            raise SetsUnfit(
                "no harmful set is left to match against; make one with `vigilens sets create NAME` and fill it with "
                "`vigilens sets add NAME PATH`, or restart the service to judge without one"
            )
        _warn(now, before)
        for name in unfit.keys() - (before.skipped.keys() if before else set()):
            log.error("set skipped", extra={"fields": {"set": name, "why": unfit[name]}})
        return now

    def _background_unfit(
        self,
        known: ReferenceSet,
        every: Mapping[str, ReferenceSet],
        unreadable: Mapping[str, str],
        sizes: _Sizes,
    ) -> str | None:
        """Why the set's background cannot be used; None if it can, or there is none. Adds its size to `sizes`."""
        if not known.background:
            return None
        if why := backgrounds.unusable(known, every, unreadable):
            return why
        background = every[known.background]
        if background.name not in sizes:
            sizes[background.name] = background.version, self._size(background)
        if not sizes[background.name][1]:
            return backgrounds.empty(known)
        return self._fits(background)

    def _size(self, known: ReferenceSet) -> int:
        """Counted once per version: counting costs as much as a small search."""
        version, size = self._sizes.get(known.name, (None, 0))
        return size if version == known.version else self._store.count(known.name)


def _missing(name: str) -> str:
    return (
        f"sets.use names {name}, which does not exist; make it with `vigilens sets create {name}` or take it out of "
        "sets.use"
    )


def _warn(now: Snapshot, before: Snapshot | None) -> None:
    """Warn of sets that are gone since the snapshot before, and at the start if no set is harmful."""
    if before is None and not _any_harmful(now.sets):
        log.warning("no set is harmful, so every image that can be compared is allowed")
    there = {known.name for known in now.sets}
    for name in [known.name for known in (before.sets if before else ()) if known.name not in there]:
        log.warning("a set is gone: it was dropped, or its properties were removed", extra={"fields": {"set": name}})


def _refuse(fit: Sequence[ReferenceSet], unfit: Mapping[str, str], needed: Collection[str]) -> None:
    """Raise SetsUnfit if nothing may be judged by these sets: one of the needed cannot be used, or there is none."""
    if wrong := [why for name, why in unfit.items() if name in needed]:
        raise SetsUnfit("; ".join(wrong))
    if not fit:
        raise SetsUnfit("there is no set to match against; make one with `vigilens sets create NAME`")


def _any_harmful(sets: Iterable[ReferenceSet]) -> bool:
    return any(known.kind is Kind.HARMFUL for known in sets)


def _filled(now: Snapshot, before: Snapshot) -> Iterator[ReferenceSet]:
    """The sets that have references, or had them and were emptied, which raises their version.

    A set that was dropped and created again begins at version 1. If it counted while it is empty, pictures would be
    allowed between `vigilens sets create` and the first reference.
    """
    versions = {known.name: known.version for known in before.sets}
    for known, size in zip(now.sets, now.sizes, strict=True):
        if size or known.version >= versions.get(known.name, math.inf):
            yield known
