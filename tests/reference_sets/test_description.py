"""The description of a set: a format that grows by adding, and damage that is reported with its fix."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from milvus_fixtures import make_set

from reference_sets.check_scales import carried_over
from reference_sets.description import ASSUMED, UNDERSTOOD, changed, facts_of, from_facts, to_facts
from reference_sets.errors import DamagedSet, NewerSet
from reference_sets.model import CheckThresholds, Kind, Mirrored, RecordedCheck, Thresholds, Verify

# The properties of a real set, without the key `altered` of this version, and with a key of a later one.
BEFORE = json.loads(Path(__file__).with_name("before.json").read_text(encoding="utf-8"))


def test_a_missing_key_has_its_default_and_a_key_of_a_later_version_is_kept():
    facts = facts_of(BEFORE)
    known = from_facts("spam", facts)
    assert (known.kind, known.category, known.severity, known.version) == (Kind.HARMFUL, "ads", 40, 2)
    assert known.thresholds == Thresholds(0.5, 0.7578125)
    assert known.check == CheckThresholds(carried_over(0.35, 1), carried_over(0.6, 1))
    assert known.recorded_check == RecordedCheck(0.35, 0.6, 1)
    assert known.altered == "review"
    assert known.unknown == (("tomorrow", '{"level": 3}'),)
    given = {key: text for key, text in facts.items() if key != "ready"}
    now = {"check_review": repr(known.check.review), "check_block": repr(known.check.block), "check_version": "2"}
    assert to_facts(known) == {
        **given,
        **now,
        "needs": "check_version",
        "altered": "review",
        "created": "",
        "changed_at": "",
    }


def test_every_fact_is_read_as_it_was_written():
    odd = make_set(
        "alpha",
        kind=Kind.ALLOW,
        verify=Verify.SUPPORTS,
        check=CheckThresholds(0.1, 0.25),
        mirrored=Mirrored.QUERIED,
        needs=("alone", "altered", "background", "check_review", "check_version", "index", "kind"),
        removed_version=3,
        version=4,
        group="people",
        alone="review",
        altered="nothing",
        background="strangers",
        background_k=7,
        index="memory",
        index_options='{"M": 16}',
        shadow=True,
        ratio=0.125,
        draft="{}",
        retro=True,
        calibration='{"pictures": 6000}',
        created="0a1b",
        changed_at="2026-11-21T12:20:30+00:00",
        unknown=(("a", "1"), ("b", "2")),
    )
    plain = make_set("alpha")
    different = {key for key, value in to_facts(odd).items() if to_facts(plain).get(key) != value}
    same = {"name", "category", "severity", "review", "block", "encoder", "dimension", "probe", "note", "check_version"}
    assert different == to_facts(odd).keys() - same
    assert from_facts("alpha", to_facts(odd)) == odd
    assert from_facts("alpha", to_facts(plain)) == plain


def test_the_defaults_of_missing_keys_are_those_of_a_new_set():
    must = ("kind", "review", "block", "encoder", "dimension", "version", "probe")
    facts = {key: text for key, text in to_facts(make_set("alpha")).items() if key in must}
    assert from_facts("alpha", facts) == make_set("alpha", category="", note="", needs=())
    for network in ("openclip:9a", "timm:9a", "onnx:9a"):
        assert from_facts("alpha", {**facts, "encoder": network}).alone == "review"


@pytest.mark.parametrize("key", ["kind", "review", "block", "encoder", "dimension", "version", "probe"])
def test_a_key_without_a_default_must_be_there(key: str):
    facts = to_facts(make_set("alpha"))
    del facts[key]
    with pytest.raises(DamagedSet, match=f"description of the set alpha is damaged: {key} is missing; ") as caught:
        from_facts("alpha", facts)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("kind", "nonsense", r'kind is "nonsense": .*; `vigilens sets edit alpha --kind …` sets it'),
        ("severity", "9999", r'severity is "9999": it must be 0 to 100; `vigilens sets edit alpha --severity'),
        ("severity", "much", "severity is "),
        ("review", "0,5", r"review is .*; `vigilens sets thresholds alpha --review R --block B` sets both"),
        ("block", "nan", "block is .* finite"),
        ("review", "0.95", r"review and block do not fit: .*; `vigilens sets thresholds alpha --review R --block B`"),
        ("check_block", "1.1", r"check_review and check_block do not fit: .* review ≤ block ≤ 1"),
        (
            "check_block",
            "x",
            r"check_block is .*`vigilens sets thresholds alpha --check-review R --check-block B` sets both",
        ),
        (
            "dimension",
            "1",
            r"dimension is .*set the property vigilens\.dimension .*, or drop the set and create it again",
        ),
        ("version", "", "version is "),
        ("probe", "AAA", "probe is "),
        ("verify", "maybe", "verify is .* required, supports, off"),
        ("mirrored", "yes", "mirrored is "),
        ("ready", "perhaps", "ready is "),
        ("removed_version", "-1", "removed_version is "),
        ("alone", "allow", r"alone is .*`vigilens sets edit alpha --alone …` sets it"),
        ("altered", "allow", "altered is "),
        ("background_k", "0", r"background_k is .*`vigilens sets edit alpha --background-k …` sets it"),
        ("index", "diskann", "index is .* exact, memory"),
        (
            "check_version",
            "one",
            r"check_version is .*`vigilens sets thresholds alpha --check-review R --check-block B`",
        ),
        ("check_version", "0", "check_version is .* 1 or more"),
        ("shadow", "True", "shadow is .* true or false"),
        ("ratio", "1.5", "ratio is .* 0 to 1"),
        ("retro", "1", "retro is "),
        ("severity", "9" * 300, r'severity is "9{60}…"'),
    ],
)
def test_damage_is_reported_in_one_sentence_with_set_key_and_fix(key: str, text: str, sentence: str):
    with pytest.raises(DamagedSet, match=f"^the description of the set alpha is damaged: {sentence}") as caught:
        from_facts("alpha", {**to_facts(make_set("alpha")), key: text})
    assert "\n" not in str(caught.value)


def test_a_set_that_needs_what_this_version_does_not_know_is_not_judged_by():
    facts = to_facts(make_set("alpha"))
    assert from_facts("alpha", {**facts, "needs": ",".join(sorted(UNDERSTOOD))}).needs == tuple(sorted(UNDERSTOOD))
    damaged_too = {**facts, "needs": "verify, moon tides", "severity": "9999"}
    with pytest.raises(NewerSet, match=r"set alpha needs moon, tides, which this version of Vigilens does not know"):
        from_facts("alpha", damaged_too)


@pytest.mark.parametrize("numbers", [{"severity": 101}, {"dimension": 1}, {"version": 0}, {"ratio": float("nan")}])
def test_numbers_out_of_range_are_refused(numbers: dict):
    (key,) = numbers
    with pytest.raises(ValueError, match=f"^{key} must be "):
        replace(make_set("alpha"), **numbers)


@pytest.mark.parametrize(
    ("facts", "needs"),
    [
        ({}, ()),  # and `check_version` always
        ({"alone": "review"}, ("alone",)),
        ({"alone": "nothing", "altered": "block"}, ("alone", "altered")),
        ({"background": "strangers"}, ("background",)),
        ({"index": "memory"}, ("index",)),
        ({"group": "people", "background_k": 3}, ()),  # what older versions make of these is no less careful
        ({"needs": ("verify",), "alone": "review"}, ("alone", "verify")),
    ],
)
def test_a_set_needs_the_keys_that_older_versions_would_ignore(facts, needs):
    made = make_set("alpha", **facts)
    needs = tuple(sorted({*needs, "check_version"}))
    assert from_facts("alpha", to_facts(made)).needs == needs
    assert ASSUMED.keys() <= UNDERSTOOD
    # the same by changing one key at a time, and back
    known = to_facts(make_set("alpha", needs=facts.get("needs", ())))
    for key, value in facts.items():
        if key != "needs":
            known |= changed({key: value}, known)
    assert from_facts("alpha", known).needs == needs
    for key in facts.keys() & {"alone", "altered", "background"}:
        known |= changed({key: ASSUMED[key]}, known)
    assert set(from_facts("alpha", known).needs) == set(needs) - {"alone", "altered", "background"}


def test_any_change_names_what_a_set_that_was_made_before_needs():
    before = to_facts(make_set("alpha", encoder="openclip:9a", altered="nothing")) | {"check_version": "1"}
    del before["alone"]
    before["needs"] = ""
    assert changed({"note": "x"}, before) == {"note": "x", "needs": "alone,altered"}
    assert changed({"severity": 3}, {**before, "severity": "9999", "kind": "?"})["needs"] == "alone,altered"


def test_a_set_that_needs_to_be_searched_in_an_unknown_way_is_refused():
    facts = to_facts(make_set("alpha", index="memory"))
    assert from_facts("alpha", facts).index == "memory"
    with pytest.raises(NewerSet, match="the index tree"):
        from_facts("alpha", {**facts, "index": "tree"})
