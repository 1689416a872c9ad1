"""Thresholds of the check that an earlier version wrote are carried over; those of a later one are never guessed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import inf, nextafter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from milvus_fixtures import FINGERPRINT, features, make_set, references, unit

from reference_sets import parquet as exchange
from reference_sets.check_scales import _TABLES, carried_over
from reference_sets.description import from_facts, to_facts
from reference_sets.errors import DamagedSet, NewerSet
from reference_sets.in_force import SetsInForce, SetsUnfit
from reference_sets.model import CHECK, CHECK_VERSION, CheckThresholds, RecordedCheck, ReferenceSet, Verify
from reference_sets.store import Store, StoreError

HIGHEST = 64 / 70  # the score of an identical picture in scale 1
OLD = {"vigilens.check_review": "0.35", "vigilens.check_block": repr(HIGHEST), "vigilens.check_version": "1"}
CARRIED = CheckThresholds(carried_over(0.35, 1), 1.0)
NEWER = {"vigilens.check_version": str(CHECK_VERSION + 1)}
THREE = ("vigilens.check_review", "vigilens.check_block", "vigilens.check_version")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


def made(store: Store, name: str, properties: dict[str, str]) -> ReferenceSet:
    """A set that checks, with one reference, as another version describes it."""
    new = make_set(name, verify=Verify.REQUIRED)
    store.create(new)
    store.upsert(name, [replace(one, features=features(one.id)) for one in references(unit(1, 1))])
    store._database.alter(name, {"vigilens.needs": "", **properties})
    return new


def stored(store: Store, name: str) -> dict[str, str]:
    return store._database.properties(name)


def fits(known: ReferenceSet) -> str | None:
    return None if known.encoder == FINGERPRINT else "another encoder"


def test_every_earlier_scale_is_carried_over_in_order_from_nothing_to_an_identical_picture():
    assert _TABLES.keys() == set(range(1, CHECK_VERSION))
    for version, rows in _TABLES.items():
        assert (rows[0], rows[-1][1]) == ((0, 0), 1)
        assert all(low[0] < high[0] and low[1] < high[1] for low, high in pairwise(rows))
        steps = {number * rows[-1][0] / 5000 for number in range(5001)}
        near = {nextafter(score, to) for score, _ in rows for to in (-inf, score, inf)}
        scores = sorted(score for score in steps | near if 0 <= score <= rows[-1][0])
        results = [carried_over(score, version) for score in scores]
        assert results == sorted(results)
        assert [carried_over(score, version) for score, _ in rows] == [score for _, score in rows]
        for score in (-1e-9, nextafter(rows[-1][0], inf)):
            with pytest.raises(ValueError, match=f"scores of scale {version} are 0 to "):
                carried_over(score, version)
    assert carried_over(HIGHEST, 1) == 1
    assert carried_over(0.123, CHECK_VERSION) == 0.123


def test_the_default_thresholds_of_scale_1_are_carried_over_to_the_defaults():
    assert CheckThresholds(carried_over(0.3, 1), carried_over(0.6, 1)) == CHECK
    facts = to_facts(make_set("alpha"))
    for key in ("check_review", "check_block"):
        del facts[key]
    assert from_facts("alpha", facts).check == CHECK
    del facts["check_version"]
    assert (from_facts("alpha", facts).check, from_facts("alpha", facts).recorded_check) == (
        CHECK,
        RecordedCheck(0.3, 0.6, 1),
    )


@pytest.mark.parametrize("block", ["0.92", "-0.1", "0.3"])
def test_thresholds_that_were_wrong_in_their_own_scale_are_damage_in_this_one_too(block: str):
    facts = to_facts(make_set("alpha")) | {"check_review": "0.35", "check_block": block, "check_version": "1"}
    with pytest.raises(
        DamagedSet, match=r"check_review and check_block do not fit: .*--check-review R --check-block B"
    ):
        from_facts("alpha", facts)


def test_a_set_of_an_earlier_version_is_judged_by_with_its_thresholds_carried_over(store: Store):
    made(store, "alpha", OLD)
    (known,) = SetsInForce(store, [], fits, 0).read().sets
    assert known.check == store.describe("alpha").check == CARRIED
    assert known.recorded_check == RecordedCheck(0.35, HIGHEST, 1)
    store._database.remove_properties("alpha", ["vigilens.check_version"])
    assert store.describe("alpha").check == CARRIED


def test_changes_that_set_no_threshold_of_the_check_leave_all_three_properties_as_they_were(store: Store):
    made(store, "alpha", OLD)
    assert store.change("alpha", severity=70).check == CARRIED
    store.upsert("alpha", [replace(one, features=features("x")) for one in references(unit(1, 2), "more")])
    store.delete("alpha", ["ref-0"])
    assert {key: stored(store, "alpha")[key] for key in THREE} == OLD
    assert stored(store, "alpha")["vigilens.needs"] == ""  # versions that know no other scale still read it rightly


def test_a_change_of_the_thresholds_writes_both_and_their_scale_and_versions_that_know_no_other_refuse(store: Store):
    made(store, "alpha", OLD)
    changed = store.change("alpha", check=CheckThresholds(0.5, CARRIED.block))
    assert (changed.check, changed.recorded_check) == (CheckThresholds(0.5, 1.0), None)
    assert [stored(store, "alpha")[key] for key in THREE] == ["0.5", "1.0", "2"]
    assert stored(store, "alpha")["vigilens.needs"] == "check_version"


def test_a_new_set_is_of_the_present_scale_and_says_that_it_needs_it(store: Store):
    store.create(make_set("alpha"))
    assert stored(store, "alpha")["vigilens.check_version"] == str(CHECK_VERSION)
    assert stored(store, "alpha")["vigilens.needs"] == "check_version"
    assert store.describe("alpha").recorded_check is None


def test_a_set_of_a_later_scale_is_refused_with_the_fix_and_changed_by_nothing_else(store: Store):
    made(store, "alpha", NEWER | {"vigilens.severity": "9999"})
    sentence = (
        "^the set alpha needs scale 3 of the check's scores, which this version of Vigilens does not know: .*; use the "
        "version that made it, set the check's thresholds again with `vigilens sets thresholds alpha --check-review R "
        "--check-block B`, or name the other sets in sets.use$"
    )
    before = stored(store, "alpha")
    with pytest.raises(NewerSet, match=sentence):
        store.describe("alpha")
    with pytest.raises(NewerSet, match=sentence):
        store.change("alpha", severity=70)
    with pytest.raises(NewerSet, match=sentence):
        store.upsert("alpha", references(unit(1, 2), "more"))
    assert {key: value for key, value in stored(store, "alpha").items() if "claim" not in key} == before
    with pytest.raises(DamagedSet, match="severity"):  # what is left to repair
        store.change("alpha", check=CheckThresholds(0.3, 0.5))
    assert store.change("alpha", severity=70).check == CheckThresholds(0.3, 0.5)


def test_a_damaged_scale_is_repaired_by_setting_the_thresholds_and_hides_no_other_change(store: Store):
    made(store, "alpha", {"vigilens.check_version": "two"})
    with pytest.raises(DamagedSet, match="check_version is "):
        store.change("alpha", severity=70)
    repaired = store.change("alpha", check=CheckThresholds(0.3, 0.5))
    assert (repaired.severity, repaired.check) == (70, CheckThresholds(0.3, 0.5))


def test_the_service_does_not_start_with_a_set_of_a_later_scale_and_outlives_one_that_comes_later(store: Store, caplog):
    made(store, "alpha", {})
    in_force = SetsInForce(store, [], fits, 0)
    assert [known.name for known in in_force.read().sets] == ["alpha"]
    made(store, "beta", NEWER)
    snapshot = in_force.read()
    assert [known.name for known in snapshot.sets] == ["alpha"]
    assert "the set beta needs scale 3 of the check's scores" in snapshot.skipped["beta"]
    assert [record.fields["set"] for record in caplog.records] == ["beta"]
    with pytest.raises(SetsUnfit, match="the set beta needs scale 3"):
        SetsInForce(store, [], fits, 0).read()
    assert [known.name for known in SetsInForce(store, ["alpha"], fits, 0).read().sets] == ["alpha"]
    store.change("beta", check=CheckThresholds(0.3, 0.5))
    assert [known.name for known in in_force.read().sets] == ["alpha", "beta"]


def test_the_service_waits_for_a_set_that_it_judged_by_and_that_is_of_a_later_scale_now(store: Store):
    for name in ("alpha", "beta"):
        made(store, name, {})
    in_force = SetsInForce(store, [], fits, 0)
    in_force.read()
    store._database.alter("beta", NEWER)
    with pytest.raises(SetsUnfit, match="the set beta needs scale 3"):
        in_force.read()


def test_a_set_of_an_earlier_scale_is_exported_in_the_present_one(store: Store, tmp_path: Path):
    made(store, "alpha", OLD)
    file = tmp_path / "alpha.parquet"
    exchange.write(store, "alpha", file)
    text = json.loads(pq.read_schema(file).metadata[exchange.DESCRIPTION])
    assert [text[key.removeprefix("vigilens.")] for key in THREE] == [repr(CARRIED.review), "1.0", "2"]
    assert text["needs"] == "check_version"
    done = exchange.read(store, file, name="beta")
    assert (done.set.check, done.set.recorded_check) == (CARRIED, None)


def test_a_file_of_an_earlier_scale_is_imported_in_the_present_one_and_one_of_a_later_scale_is_refused(
    store: Store, tmp_path: Path
):
    made(store, "alpha", {})
    exchange.write(store, "alpha", tmp_path / "alpha.parquet")
    table = pq.read_table(tmp_path / "alpha.parquet")
    text = json.loads(table.schema.metadata[exchange.DESCRIPTION])

    def described(properties: dict[str, str]) -> Path:
        facts = text | {key.removeprefix("vigilens."): value for key, value in properties.items()}
        file = tmp_path / "other.parquet"
        pq.write_table(table.replace_schema_metadata({exchange.DESCRIPTION: json.dumps(facts)}), file)
        return file

    done = exchange.read(store, described(OLD | {"vigilens.needs": ""}), name="beta")
    assert (done.set.check, done.set.recorded_check) == (CARRIED, None)
    assert [stored(store, "beta")[key] for key in THREE] == [repr(CARRIED.review), "1.0", "2"]
    assert exchange.read(store, described(OLD), name="alpha").set.check == CHECK  # a set keeps its own thresholds
    with pytest.raises(StoreError, match=r"other\.parquet cannot be imported: .* scale 3 .*; use the version that exp"):
        exchange.read(store, described(NEWER), name="gamma")
    assert [known.name for known in store.sets()] == ["alpha", "beta"]
