"""A reference is found by its file's digest, wherever a search would rank it, and as the set is now."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from milvus_fixtures import make_set, references, unit

from reference_sets.in_memory.constants import EXACT, IN_MEMORY
from reference_sets.in_memory.digest_table import DigestTable
from reference_sets.model import Reference
from reference_sets.rows import Stored
from reference_sets.store import Store


def digest(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def some(first: int, number: int, label: str = "") -> list[Reference]:
    rows = references(unit(number, first), f"ref-{first}{label}")
    return [replace(one, digest=digest(first + place)) for place, one in enumerate(rows)]


class Counting:
    """A store that counts the digests and the rows that are read from it."""

    def __init__(self, store: Store):
        self._store = store
        self.digests = self.rows = 0

    def digests_since(self, name: str, version: int) -> Iterator[list[tuple[str, str]]]:
        for part in self._store.digests_since(name, version):
            self.digests += len(part)
            yield part

    def stored(self, name: str, ids: list[str]) -> dict[str, Stored]:
        self.rows += len(ids)
        return self._store.stored(name, ids)

    def count(self, name: str) -> int:
        return self._store.count(name)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(str(tmp_path_factory.mktemp("digests") / "sets.db")) as store:
        yield store


@pytest.fixture
def store(opened: Store) -> Iterator[Store]:
    opened.create(make_set("alpha"))
    opened.upsert("alpha", some(0, 300))
    yield opened
    opened.drop("alpha")


def labels(table: DigestTable, store: Store, *numbers: int) -> dict[int, list[str]]:
    found = table.find(store.describe("alpha"), [digest(number) for number in numbers])
    return {number: [one.label for one in found[digest(number)]] for number in numbers if digest(number) in found}


def test_any_of_many_references_is_found_and_nothing_else(store: Store):
    table = DigestTable(store)
    assert labels(table, store, 0, 299, 300, 7_000) == {0: ["label 0"], 299: ["label 299"]}
    assert table.find(store.describe("alpha"), []) == {}


def test_references_that_are_added_are_read_without_reading_the_others_again(store: Store):
    counting = Counting(store)
    table = DigestTable(counting)
    assert labels(table, store, 500) == {}
    store.upsert("alpha", some(500, 2))
    assert labels(table, store, 0, 501) == {0: ["label 0"], 501: ["label 1"]}
    assert (counting.digests, counting.rows) == (302, 2)
    assert labels(table, store, 0, 501) == {0: ["label 0"], 501: ["label 1"]}
    assert (counting.digests, counting.rows) == (302, 2)


def test_a_reference_that_is_removed_is_not_found_any_more(store: Store):
    counting = Counting(store)
    table = DigestTable(counting)
    assert labels(table, store, 0, 1) == {0: ["label 0"], 1: ["label 1"]}
    store.delete("alpha", ["ref-0-0"])
    assert labels(table, store, 0, 1) == {1: ["label 1"]}
    assert counting.digests == 300  # nothing is read again for a few that were removed
    store.upsert("alpha", some(0, 1))
    assert labels(table, store, 0, 1) == {0: ["label 0"], 1: ["label 1"]}


def test_one_file_with_two_labels_is_found_as_both_until_the_last_is_removed(store: Store):
    table = DigestTable(store)
    (again,) = some(0, 1, "again")
    store.upsert("alpha", [replace(again, label="another label", ceiling="review")])
    found = table.find(store.describe("alpha"), [digest(0)])
    facts = [(one.label, one.facts.ceiling) for one in found[digest(0)]]
    assert facts == [("label 0", ""), ("another label", "review")]
    store.delete("alpha", ["ref-0-0"])
    assert labels(table, store, 0) == {0: ["another label"]}


@pytest.mark.parametrize("more", [0, 3])
def test_a_set_that_was_dropped_and_created_again_is_read_anew(store: Store, more: int):
    """Also if it has as many versions again, or more, when it is looked at the next time."""
    table = DigestTable(store)
    assert labels(table, store, 0, 1) == {0: ["label 0"], 1: ["label 1"]}
    before = store.describe("alpha").version
    store.drop("alpha")
    store.create(make_set("alpha"))
    for number in range(1 + more):
        store.upsert("alpha", some(600 + number, 1))
    assert store.describe("alpha").version == before + more
    assert labels(table, store, 0, 1, 600) == {600: ["label 0"]}


def test_a_reference_without_a_digest_is_never_found(store: Store):
    store.upsert("alpha", references(unit(1, 9), "bare"))
    found = DigestTable(store).find(store.describe("alpha"), [hashlib.sha256(b"").hexdigest()])
    assert found == {}


def test_only_the_first_half_of_a_digest_being_the_same_is_not_enough(store: Store):
    alike = digest(3)[:32] + "0" * 32
    assert DigestTable(store).find(store.describe("alpha"), [alike]) == {}


def test_a_reference_whose_id_begins_with_its_digest_is_found_like_any_other(store: Store):
    """These are the ids that Vigilens makes; exports of other programs may have any."""
    (one,) = some(900, 1)
    store.upsert("alpha", [replace(one, id=f"{one.digest}-0123456789abcdef"), replace(one, id=f"{one.digest}-fed")])
    found = DigestTable(store).find(store.describe("alpha"), [one.digest])
    assert [each.id for each in found[one.digest]] == [f"{one.digest}-0123456789abcdef", f"{one.digest}-fed"]


def test_an_exact_list_is_asked_for_all_digests_of_a_file_and_a_list_of_perceptual_hashes_for_none(store: Store):
    lists = {"exact": EXACT, "pdq": "pdq:0123456789abcdef"}
    for name, encoder in lists.items():
        store.create(make_set(name, encoder=encoder, dimension=2, probe=(1.0, 0.0), index=IN_MEMORY))
    md5, sha1, sha256 = (hashlib.new(each, b"a file").hexdigest() for each in ("md5", "sha1", "sha256"))
    known = [Reference(f"{each}-{'0' * 16}", "", (1.0, 0.0), digest=each) for each in (md5, sha1, sha256)]
    store.upsert("exact", known)
    store.upsert("pdq", known[2:])
    table = DigestTable(store)
    assert table.find(store.describe("exact"), [md5, sha1, sha256, md5[:31] + "0"]).keys() == {md5, sha1, sha256}
    assert table.find(store.describe("pdq"), [md5, sha1, sha256]) == {}
    for name in lists:
        store.drop(name)
