"""A process that starts takes the hashes of large sets from a file, if they are those of the set."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from milvus_fixtures import make_set

from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.in_memory.hash_table import HashTable
from reference_sets.in_memory.hashes import OF_LIST, Hashes, Rows
from reference_sets.in_memory.on_disk import OnDisk
from reference_sets.model import Reference
from reference_sets.store import Store

HASHES = np.random.default_rng(8).integers(0, 256, (80, 32), dtype=np.uint8)


def known(number: int) -> Reference:
    text = HASHES[number].tobytes().hex()
    return Reference(f"{text}-{number:016x}", f"label {number}", (1.0, 0.0), digest=text)


class Reading(Store):
    """Notes from which versions on it was read."""

    def digests_since(self, name: str, version: int) -> Iterator[list[tuple[str, str]]]:
        self.__dict__.setdefault("read", []).append(version)
        return super().digests_since(name, version)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    with Reading(str(tmp_path_factory.mktemp("hashes") / "sets.db")) as store:
        yield store


@pytest.fixture
def store(opened: Reading) -> Iterator[Reading]:
    fill(opened)
    yield opened
    opened.drop("hashes")


def fill(store: Store) -> None:
    store.create(make_set("hashes", dimension=2, probe=(1.0, 0.0), index=IN_MEMORY))
    store.upsert("hashes", [known(number) for number in range(50)])
    store.upsert("hashes", [replace(known(number), id=f"case-{number}") for number in range(50, 60)])


def found(store: Store, folder: Path) -> tuple[set[int], bool]:
    """What a process that starts finds of all hashes, by number; and whether it read the whole set from Milvus."""
    read = store.__dict__.setdefault("read", [])
    read.clear()
    near = HashTable(store, OnDisk(folder, "here", 1)).find(store.describe("hashes"), HASHES, 1)
    return {number for number, (one,) in enumerate(near) if one.score == 1}, 0 in read


def test_a_process_that_starts_reads_only_what_was_written_since(store: Reading, tmp_path: Path):
    assert found(store, tmp_path) == (set(range(60)), True)
    assert found(store, tmp_path) == (set(range(60)), False)
    (copy,) = tmp_path.iterdir()
    written = copy.stat().st_mtime_ns
    store.upsert("hashes", [known(number) for number in (3, 70, 71)])
    assert found(store, tmp_path) == ({*range(60), 70, 71}, False)
    store.delete("hashes", [known(5).id, known(70).id, "case-55"])
    assert found(store, tmp_path) == ({*range(60), 71} - {5, 55}, False)
    store.upsert("hashes", [known(5), replace(known(72), id="case-50")])
    assert found(store, tmp_path) == ({*range(60), 71, 72} - {55, 50}, False)
    assert copy.stat().st_mtime_ns == written


def test_processes_share_the_memory_of_one_copy(store: Reading, tmp_path: Path):
    found(store, tmp_path)
    loaded = OnDisk(tmp_path, "here", 1).load(store.describe("hashes"))
    assert loaded
    assert loaded[0] == store.describe("hashes").version
    assert isinstance(loaded[1].base.bits.base, np.memmap)
    assert not loaded[1].base.bits.flags.writeable


def cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-1])


def damaged(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[-900] ^= 1
    copy.write_bytes(content)


def nothing(copy: Path) -> None:
    copy.write_bytes(b"")


def renumbered(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes().replace(b'"version": 3', b'"version": 2', 1))


def writable_by_others(copy: Path) -> None:
    copy.chmod(0o622)


def test_a_copy_that_was_spoilt_is_not_used(store: Reading, tmp_path: Path):
    found(store, tmp_path)
    (copy,) = tmp_path.iterdir()
    assert b'"version": 3' in copy.read_bytes()
    for spoil in (cut, damaged, nothing, renumbered, writable_by_others):
        spoil(copy)
        assert found(store, tmp_path) == (set(range(60)), True), spoil
        assert found(store, tmp_path) == (set(range(60)), False)


def test_a_copy_of_another_set_or_another_milvus_is_not_used(store: Reading, tmp_path: Path):
    found(store, tmp_path)
    (old,) = tmp_path.iterdir()
    content = old.read_bytes()
    store.drop("hashes")
    fill(store)
    assert found(store, tmp_path) == (set(range(60)), True)
    (new,) = set(tmp_path.iterdir()) - {old}
    new.write_bytes(content)
    assert found(store, tmp_path) == (set(range(60)), True)
    assert OnDisk(tmp_path, "here", 1).load(store.describe("hashes"))
    assert OnDisk(tmp_path, "elsewhere", 1).load(store.describe("hashes")) is None


def test_a_copy_that_has_other_rows_than_the_set_at_its_version_is_not_used(store: Reading, tmp_path: Path):
    described, disk = store.describe("hashes"), OnDisk(tmp_path, "here", 1)
    whole = HashTable(store)._lists.of(described)
    first, second, last = (whole.base.key(row) for row in (0, 1, 59))
    another = Rows([known(75).id], HASHES[75:76])
    for version, other in (
        (described.version, whole.without([first])),
        (described.version + 1, whole.without([first, second])),
        (described.version, whole.without([last]).with_rows([another])),  # as if a backup was restored
    ):
        disk.save(described, version, other.in_one(), Hashes.empty(OF_LIST))
        assert found(store, tmp_path) == (set(range(60)), True)


def test_a_folder_that_cannot_be_written_costs_only_the_copy(store: Reading, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    for _ in range(2):
        assert found(store, tmp_path / "file") == (set(range(60)), True)


def test_copies_of_sets_that_were_dropped_and_what_a_killed_process_left_are_removed(store: Reading, tmp_path: Path):
    found(store, tmp_path)
    left, written = tmp_path / "hashes-0.hashesxyz.part", tmp_path / "hashes-0.hashesabc.part"
    for each in (left, written):
        each.write_bytes(b"half")
    os.utime(left, (1, 1))
    OnDisk(tmp_path, "elsewhere", 1).save(store.describe("hashes"), 1, whole(store), Hashes.empty(OF_LIST))
    os.mkfifo(tmp_path / "hashes-1.hashes")
    assert len(list(tmp_path.iterdir())) == 4  # the copies of two Milvus, one that is being written, and a pipe
    store.drop("hashes")
    fill(store)
    found(store, tmp_path)
    assert not left.exists()
    assert len(list(tmp_path.iterdir())) == 4


def test_a_pipe_in_the_place_of_a_copy_is_not_waited_for(store: Reading, tmp_path: Path):
    found(store, tmp_path)
    (copy,) = tmp_path.iterdir()
    copy.unlink()
    os.mkfifo(copy)
    assert found(store, tmp_path) == (set(range(60)), True)


def whole(store: Store) -> Hashes:
    return HashTable(store)._lists.of(store.describe("hashes"))
