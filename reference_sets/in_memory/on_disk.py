"""Copies of the hashes of large sets in files, so that a service that starts need not read them all from Milvus.

A copy belongs to one version of a set. What was written since is read and added, as to hashes that were in memory. The
file is mapped into memory, so the processes of a machine share it. It is not trusted: another owner, another set, a
wrong digest or another number of references than Milvus counts, and everything is read again.
"""

import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from reference_sets.in_memory.hashes import BYTES, Bits, Block, Hashes
from reference_sets.model import ReferenceSet

log = logging.getLogger(__name__)

LEAST = 100_000  # rows; fewer are read within a few seconds
_FORMAT = "vigilens hashes 1"
_PART, _WRITTEN_S = ".part", 3600.0  # end of the name of a copy that is being written, which takes seconds
_PAGE = 4096  # bytes; the hashes begin at a multiple


class OnDisk:
    """The copies in one folder. Safe to use from several threads and processes.

    Args:
        folder: it is made if it is not there.
        place: the Milvus that the sets are in: its address and database.
        least: sets with fewer references are not copied.
    """

    def __init__(self, folder: Path, place: str, least: int = LEAST) -> None:
        self._folder, self._place, self._least = folder, place, least

    def load(self, known: ReferenceSet) -> tuple[int, Hashes] | None:
        """Return the copy of a set and its version, if there is one that can be used."""
        path = self._path(known)
        try:
            with _opened(path) as file:
                return _read(file, self._of(known))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the copy of a set's hashes in %s cannot be used: %s; they are read from Milvus", path, error)
            return None

    def save(self, known: ReferenceSet, version: int, hashes: Hashes, before: Hashes) -> Hashes:
        """Write a copy, if the base is another than before; returns the hashes, with the copy as their base."""
        if hashes.base is before.base or len(hashes.base.bits) < self._least or not known.created:
            return hashes
        path = self._path(known)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(path, self._of(known) | {"version": version}, hashes)
        except OSError as error:
            log.warning("the hashes of the set %s cannot be copied to %s: %s", known.name, path, error)
            return hashes
        self._remove_former(known, path)
        copied = self.load(known)
        return replace(hashes, base=copied[1].base) if copied and copied[0] == version else hashes

    def _remove_former(self, known: ReferenceSet, path: Path) -> None:
        """Remove copies of sets of this name that were dropped, and what a process left that was killed."""
        for each in self._folder.glob(f"{known.name}-*"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if each.suffix == _PART:
                    gone = each.stat().st_mtime < time.time() - _WRITTEN_S
                else:
                    with _opened(each) as file:
                        facts = _checked(file)["facts"]
                    gone = each != path and (facts["place"], facts["set"]) == (self._place, known.name)
                if gone:
                    each.unlink()

    def _of(self, known: ReferenceSet) -> dict[str, Any]:
        return {"format": _FORMAT, "place": self._place, "set": known.name, "created": known.created}

    def _path(self, known: ReferenceSet) -> Path:
        key = hashlib.sha256(json.dumps(self._of(known)).encode()).hexdigest()
        return self._folder / f"{known.name}-{key[:16]}.hashes"


def _read(file: BinaryIO, of: Mapping[str, Any]) -> tuple[int, Hashes]:
    header, about = _checked(file), os.fstat(file.fileno())
    facts, rows, tail = header["facts"], header["facts"]["rows"], header["facts"]["tail"]
    if {key: facts[key] for key in of} != of:
        raise ValueError("it is of another set")
    start = _page(file.tell())
    if about.st_size != start + rows * (BYTES + tail):
        raise ValueError("it is not complete")
    data = np.memmap(file, np.uint8, "r", start)
    if header["digest"] != _digest(facts, data):
        raise ValueError("its digest is wrong")
    bits, tails = data[: rows * BYTES].reshape(rows, BYTES), data[rows * BYTES :].reshape(rows, tail)
    base = Block(bits.view(np.ndarray), tails.view(np.ndarray))
    odd = {bytes.fromhex(key): id_ for key, id_ in facts["odd"].items()}
    return facts["version"], Hashes(base, Block(base.bits[:0], base.tails[:0]), odd=odd)


def _opened(path: Path) -> BinaryIO:
    """Open a file. A pipe that somebody put there is not waited for."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")


def _checked(file: BinaryIO) -> dict[str, Any]:
    """Return the header of a copy, if only this user can write it."""
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no file")
    if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("others can write it")
    return dict(json.loads(file.readline(about.st_size)))


def _write(path: Path, of: Mapping[str, Any], hashes: Hashes) -> None:
    base = hashes.base
    facts = {**of, "rows": len(base.bits), "tail": base.tails.shape[1]}
    facts["odd"] = {key.hex(): id_ for key, id_ in hashes.odd.items()}
    parts = [np.ascontiguousarray(one).reshape(-1) for one in base]
    head = json.dumps({"digest": _digest(facts, *parts), "facts": facts}).encode() + b"\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=_PART)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(head.ljust(_page(len(head)), b"\0"))
            for part in parts:
                file.write(part.data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _digest(facts: Mapping[str, Any], *parts: Bits) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for part in parts:
        digest.update(part.data)
    return digest.hexdigest()


def _page(size: int) -> int:
    """Return the size in whole pages."""
    return -(-size // _PAGE) * _PAGE
