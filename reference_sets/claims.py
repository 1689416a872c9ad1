"""Decides who may write the next version of a set: no two writers ever publish the same one.

Properties of a collection have no compare-and-set. But writes of different keys never overwrite one another, and a read
finds every write that was answered before (`vectors.database`). That is enough for claims, with one key per writer:

1. read version v; if there is another live claim, wait and start again
2. write a claim on v + 1 under our own key
3. read everything at once; if there is another live claim, ours is gone, or the version is not v, withdraw and start
   again; of two writers, at least the one that wrote its claim later finds the other's
4. write rows tagged v + 1
5. read once more, and publish only if our claim is still valid: version, changed facts and the end of the claim in one
   call. If it is not valid, start again and write the rows with the new number

A writer that died leaves its claim behind. Another writer that finds it unchanged for `DEAD_S` by its own clock removes
it. If the first writer was only slow, it finds at step 5 that its claim is gone. One case is not covered: a writer that
stalls between the two calls of step 5 for longer than `DEAD_S`.

The key of a claim is deleted at its end. Server 2.3 cannot delete properties: there the key stays, empty, and the same
process uses it again. From `MOST_KEYS` keys on, a new process takes one of the empty keys at random, so that their
number does not grow for ever. Two processes that take the same key at the same moment notice it at step 3 or 5, unless
one writes its claim while the other is between the two calls of step 5.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from patience import Away
from reference_sets import description
from vectors.errors import NoCollection, StoreError

log = logging.getLogger(__name__)

# A writer renews its claim before each message, and Milvus answers one within the timeout of a call (10 s by default).
# After three times that, the writer is usually not writing any more. A Milvus that is being filled may take longer:
# then the slow writer finds that its claim is gone, and writes the rows once more.
DEAD_S = 30.0
PAUSE_S = 0.02  # on average; a small upsert takes 10 ms on Milvus Lite, 30 ms on a server
MOST_KEYS = 200  # 6 KB in each read of a set's properties

_OURS = description.PREFIX + description.CLAIM
_VERSION = f"{description.PREFIX}version"


class Properties(Protocol):
    """What claims need of `vectors.database.Database`."""

    def properties(self, name: str) -> dict[str, str]:
        """See there."""

    def alter(self, name: str, properties: Mapping[str, str]) -> None:
        """See there."""

    def remove_properties(self, name: str, keys: list[str]) -> None:
        """See there."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write one version of a set.

    Attributes:
        version: the version that the rows are tagged with.
        facts: the facts of the set, which are valid until the version is published.
        renew: call it before each message but the first.
    """

    version: int
    facts: Mapping[str, str]
    renew: Callable[[], None]


class Claims:
    """One process's claims on versions of sets. Safe to use from several threads, which wait for one another.

    Args:
        database: where the sets are.
        clock: returns seconds; only differences count.
        pause: waits a short time for other writers.
    """

    def __init__(
        self,
        database: Properties,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[], None] = lambda: time.sleep(random.uniform(0, 2 * PAUSE_S)),  # noqa: S311 (no secret)
    ) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._key = _OURS + secrets.token_hex(4)
        self._locks: dict[str, threading.Lock] = {}
        self._deletes = True  # until a server refuses to

    def publish(self, collection: str, name: str, write: Callable[[Claim], Mapping[str, str] | None]) -> int | None:
        """Write rows under a new version, then publish it.

        Args:
            collection: collection of the set.
            name: of the set, for messages.
            write: writes rows with the claim's version; returns the facts to publish with it, or None to publish
                nothing. It is called again if the claim was lost meanwhile.

        Returns:
            The version, or None if nothing was published.

        Raises:
            DamagedSet: the set's version cannot be read.
        """
        with self._locks.setdefault(collection, threading.Lock()):
            while True:
                with self._claimed(collection, name) as (key, value, claim):
                    facts = write(claim)
                    if facts is None:
                        return None
                    if self._stands(collection, name, key, claim.version, value):
                        published = description.stamped({**facts, "version": str(claim.version)})
                        self._database.alter(collection, {**description.to_properties(published), key: ""})
                        return claim.version
                log.warning("another process took over version %d of the set %s; writing again", claim.version, name)

    @contextmanager
    def _claimed(self, collection: str, name: str) -> Iterator[tuple[str, str, Claim]]:
        """Yield a claim's key, its first value, and the claim, which ends with its publication or on an error."""
        others: dict[str, tuple[str, float]] = {}
        while True:
            before = self._database.properties(collection)
            if self._free(collection, name, before, others):
                key, version = self._chosen(before), description.version_of(name, description.facts_of(before)) + 1
                value = f"{version} {secrets.token_hex(8)}"
                self._database.alter(collection, {key: value})
                with self._ended(collection, key, value):
                    after = self._database.properties(collection)
                    alone = self._free(collection, name, after, others, own=key)
                    if alone and after.get(key) == value and after.get(_VERSION) == before.get(_VERSION):
                        renew = self._renewing(collection, key, value)
                        yield key, value, Claim(version, description.facts_of(after), renew)
                        return
            self._pause()

    def _chosen(self, properties: Mapping[str, str]) -> str:
        """Return our own key, or one of the empty keys if there are too many."""
        empty = [key for key, value in properties.items() if key.startswith(_OURS) and not value]
        if self._key in properties or len(empty) < MOST_KEYS:
            return self._key
        return random.choice(empty)  # noqa: S311 (no secret)

    @contextmanager
    def _ended(self, collection: str, key: str, value: str) -> Iterator[None]:
        """Withdraw the claim at the end of the block: delete it if possible, else empty it."""
        try:
            yield
        except Away:
            raise  # the call has waited already, and others will remove the claim
        except BaseException:
            with suppress(StoreError, Away):  # the error that is being raised matters more
                self._clear(collection, key, value)
            raise
        with suppress(StoreError, Away):  # everything has been written; an empty key does no harm
            self._clear(collection, key, value)

    def _clear(self, collection: str, key: str, value: str) -> None:
        """End a claim if it has this value, or if only its empty key is left."""
        now = self._database.properties(collection).get(key)
        if now is None or not now.startswith(value if now else ""):
            return
        if self._deletes:
            try:
                self._database.remove_properties(collection, [key])
            except NoCollection:
                raise
            except StoreError:
                self._deletes = False
            else:
                return
        if now:
            self._database.alter(collection, {key: ""})

    def _renewing(self, collection: str, key: str, value: str) -> Callable[[], None]:
        """Return a function that changes the claim's value a little, if the claim is still valid."""
        times = 0

        def renew() -> None:
            nonlocal times
            if self._database.properties(collection).get(key, "").startswith(value):
                times += 1
                self._database.alter(collection, {key: f"{value} {times}"})

        return renew

    def _stands(self, collection: str, name: str, key: str, version: int, value: str) -> bool:
        now = self._database.properties(collection)
        facts = description.facts_of(now)
        return now.get(key, "").startswith(value) and description.version_of(name, facts) == version - 1

    def _free(
        self,
        collection: str,
        name: str,
        properties: Mapping[str, str],
        others: dict[str, tuple[str, float]],
        own: str = "",
    ) -> bool:
        """Return whether there is no other live claim; `others` records per key its value and since when it has it."""
        claims = {key: value for key, value in properties.items() if key.startswith(_OURS) and value and key != own}
        for key, value in claims.items():
            last, since = others.get(key, ("", 0.0))
            if last != value:
                others[key] = value, self._clock()
            elif self._clock() - since >= DEAD_S:
                log.warning("a writer of the set %s has not finished for %.0f s; its claim is removed", name, DEAD_S)
                self._clear(collection, key, value)
        return not claims
