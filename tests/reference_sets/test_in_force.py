"""The sets as the service judges by them: whole, fresh enough, and never fewer than it needs."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from milvus_fixtures import FINGERPRINT, make_set, references, unit
from ready import Ready

from embedding.choose import choose
from embedding.probe import probe_vector
from reference_sets.errors import UnknownSet
from reference_sets.in_force import SetsInForce, SetsUnfit, fits
from reference_sets.model import Kind, ReferenceSet, Thresholds
from reference_sets.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


def ours(known: ReferenceSet) -> str | None:
    return None if known.encoder == FINGERPRINT else f"{known.name} is of another encoder"


class Counting:
    """A store that counts how often it is asked, and can be changed between two readings."""

    def __init__(self, *sets: ReferenceSet):
        self.known, self.unreadable, self.asked, self.references = list(sets), [], 0, 1

    def listing(self):
        self.asked += 1
        return SimpleNamespace(sets=tuple(self.known), unreadable=tuple(self.unreadable))

    def count(self, name: str) -> int:
        if name not in {known.name for known in self.known}:
            raise UnknownSet(name, "here")
        return self.references

    def damage(self, name: str):
        self.known = [known for known in self.known if known.name != name]
        self.unreadable.append(SimpleNamespace(name=name, why=f"{name} is damaged"))


def names(snapshot):
    return [known.name for known in snapshot.sets]


def test_all_sets_are_in_force_when_none_is_named_and_only_the_named_ones_otherwise(store: Store):
    for name in ("alpha", "beta", "gamma"):
        store.create(make_set(name))
    assert names(SetsInForce(store, [], ours, 0).read()) == ["alpha", "beta", "gamma"]
    assert sorted(names(SetsInForce(store, ["gamma", "alpha"], ours, 0).read())) == ["alpha", "gamma"]


def test_version_and_thresholds_of_a_change_come_together(store: Store):
    store.create(make_set("alpha"))
    in_force = SetsInForce(store, [], ours, 0)
    before = in_force.read()
    store.upsert("alpha", references(unit(1, 1)))
    store.change("alpha", thresholds=Thresholds(0.5, 0.6))
    (after,) = in_force.read().sets
    assert (after.version, after.thresholds) == (3, Thresholds(0.5, 0.6))
    assert before.sets[0].version == 1


def test_milvus_is_asked_once_while_a_snapshot_is_good_however_many_threads_read():
    counting = Counting(make_set("alpha"))
    in_force = SetsInForce(counting, [], ours, 3600)
    threads = [threading.Thread(target=in_force.read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.asked == 1
    assert in_force.read(fresh=True) is not None
    assert counting.asked == 2
    always = SetsInForce(counting, [], ours, 0)
    always.read()
    always.read()
    assert counting.asked == 4


def test_at_the_start_nothing_is_skipped():
    counting = Counting(make_set("alpha"), make_set("beta", encoder="pdq:other"))
    with pytest.raises(SetsUnfit, match="beta is of another encoder"):
        SetsInForce(counting, [], ours, 0).read()
    assert names(SetsInForce(counting, ["alpha"], ours, 0).read()) == ["alpha"]
    counting.damage("beta")
    with pytest.raises(SetsUnfit, match="beta is damaged"):
        SetsInForce(counting, [], ours, 0).read()


def test_a_named_set_that_is_missing_and_a_database_without_sets_name_the_fix(store: Store):
    with pytest.raises(SetsUnfit, match=r"names nowhere, which does not exist.*`vigilens sets create nowhere`"):
        SetsInForce(store, ["nowhere"], ours, 0).read()
    with pytest.raises(SetsUnfit, match="there is no set to match against"):
        SetsInForce(store, [], ours, 0).read()


def test_a_set_that_comes_later_and_does_not_fit_is_skipped_and_reported_once(caplog):
    counting = Counting(make_set("alpha"))
    in_force = SetsInForce(counting, [], ours, 0)
    in_force.read()
    counting.known.append(make_set("beta", encoder="pdq:other"))
    counting.damage("gamma")
    for _ in range(3):
        snapshot = in_force.read()
    assert names(snapshot) == ["alpha"]
    assert snapshot.skipped == {"beta": "beta is of another encoder", "gamma": "gamma is damaged"}
    assert sorted(record.fields["set"] for record in caplog.records) == ["beta", "gamma"]
    counting.known[1] = make_set("beta")
    assert names(in_force.read()) == ["alpha", "beta"]


def test_a_set_that_was_judged_by_is_waited_for_even_if_it_was_gone_for_a_while(caplog):
    counting = Counting(make_set("alpha"), make_set("beta"))
    in_force = SetsInForce(counting, [], ours, 0)
    in_force.read()
    beta = counting.known.pop()
    assert names(in_force.read()) == ["alpha"]
    assert [(record.levelname, record.fields) for record in caplog.records] == [("WARNING", {"set": "beta"})]
    counting.known.append(replace(beta, encoder="pdq:other"))
    with pytest.raises(SetsUnfit, match="beta is of another encoder"):
        in_force.read()


def test_a_start_without_a_harmful_set_is_a_warning(caplog):
    SetsInForce(Counting(make_set("fine", kind=Kind.ALLOW)), [], ours, 0).read()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no set is harmful" in caplog.text


@pytest.mark.parametrize("named", [[], ["alpha", "beta"]])
def test_a_set_that_was_judged_by_and_cannot_be_read_any_more_is_waited_for(named):
    counting = Counting(make_set("alpha"), make_set("beta"))
    in_force = SetsInForce(counting, named, ours, 0)
    in_force.read()
    whole = list(counting.known)
    for spoilt in (replace(whole[1], encoder="pdq:other"), None):
        if spoilt:
            counting.known[1] = spoilt
        else:
            counting.damage("beta")
        for _ in range(2):
            with pytest.raises(SetsUnfit, match="beta is"):
                in_force.read()
    counting.known, counting.unreadable = whole, []
    assert names(in_force.read()) == ["alpha", "beta"]


def test_a_set_that_was_dropped_is_gone_unless_the_settings_name_it():
    for named, gone in (([], True), (["alpha", "beta"], False)):
        counting = Counting(make_set("alpha"), make_set("beta"))
        in_force = SetsInForce(counting, named, ours, 0)
        in_force.read()
        del counting.known[1]
        if gone:
            assert names(in_force.read()) == ["alpha"]
        else:
            with pytest.raises(SetsUnfit, match="names beta, which does not exist"):
                in_force.read()


def test_without_the_last_harmful_set_nothing_is_judged_until_there_is_one_again():
    counting = Counting(make_set("alpha"), make_set("fine", kind=Kind.ALLOW))
    in_force = SetsInForce(counting, [], ours, 0)
    in_force.read()
    (harmful, *others) = counting.known
    counting.known, counting.references = [replace(harmful, version=2), *others], 0  # emptied on purpose
    assert names(in_force.read()) == ["alpha", "fine"]
    counting.known = others
    for _ in range(2):
        with pytest.raises(SetsUnfit, match="no harmful set is left"):
            in_force.read()
    counting.known = []
    with pytest.raises(SetsUnfit, match="there is no set"):
        in_force.read()
    counting.known, counting.references = [replace(harmful, version=1)], 0
    with pytest.raises(SetsUnfit, match="no harmful set is left"):  # created again, but still empty
        in_force.read()
    counting.references = 1
    counting.known = [replace(harmful, version=2)]
    assert names(in_force.read()) == ["alpha"]


def test_a_set_that_is_dropped_before_its_references_are_counted_is_gone():
    counting = Counting(make_set("alpha"), make_set("beta"))

    def fits_until_beta_is_dropped(known: ReferenceSet) -> str | None:
        counting.known = [each for each in counting.known if each.name != "beta"]
        return ours(known)

    assert names(SetsInForce(counting, [], fits_until_beta_is_dropped, 0).read()) == ["alpha"]
    assert counting.asked == 2


def test_a_set_fits_an_encoder_by_its_fingerprint_and_by_the_vector_of_the_probe_picture():
    pdq = choose("pdq")
    probe = probe_vector(pdq)
    known = make_set("alpha", encoder=pdq.fingerprint, dimension=pdq.dimension, probe=tuple(probe.tolist()))
    why = fits(Ready(pdq))
    assert why(known) is None
    assert "made by another encoder" in why(replace(known, encoder="words:0"))
    assert "sets.use" in why(replace(known, encoder="words:0"))
    assert "has vectors of 128 values" in why(replace(known, dimension=128))
    other = tuple(np.roll(probe, 7).tolist())
    assert "no longer gives the packaged probe picture the vector that it gave when the set alpha was made" in why(
        replace(known, probe=other)
    )


def test_a_set_does_not_fit_an_encoder_that_raises_for_the_probe_picture_as_long_as_it_does():
    pdq, faults = choose("pdq"), [MemoryError("cannot allocate"), None]

    class Failing:
        """PDQ, which raises the first time."""

        name, fingerprint, dimension, needs = "pdq", pdq.fingerprint, pdq.dimension, pdq.needs

        def encode(self, prepared):
            if fault := faults.pop(0):
                raise fault
            return pdq.encode(prepared)

    why = fits(Ready(Failing()))
    probe = tuple(probe_vector(pdq).tolist())
    known = make_set("alpha", encoder=pdq.fingerprint, dimension=pdq.dimension, probe=probe)
    assert "of the set alpha fails for the packaged probe picture: MemoryError: cannot allocate" in why(known)
    assert why(known) is None
