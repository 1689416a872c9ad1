"""Background sets among the sets in force: never judged by, and there for the sets that name them."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from milvus_fixtures import FINGERPRINT, make_set

from reference_sets.errors import UnknownSet
from reference_sets.in_force import SetsInForce, SetsUnfit
from reference_sets.model import Kind, ReferenceSet

STRANGERS = make_set("strangers", kind=Kind.BACKGROUND)
SPAM = make_set("spam", background="strangers", background_k=3)


def ours(known: ReferenceSet) -> str | None:
    return None if known.encoder == FINGERPRINT else f"{known.name} is of another encoder"


class Kept:
    """A store whose sets and their sizes can be changed between two readings."""

    def __init__(self, *sets: ReferenceSet):
        self.known, self.unreadable, self.sizes, self.counted = list(sets), {}, {}, []

    def listing(self):
        broken = tuple(SimpleNamespace(name=name, why=why) for name, why in self.unreadable.items())
        return SimpleNamespace(sets=tuple(self.known), unreadable=broken)

    def count(self, name: str) -> int:
        if name not in {known.name for known in self.known}:
            raise UnknownSet(name, "here")
        self.counted.append(name)
        return self.sizes.get(name, 4)


def names(snapshot):
    return [known.name for known in snapshot.sets], dict.fromkeys(snapshot.backgrounds), snapshot.sizes


@pytest.mark.parametrize("use", [[], ["spam"], ["spam", "strangers"]])
def test_a_background_is_read_for_the_set_that_names_it_and_never_judged_by(use):
    kept = Kept(SPAM, STRANGERS)
    kept.sizes = {"strangers": 7}
    snapshot = SetsInForce(kept, use, ours, 0).read()
    assert names(snapshot) == (["spam"], {"strangers": None}, (4,))
    assert snapshot.backgrounds["strangers"] == STRANGERS
    assert snapshot.skipped == {}


def test_a_background_that_no_set_names_is_not_in_the_way_whatever_its_encoder():
    kept = Kept(make_set("plain"), replace(STRANGERS, encoder="onnx:1"))
    assert names(SetsInForce(kept, [], ours, 0).read()) == (["plain"], {}, (4,))


@pytest.mark.parametrize("use", [[], ["strangers"]])
def test_a_service_with_background_sets_only_has_no_set_to_match_against(use):
    with pytest.raises(SetsUnfit, match="there is no set to match against"):
        SetsInForce(Kept(STRANGERS), use, ours, 0).read()


def dropped(kept):
    kept.known.remove(STRANGERS)


def damaged(kept):
    kept.known.remove(STRANGERS)
    kept.unreadable["strangers"] = "its severity is damaged"


def changed(**facts):
    def change(kept):
        kept.known[kept.known.index(STRANGERS)] = replace(STRANGERS, version=2, **facts)

    return change


def emptied(kept):
    changed()(kept)
    kept.sizes["strangers"] = 0


SPOILT = [
    (dropped, r"spam is normalised with strangers, which does not exist.*`vigilens sets create strangers --kind back"),
    (damaged, "spam is normalised with strangers, which cannot be read: its severity is damaged"),
    (
        changed(kind=Kind.HARMFUL),
        "which is of the kind harmful, not background; name another one with `vigilens sets ed",
    ),
    (changed(encoder="onnx:1"), "which has vectors of another encoder"),
    (changed(dimension=2), "which has vectors of another encoder"),
    (emptied, r"which is empty; fill it with `vigilens sets add strangers PATH`, or name another one with `vigilens s"),
]


@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_a_set_whose_background_cannot_be_used_is_refused_at_the_start_and_waited_for_later(spoil, why):
    kept = Kept(make_set("plain"), SPAM, STRANGERS)
    in_force = SetsInForce(kept, ["plain", "spam"], ours, 0)
    assert names(in_force.read())[0] == ["plain", "spam"]
    spoil(kept)
    for again in (in_force, in_force, SetsInForce(kept, ["plain", "spam"], ours, 0)):
        with pytest.raises(SetsUnfit, match=why):
            again.read()
    kept.known, kept.unreadable, kept.sizes = [make_set("plain"), SPAM, replace(STRANGERS, version=3)], {}, {}
    assert names(in_force.read())[1] == {"strangers": None}


@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_a_set_that_comes_later_with_a_background_that_cannot_be_used_is_skipped(spoil, why):
    kept = Kept(make_set("plain"))
    in_force = SetsInForce(kept, [], ours, 0)
    in_force.read()
    kept.known += [SPAM, STRANGERS]
    spoil(kept)
    snapshot = in_force.read()
    assert "spam" not in names(snapshot)[0]
    assert re.search(why, snapshot.skipped["spam"])
    assert snapshot.backgrounds == {}
    kept.known, kept.unreadable, kept.sizes = [make_set("plain"), SPAM, replace(STRANGERS, version=3)], {}, {}
    assert names(in_force.read())[0] == ["plain", "spam"]


def test_a_background_that_the_encoder_no_longer_fits_is_no_background():
    def fits(known: ReferenceSet) -> str | None:
        return f"{known.name} has another probe" if known.name == "strangers" else None

    with pytest.raises(SetsUnfit, match="strangers has another probe"):
        SetsInForce(Kept(SPAM, STRANGERS), [], fits, 0).read()


def test_a_background_is_counted_once_for_each_of_its_versions():
    kept = Kept(SPAM, replace(SPAM, name="more"), STRANGERS)
    in_force = SetsInForce(kept, [], ours, 0)
    for _ in range(3):
        in_force.read()
    assert sorted(kept.counted) == ["more", "spam", "strangers"]
