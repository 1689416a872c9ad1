"""Adds picture files to a set. Can be interrupted at any time and run again.

First the digests of many files are computed, so that files that are in the set already are not decoded. The new ones
are opened by several decoder processes, encoded in batches by as many threads, and written in order by one thread.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.encoder import Encoder
from embedding.image import Reason, Unreadable
from embedding.look import Look, encode_each, joined, together
from embedding.picture import Needs, Wanted
from embedding.processes.decoders import Decoders
from reference_sets.files import Found, digest_of
from reference_sets.in_memory.constants import NO_VECTOR
from reference_sets.model import Mirrored, Reference, ReferenceSet
from reference_sets.opened import PIXELS_AT_ONCE, Limits, Opened, Refused, in_batches, key_of, opened_files
from reference_sets.parts import needs, reference
from reference_sets.store import Store

if TYPE_CHECKING:
    from concurrent.futures import Future

ASK_AT_ONCE = 256  # ids in one query of the store

FindsItself = Callable[[Look, ReferenceSet], bool]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The result.

    Attributes:
        files: number of files that were given.
        added: number of references that are new in the set.
        known: number of files that were in the set already, or given twice.
        refused: files that did not become references.
        weak: added files whose own copies the set would not find by its thresholds, because they have too little
            detail: only exactly the same file is found.
        partly: added files of which only a part could be looked at, and why.
    """

    files: int
    added: int
    known: int
    refused: tuple[Refused, ...]
    weak: tuple[Path, ...] = ()
    partly: tuple[Refused, ...] = ()


class Interrupted(KeyboardInterrupt):
    """The run was interrupted. What was added stays, and another run does the rest.

    Attributes:
        so_far: the results up to then, by set; the files of the batch in progress count as not done.
    """

    def __init__(self, so_far: dict[str, Gathered]) -> None:
        super().__init__()
        self.so_far = so_far


def gather(  # noqa: PLR0913 (the last four by keyword)
    store: Store,
    into: Mapping[str, Encoder | None],
    files: Sequence[Found],
    *,
    decoders: Decoders,
    limits: Limits,
    finds_itself: FindsItself = lambda *_: True,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Gathered]:
    """Add files to sets, and return for each set what became of them. A file is decoded once for all sets.

    The same content with the same label is one reference, however often it is added.

    Args:
        store: where the sets are.
        into: names of the sets, and the encoder that made each; the caller compares the fingerprints. None: the set is
            an exact list, which only needs the files' digests.
        files: as `find` returns them.
        decoders: open the files, as many at a time as there are.
        limits: files beyond them are refused.
        finds_itself: whether a set would find an exact copy of a picture by its thresholds.
        progress: called with the number of files that were done since the last call.

    Raises:
        Interrupted: in place of KeyboardInterrupt.
        NoDecoder: no process can be started to open files.
    """
    run = _Run(store, into, decoders, limits, finds_itself)
    try:
        run.add(files, progress)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(run.results(len(files))) from interrupt
    results = run.results(len(files))
    for name, gathered in results.items():
        if gathered.added:
            store.flush(name)
    return results


@dataclass(frozen=True, slots=True)
class _Made:
    """What one set gets of a batch: references, and what became of the other files."""

    references: list[Reference] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    weak: list[Path] = field(default_factory=list)
    partly: list[Refused] = field(default_factory=list)


class _Into:
    """One of the sets, and what became of the files in it so far."""

    def __init__(self, store: Store, name: str, encoder: Encoder | None, finds_itself: FindsItself) -> None:
        self._store, self._name, self._finds_itself = store, name, finds_itself
        self.encoder, self.described = encoder, store.describe(name)
        self._new: set[str] = set()  # ids of files that were not in the set before
        self._added = self._known = 0
        self._became = _Made()

    def ask(self, files: Mapping[str, Found], refused: Sequence[Refused], number: int) -> set[str]:
        """Return the ids of those files that are not in the set yet, of `number` files; some of them are refused."""
        new = files.keys() - self._new - self._store.known(self._name, list(files))
        self._new |= new
        self._known += number - len(refused) - len(new)
        self._became.refused.extend(refused)
        return new

    def made(self, opened: Sequence["Opened"], refused: Sequence[Refused], looks: Sequence[Look | None]) -> _Made:
        """Make references of those pictures that can be distinguished from others; the rest is refused."""
        made = _Made()
        for one, look in zip(opened, looks, strict=True):
            if one.id in self._new and (known := self._reference(one, look, made)):
                made.references.append(known)
        for each in refused:
            if self.encoder is not None or not each.digest:
                made.refused.append(each)
            elif each.id in self._new:
                made.references.append(_exact(each.id, each.label, each.digest))
        return made

    def _reference(self, one: "Opened", look: Look | None, made: _Made) -> Reference | None:
        file = one.file
        if self.encoder is None:
            return _exact(one.id, file.label, one.digest)
        if look is None:
            why = Unreadable(Reason.ENCODER_FAILED, "the encoder failed for this picture, as the log says")
            made.refused.append(Refused(file.path, why))
            return None
        known = reference(look, self.described, one.id, file.label, digest=one.digest)
        if known is None:
            why = Unreadable(Reason.FEATURELESS, "too little detail to be distinguished from other pictures")
            made.refused.append(Refused(file.path, why))
            return None
        if not self._finds_itself(look, self.described):
            made.weak.append(file.path)
        if one.found.partly:
            made.partly.append(Refused(file.path, one.found.partly))
        return known

    def write(self, made: _Made) -> None:
        """Add the references to the set."""
        self._store.upsert(self._name, made.references)
        self._added += len(made.references)
        self._became.refused.extend(made.refused)
        self._became.weak.extend(made.weak)
        self._became.partly.extend(made.partly)

    def result(self, files: int) -> Gathered:
        """Return what became of the files."""
        refused, partly = (
            tuple(sorted(some, key=lambda one: one.path)) for some in (self._became.refused, self._became.partly)
        )
        return Gathered(files, self._added, self._known, refused, tuple(sorted(self._became.weak)), partly)


