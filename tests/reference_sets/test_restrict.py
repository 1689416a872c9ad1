"""References that the breaker limits to review, and that an operator releases, on Milvus Lite."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from milvus_fixtures import make_set, mirrored, references, unit

from reference_sets.hash_lists.entry import Entry
from reference_sets.hash_lists.importer import Importer
from reference_sets.hash_lists.sets import new_hash_set
from reference_sets.hash_lists.survey import survey
from reference_sets.model import Mirrored, Verify
from reference_sets.restrict import Limited, is_limited, kept, limit, release
from reference_sets.rows import messages
from reference_sets.store import Store, UnknownSet

AT = datetime(2026, 11, 21, 12, 0, 3, 250_000, tzinfo=UTC)
LATER = AT + timedelta(hours=2)


@pytest.fixture
def store(tmp_path):
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


@pytest.fixture
def name(store):
    new = make_set(verify=Verify.SUPPORTS, mirrored=Mirrored.STORED)
    store.create(new)
    store.upsert(new.name, [replace(one, extra={"k": 1}) for one in mirrored(references(unit(3, 4)))])
    return new.name


def rows(store, name):
    return {one.id: one for one in store.references(name)}


def test_a_limited_reference_has_the_ceiling_review_at_a_new_version_and_nothing_else_changes(store, name):
    before = rows(store, name)
    assert limit(store, name, "ref-1", AT) == Limited(there=True, version=3, at=AT)
    after = rows(store, name)
    assert store.describe(name).version == 3
    assert is_limited(after["ref-1"].extra)
    assert not is_limited(before["ref-1"].extra)
    assert after.pop("ref-1") == replace(
        before.pop("ref-1"),
        ceiling="review",
        version=3,
        extra={"k": 1, "breaker": {"capped_at": AT.isoformat(), "before": ""}},
    )
    assert after == before


def test_what_is_limited_is_limited_once_and_whoever_asks_again_gets_the_same_answer(store, name):
    first = limit(store, name, "ref-1", AT)
    assert limit(store, name, "ref-1", LATER) == limit(store, name, "ref-1", LATER, really=False) == first
    assert store.describe(name).version == 3


def test_a_row_of_a_version_that_was_never_published_is_written_again(store, name):
    note = {"breaker": {"capped_at": AT.isoformat(), "before": ""}}
    half_done = replace(rows(store, name)["ref-1"], ceiling="review", extra=note)
    for message in messages([half_done], 3):
        store._database.upsert(store._found(name).collection, message)
    assert store.describe(name).version == 2
    assert limit(store, name, "ref-1", LATER) == Limited(there=True, version=3, at=AT)
    assert store.describe(name).version == 3
    release(store, name, ["ref-1"])
    assert rows(store, name)["ref-1"].ceiling == ""


def test_only_looking_changes_nothing_and_what_is_not_there_is_said_not_to_be(store, name):
    assert limit(store, name, "ref-1", AT, really=False) == Limited(there=True)
    assert limit(store, name, "no-such", AT) == Limited()
    assert store.describe(name).version == 2
    with pytest.raises(UnknownSet):
        limit(store, "no_such_set", "ref-1", AT)


def test_a_released_reference_is_as_it_was_and_is_left_alone_for_as_long_as_the_operator_said(store, name):
    before = rows(store, name)["ref-1"]
    limit(store, name, "ref-1", AT)
    until = int(LATER.timestamp())
    changed, unlimited = release(store, name, ["ref-1", "ref-2", "no-such"], until)
    assert ([one.id for one in changed], unlimited) == (["ref-1", "ref-2"], {"ref-2"})
    assert limit(store, name, "ref-1", AT) == Limited(there=True, quiet_until=until)
    assert limit(store, name, "ref-1", LATER).version == 5
    changed, unlimited = release(store, name, ["ref-1", "ref-2"])
    assert ([one.id for one in changed], unlimited) == (["ref-1"], {"ref-2"})
    assert rows(store, name)["ref-1"] == replace(before, version=6)


def test_a_lower_ceiling_of_a_list_is_neither_changed_nor_released(store, name):
    store.upsert(name, [replace(rows(store, name)["ref-0"], ceiling="nothing")])
    assert limit(store, name, "ref-0", AT) == Limited(there=True)
    assert release(store, name, ["ref-0"]) == ([], {"ref-0"})
    assert rows(store, name)["ref-0"].ceiling == "nothing"


def test_a_ceiling_that_a_list_has_now_replaces_the_breakers(store, name):
    limit(store, name, "ref-1", AT)
    there, facts = rows(store, name)["ref-1"], store.stored(name, ["ref-1"])["ref-1"].facts
    after = kept(replace(there, ceiling="nothing", extra={}), facts, there.extra)
    assert (after.ceiling, is_limited(after.extra), after.extra["k"]) == ("nothing", False, 1)


def test_a_list_that_is_read_again_leaves_the_limit_and_the_wish_for_quiet(store):
    store.create(new_hash_set("listed", exact=True, kind="harmful", category="", severity=50, note=""))
    entries = [Entry("sha256", f"{each:064x}", str(each)) for each in (1, 2, 3)]

    def read(listed):
        return Importer(store, store.describe("listed"), survey(listed, "first", lambda _: None)).run(listed)

    read(entries)
    first, second, third = sorted(rows(store, "listed"), key=lambda id_: rows(store, "listed")[id_].digest)
    limit(store, "listed", first, AT)
    release(store, "listed", [second], int(LATER.timestamp()))
    version = store.describe("listed").version
    done = read(entries)
    assert (done.same, done.changed, store.describe("listed").version) == (3, 0, version)
    read([one._replace(label="new label") for one in entries])
    after = rows(store, "listed")
    assert {after[id_].label for id_ in (first, second, third)} == {"new label"}
    assert (after[first].ceiling, after[second].ceiling) == ("review", "")
    assert limit(store, "listed", second, AT).quiet_until == int(LATER.timestamp())
    assert release(store, "listed", [first])[0][0].ceiling == ""
