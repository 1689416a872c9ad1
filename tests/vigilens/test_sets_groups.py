"""Groups, the worth of a match alone, and backgrounds, as `vigilens sets create` and `edit` set them."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from milvus_fixtures import references, unit

from reference_sets.store import Store
from vigilens.cli import main


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `vigilens sets …` on a database of its own, with the encoder pdq or another one."""
    monkeypatch.setenv("VIGILENS_MILVUS__URI", str(tmp_path / "sets.db"))

    def run(*words: str, encoder: str = "pdq") -> Result:
        return CliRunner().invoke(main, ["sets", *words], env={"VIGILENS_SETS__DEFAULT_ENCODER": encoder})

    return run


def shown(sets, name: str) -> dict:
    return json.loads(sets("show", name, "--json").stdout)


def test_a_set_is_alone_in_its_group_unless_another_encoders_set_is_in_it(sets):
    first = sets("create", "spam")
    assert "it is in the group spam: as long as no harmful set of another encoder is in that group" in first.stdout
    assert first.stderr == ""
    facts = shown(sets, "spam")
    assert (facts["group"], facts["alone"], facts["needs"]) == ("spam", "block", ["check_version"])
    same = sets("create", "hashes", "--group", "spam", "--alone", "nothing")
    assert "nothing corroborates its matches, and only exactly the same file matches" in same.stdout
    assert shown(sets, "hashes")["needs"] == ["alone", "check_version"]
    other = sets("create", "copies", "--category", "spam", encoder="words")
    assert "it is in the group spam with hashes (pdq:" in other.stdout
    assert "spam (pdq:" in other.stdout
    assert "their matches corroborate one another" in other.stdout
    assert "group" not in sets("create", "fine", "--kind", "allow").stdout
    lines = [line.split("\t") for line in sets("list").stdout.splitlines()]
    assert [(line[0], line[3], line[7]) for line in lines] == [
        ("copies", "spam", "block"),
        ("fine", "fine", "block"),
        ("hashes", "spam", "nothing"),
        ("spam", "spam", "block"),
    ]


def test_group_and_worth_of_a_match_are_edited_and_older_versions_told(sets):
    sets("create", "spam", "--category", "ads")
    assert "group, alone changed" in sets("edit", "spam", "--group", "people", "--alone", "review").stdout
    facts = shown(sets, "spam")
    assert (facts["group"], facts["alone"], facts["needs"]) == ("people", "review", ["alone", "check_version"])
    sets("edit", "spam", "--group", "", "--alone", "block", "--altered", "nothing")
    facts = shown(sets, "spam")
    assert (facts["group"], facts["alone"], facts["needs"]) == ("ads", "block", ["altered", "check_version"])
    assert sets("edit", "spam", "--alone", "allow").exit_code == 2


def test_a_background_must_be_one_and_an_empty_one_gives_a_warning(sets):
    missing = sets("create", "spam", "--background", "strangers")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "`vigilens sets create strangers --kind background`" in missing.stderr
    made = sets("create", "strangers", "--kind", "background")
    assert "group" not in made.stdout
    created = sets("create", "spam", "--background", "strangers", "--background-k", "3")
    assert created.exit_code == 0
    assert "warning: the set spam is normalised with strangers, which is empty" in created.stderr
    facts = shown(sets, "spam")
    assert (facts["background"], facts["background_k"]) == ("strangers", 3)
    assert facts["needs"] == ["background", "check_version"]
    with Store(os.environ["VIGILENS_MILVUS__URI"]) as store:
        store.upsert("strangers", references(unit(3, 1, dimension=256)))
    assert sets("create", "more", "--background", "strangers").stderr == ""
    for name, encoder, why in (("spam", "pdq", "kind harmful"), ("strangers", "words", "another encoder")):
        refused = sets("create", "other", "--background", name, encoder=encoder)
        assert (refused.exit_code, why in refused.stderr) == (1, True)
    assert "kind harmful" in sets("edit", "more", "--background", "spam").stderr
    assert sets("edit", "more", "--background", "").exit_code == 0
    assert shown(sets, "more")["needs"] == ["check_version"]
    assert sets("edit", "more", "--background-k", "0").exit_code == 2


def test_without_a_required_check_similarity_needs_thresholds(sets):
    refused = sets("create", "copies", "--verify", "off", encoder="words")
    assert (refused.exit_code, "give --review and --block" in refused.stderr) == (2, True)
    one = sets("create", "copies", "--verify", "supports", "--review", "0.5", encoder="words")
    assert (one.exit_code, "give --review and --block" in one.stderr) == (2, True)
    both = ("--review", "0.5", "--block", "0.6")
    assert sets("create", "near", "--verify", "off", *both, encoder="words").exit_code == 0
    assert sets("create", "copies", encoder="words").exit_code == 0
    edited = sets("edit", "copies", "--verify", "off")
    assert (edited.exit_code, "almost every picture would match copies" in edited.stderr) == (2, True)
    assert sets("edit", "copies", "--verify", "off", *both).exit_code == 0
    assert sets("edit", "copies", "--verify", "supports").exit_code == 0  # its thresholds select no more
    assert sets("edit", "near", "--verify", "supports").exit_code == 0