class _Run:
    """One run over all files."""

    def __init__(
        self,
        store: Store,
        into: Mapping[str, Encoder | None],
        decoders: Decoders,
        limits: Limits,
        finds_itself: FindsItself,
    ) -> None:
        self._limits, self._decoders = limits, decoders
        self._into = {name: _Into(store, name, encoder, finds_itself) for name, encoder in into.items()}
        sets = [each.described for each in self._into.values() if each.encoder]
        self._encoders = {each.encoder.fingerprint: each.encoder for each in self._into.values() if each.encoder}
        self._mirrored = {known.encoder for known in sets if known.mirrored is Mirrored.STORED}
        self._needs = Needs(keypoints=any(needs(known).keypoints for known in sets), mirror=bool(self._mirrored))

    def results(self, files: int) -> dict[str, Gathered]:
        return {name: each.result(files) for name, each in self._into.items()}

    def add(self, files: Sequence[Found], progress: Callable[[int], None]) -> None:
        """Add files; as many batches are encoded at a time as there are decoders."""
        views = together(list(self._encoders.values()), self._needs)
        wanted = Wanted(views, self._limits.max_pixels, 1, self._limits.reduce)
        number = self._decoders.number
        waiting: deque[Future[int]] = deque()
        encoding, writing = ThreadPoolExecutor(number, "encode"), ThreadPoolExecutor(1, "write")
        try:
            opened = opened_files(self._decoders, self._new(files, progress), wanted)
            for batch in in_batches(opened, PIXELS_AT_ONCE // (number + 1)):
                waiting.append(writing.submit(self._write, encoding.submit(self._made, batch), len(batch)))
                while waiting and (len(waiting) > number or waiting[0].done()):
                    progress(waiting.popleft().result())
            while waiting:
                progress(waiting.popleft().result())
        finally:
            encoding.shutdown(wait=False, cancel_futures=True)
            writing.shutdown(cancel_futures=True)
            encoding.shutdown()

    def _new(self, files: Sequence[Found], progress: Callable[[int], None]) -> Iterator[Found]:
        """Yield the files that are not in all of the sets yet."""
        for part in (files[start : start + ASK_AT_ONCE] for start in range(0, len(files), ASK_AT_ONCE)):
            ids, refused = _ids(part, self._limits)
            new = {id_ for each in self._into.values() for id_ in each.ask(ids, refused, len(part))}
            progress(len(part) - len(new))
            yield from (file for id_, file in ids.items() if id_ in new)

    def _made(self, batch: Sequence[Opened | Refused]) -> list[_Made]:
        """Encode a batch; returns what becomes of it, by set."""
        opened = [one for one in batch if isinstance(one, Opened)]
        refused = [one for one in batch if isinstance(one, Refused)]
        pictures = [one.found.views[:1] for one in opened]
        encoded = {
            fingerprint: encode_each(encoder, pictures, mirror=fingerprint in self._mirrored)
            for fingerprint, encoder in self._encoders.items()
        }
        made = []
        for each in self._into.values():
            fingerprint = each.described.encoder
            pairs = encoded.get(fingerprint, [None] * len(opened))
            looks = [
                joined(seen, {fingerprint: pair}, keypoints=self._needs.keypoints)[0] if pair else None
                for seen, pair in zip(pictures, pairs, strict=True)
            ]
            made.append(each.made(opened, refused, looks))
        return made

    def _write(self, made: "Future[list[_Made]]", number: int) -> int:
        """Write a batch when it is encoded; returns the number of its files."""
        for each, its in zip(self._into.values(), made.result(), strict=True):
            each.write(its)
        return number


def _ids(files: Sequence[Found], limits: Limits) -> tuple[dict[str, Found], list[Refused]]:
    """Return the files by id, each content and label once, and those that cannot be read."""
    ids: dict[str, Found] = {}
    refused = []
    for file in files:
        digest = digest_of(file.path, limits.max_bytes)
        if isinstance(digest, Unreadable):
            refused.append(Refused(file.path, digest))
        else:
            ids.setdefault(key_of(digest, file.label), file)
    return ids, refused


def _exact(id_: str, label: str, digest: str) -> Reference:
    return Reference(id_, label, NO_VECTOR, digest=digest)
