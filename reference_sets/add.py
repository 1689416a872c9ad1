"""Adds picture files to a set. Can be interrupted at any time and run again.

First the digests of many files are computed, so that files that are in the set already are not decoded. Then the new
ones are opened by several decoder processes, encoded and written, a batch at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedding.encoder import Encoder
from embedding.image import Reason, Unreadable
from embedding.look import Look, encode_each, joined, together
from embedding.picture import Needs, Wanted
from embedding.processes.decoders import Decoders
from reference_sets.files import Found, digest_of
from reference_sets.in_memory.constants import NO_VECTOR
from reference_sets.model import Mirrored, Reference, ReferenceSet
from reference_sets.opened import Limits, Opened, Refused, in_batches, key_of, opened_files
from reference_sets.parts import needs, reference
from reference_sets.store import Store

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
        for part in (files[start : start + ASK_AT_ONCE] for start in range(0, len(files), ASK_AT_ONCE)):
            for done in run.add(part):
                progress(done)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(run.results(len(files))) from interrupt
    results = run.results(len(files))
    for name, gathered in results.items():
        if gathered.added:
            store.flush(name)
    return results


class _Into:
    """One of the sets, and what became of the files in it so far."""

    def __init__(self, store: Store, name: str, encoder: Encoder | None, finds_itself: FindsItself) -> None:
        self._store, self._name, self._finds_itself = store, name, finds_itself
        self.encoder, self.described = encoder, store.describe(name)
        self._missing: set[str] = set()  # ids of the files in progress that are not in the set yet
        self._added = self._known = 0
        self._refused: list[Refused] = []
        self._weak: list[Path] = []
        self._partly: list[Refused] = []

    def ask(self, files: Mapping[str, Found], refused: Sequence[Refused], number: int) -> set[str]:
        """Return the ids of those files that are not in the set yet, of `number` files; some of them are refused."""
        self._missing = files.keys() - self._store.known(self._name, list(files))
        self._known += number - len(refused) - len(self._missing)
        self._refused += refused
        return self._missing

    def write(self, opened: Sequence["Opened"], refused: Sequence[Refused], looks: Sequence[Look | None]) -> None:
        """Make references of those pictures that can be distinguished from others; the rest is refused."""
        made = []
        for one, look in zip(opened, looks, strict=True):
            if one.id in self._missing and (known := self._reference(one, look)):
                made.append(known)
        for each in refused:
            if self.encoder is None and each.digest:
                made += [_exact(each.id, each.label, each.digest)] if each.id in self._missing else []
            else:
                self._refused.append(each)
        self._store.upsert(self._name, made)
        self._added += len(made)

    def _reference(self, one: "Opened", look: Look | None) -> Reference | None:
        file = one.file
        if self.encoder is None:
            return _exact(one.id, file.label, one.digest)
        if look is None:
            why = Unreadable(Reason.ENCODER_FAILED, "the encoder failed for this picture, as the log says")
            self._refused.append(Refused(file.path, why))
            return None
        known = reference(look, self.described, one.id, file.label, digest=one.digest)
        if known is None:
            why = Unreadable(Reason.FEATURELESS, "too little detail to be distinguished from other pictures")
            self._refused.append(Refused(file.path, why))
            return None
        if not self._finds_itself(look, self.described):
            self._weak.append(file.path)
        if one.found.partly:
            self._partly.append(Refused(file.path, one.found.partly))
        return known

    def result(self, files: int) -> Gathered:
        refused, partly = (tuple(sorted(some, key=lambda one: one.path)) for some in (self._refused, self._partly))
        return Gathered(files, self._added, self._known, refused, tuple(sorted(self._weak)), partly)


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

    def add(self, files: Sequence[Found]) -> Iterator[int]:
        """Add files; yields after each step the number of files that were done in it."""
        ids, refused = _ids(files, self._limits)
        missing = {id_ for each in self._into.values() for id_ in each.ask(ids, refused, len(files))}
        yield len(files) - len(missing)
        new = [file for id_, file in ids.items() if id_ in missing]
        wanted = Wanted(
            together(list(self._encoders.values()), self._needs), self._limits.max_pixels, 1, self._limits.reduce
        )
        for batch in in_batches(opened_files(self._decoders, new, wanted)):
            opened = [one for one in batch if isinstance(one, Opened)]
            self._write(opened, [one for one in batch if isinstance(one, Refused)])
            yield len(batch)

    def _write(self, opened: Sequence["Opened"], refused: Sequence[Refused]) -> None:
        pictures = [one.found.views[:1] for one in opened]
        made = {
            fingerprint: encode_each(encoder, pictures, mirror=fingerprint in self._mirrored)
            for fingerprint, encoder in self._encoders.items()
        }
        for each in self._into.values():
            fingerprint = each.described.encoder
            pairs = made.get(fingerprint, [None] * len(opened))
            looks = [
                joined(seen, {fingerprint: pair}, keypoints=self._needs.keypoints)[0] if pair else None
                for seen, pair in zip(pictures, pairs, strict=True)
            ]
            each.write(opened, refused, looks)


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
