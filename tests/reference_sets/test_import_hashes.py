"""An import of hashes that is interrupted, and what a running service sees of it."""

import numpy as np
import pytest
from milvus_fixtures import make_set

from reference_sets.hash_lists import importer as importing
from reference_sets.hash_lists.entry import Entry
from reference_sets.hash_lists.importer import Importer
from reference_sets.hash_lists.sets import new_hash_set, reference
from reference_sets.hash_lists.survey import survey
from reference_sets.in_memory.hash_table import HashTable
from reference_sets.rows import messages
from reference_sets.store import Store
from vectors.errors import StoreError


def entries(number: int) -> list[Entry]:
    rng = np.random.default_rng(number)
    values = [rng.bytes(32).hex() for _ in range(number)]
    return [Entry("pdq", value, value) for value in values]


@pytest.fixture
def store(tmp_path):
    with Store(str(tmp_path / "sets.db")) as opened:
        opened.create(new_hash_set("known", exact=False))
        yield opened


def importer(store: Store, listed: list[Entry]) -> Importer:
    return Importer(store, store.describe("known"), survey(listed, "tests"))


def test_an_interrupted_import_continues_where_it_was(store, monkeypatch):
    monkeypatch.setattr(importing, "AT_ONCE", 10)
    listed, done = entries(35), []

    def interrupt(number: int) -> None:
        done.append(number)
        if len(done) == 2:
            raise KeyboardInterrupt

    first = importer(store, listed)
    with pytest.raises(KeyboardInterrupt):
        first.run(listed, interrupt)
    assert (first.done.added, store.count("known")) == (20, 20)
    second = importer(store, listed).run(listed)
    assert (second.added, second.same, store.count("known")) == (15, 20, 35)


def test_rows_of_a_version_that_was_never_published_are_written_again(store):
    """A process that is killed while it writes leaves rows behind that a running service would never read."""
    listed = entries(3)
    table = HashTable(store)
    bits = np.frombuffer(bytes.fromhex(listed[0].value), np.uint8).reshape(1, -1)
    assert table.find(store.describe("known"), bits, 1) == [[]]
    (row,) = messages([reference(listed[0], "tests")], store.describe("known").version + 1)
    store._database.upsert("known", row)
    again = importer(store, listed).run(listed)
    assert (again.added, again.changed, again.same) == (2, 1, 0)
    assert table.find(store.describe("known"), bits, 1)[0][0].score == 1.0


def test_hashes_do_not_go_into_a_set_of_pictures(store):
    store.create(make_set("pictures"))
    with pytest.raises(StoreError, match="holds pictures"):
        Importer(store, store.describe("pictures"), survey(entries(1), "tests")).run(entries(1))
