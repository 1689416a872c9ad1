"""Lists of hashes as an operator reads, lists and disables them."""

import json
import os
from datetime import UTC, datetime

import pytest
from hash_values import HASHES, MD5, SHA1, lines

from embedding.pdq import Pdq
from reference_sets.hash_lists.sets import suffix
from reference_sets.in_memory.constants import EXACT, IN_MEMORY
from reference_sets.store import Store

pytest_plugins = ["hash_fixtures"]


def ncii(*records: tuple[str, str], more: bool = False) -> str:
    shown = [{"signalType": "ImagePDQ", "hashValue": value, "hashStatus": status} for value, status in records]
    return json.dumps({"hasMoreRecords": more, "hashRecords": shown})


def test_a_list_becomes_a_set_and_can_be_read_again(sets, bring, tmp_path):
    first = bring(lines(*HASHES[:3]) + "pdq xyz\n", "--category", "ncii", "--severity", "90", "--note", "n")
    assert first.exit_code == 0, first.output
    assert "known is created, for PDQ hashes" in first.stdout
    assert "known: 3 added, 0 known already, 1 cannot be used of 4 entries of list.txt" in first.stdout
    assert "line 4: not hexadecimal: xyz" in first.stderr
    facts = json.loads(sets("show", "known", "--json").stdout)
    assert (facts["category"], facts["severity"], facts["note"], facts["references"]) == ("ncii", 90, "n", 3)
    assert (facts["encoder"], facts["index"], facts["needs"], facts["dimension"]) == (
        *(Pdq.fingerprint, IN_MEMORY, ["check_version", "index"]),
        2,
    )
    version = facts["version"]
    again = bring(lines(*HASHES[:3]) + "pdq xyz\n")
    assert "0 added, 3 known already, 1 cannot be used" in again.stdout
    assert json.loads(sets("show", "known", "--json").stdout)["version"] == version
    with Store(str(tmp_path / "sets.db")) as store:
        ids = store.known("known", [f"{value}-{suffix('list.txt', value)}" for value in HASHES[:4]])
    assert len(ids) == 3


def test_only_what_this_source_no_longer_lists_is_pruned(bring, listed):
    bring(lines(*HASHES[:3]), "--source", "one")
    bring(lines(HASHES[2], HASHES[5]), "--source", "two")
    kept = bring(lines(HASHES[0], HASHES[3]), "--source", "one")
    assert "1 added, 1 known already of 2 entries" in kept.stdout
    pruned = bring(lines(HASHES[0], HASHES[3]), "--source", "one", "--prune")
    assert "0 added, 2 known already, 2 pruned of 2" in pruned.stdout
    assert {value: one["source"] for value, one in listed().items()} == {
        HASHES[0]: "one",
        HASHES[3]: "one",
        HASHES[2]: "two",
        HASHES[5]: "two",
    }
    assert listed("--source", "two").keys() == {HASHES[2], HASHES[5]}


def test_a_list_that_would_prune_everything_is_refused(bring, listed):
    bring(lines(*HASHES[:2]))
    refused = bring(lines(HASHES[7]), "--prune")
    assert refused.exit_code == 1
    assert "is it the right list? --yes removes them" in refused.stderr
    assert listed().keys() == {*HASHES[:2]}
    assert "2 pruned" in bring(lines(HASHES[7]), "--prune", "--yes").stdout
    assert listed().keys() == {HASHES[7]}


def test_what_is_withdrawn_goes_and_comes_back_if_it_is_active_again(bring, listed):
    bring(ncii(*((value, "Active") for value in HASHES[:4])))
    gone = bring(ncii((HASHES[0], "Withdrawn"), (HASHES[1].upper(), "Deleted"), (HASHES[7], "Deleted")))
    assert "0 added, 0 known already, 2 withdrawn of 3 entries of stopncii" in gone.stdout
    assert listed().keys() == {*HASHES[2:4]}
    last = ncii((HASHES[2], "Withdrawn"), (HASHES[2], "Active"), (HASHES[5], "Active"), (HASHES[5], "Withdrawn"))
    assert "0 added, 1 known already of 4" in bring(last).stdout
    assert listed().keys() == {*HASHES[2:4]}


def test_the_parts_of_a_list_are_one_list(sets, listed, tmp_path):
    (tmp_path / "1.json").write_text(ncii((HASHES[0], "Active"), (HASHES[1], "Active"), more=True))
    (tmp_path / "2.json").write_text(ncii((HASHES[0], "Withdrawn"), (HASHES[2], "Active")))
    assert sets("import-hashes", "1.json", "2.json", "--set", "known", "--prune").exit_code == 0
    assert listed().keys() == {HASHES[1], HASHES[2]}
    refused = sets("import-hashes", "1.json", "--set", "known", "--prune")
    assert (refused.exit_code, listed().keys()) == (1, {HASHES[1], HASHES[2]})
    assert "the list says that it goes on" in refused.stderr


def test_an_opinion_is_a_ceiling_and_changes_with_the_list(bring, listed):
    header = "signal_type,signal_str,collab,category,tags\n"
    bring(header + f"pdq,{HASHES[0]},c,DISPUTED,a b\npdq,{HASHES[1]},c,POSITIVE_CLASS,\n")
    assert [(one["ceiling"], one["tags"]) for one in (listed()[HASHES[0]], listed()[HASHES[1]])] == [
        ("review", ["a", "b"]),
        ("", []),
    ]
    changed = bring(header + f"pdq,{HASHES[0]},c,POSITIVE_CLASS,a b\npdq,{HASHES[1]},c,POSITIVE_CLASS,\n")
    assert "0 added, 1 changed, 1 known already" in changed.stdout.replace("1 known already, 1 changed", "")
    assert listed()[HASHES[0]]["ceiling"] == ""


def te(*records: tuple[str, str, int]) -> str:
    return json.dumps(
        {
            "data": [
                {"id": id_, "indicator": value, "type": "HASH_PDQ", "last_updated": at, "should_delete": not value}
                for id_, value, at in records
            ]
        }
    )


def test_a_changed_value_replaces_the_old_one_of_the_same_id(bring, listed):
    bring(te(("1", HASHES[0], 5), ("2", HASHES[1], 5)))
    changed = bring(te(("1", HASHES[3], 6)))
    assert "1 added, 0 known already, 1 replaced" in changed.stdout
    assert {value: one["source_id"] for value, one in listed().items()} == {HASHES[3]: "1", HASHES[1]: "2"}


def test_the_latest_counts_in_a_list_that_is_not_in_the_order_of_time(bring, listed):
    bring(
        te(
            ("1", HASHES[0], 9),
            ("1", HASHES[1], 8),
            ("2", "", 7),
            ("2", HASHES[2], 8),
            ("3", "", 9),
            ("3", HASHES[3], 8),
        )
    )
    assert listed().keys() == {HASHES[0], HASHES[2]}


def test_a_deletion_names_only_the_id(bring, listed):
    bring(te(("1", HASHES[0], 5), ("2", HASHES[1], 5)))
    assert "1 withdrawn" in bring(te(("1", "", 6))).stdout
    assert listed().keys() == {HASHES[1]}


NCMEC = f"""<queryResult xmlns="x"><images>
<image><member id="1">M</member><timestamp>2020-01-01T00:00:00Z</timestamp><id>a</id><classification>A1</classification>
<fingerprints><md5>{MD5}</md5><sha1>{SHA1}</sha1><pdq>{HASHES[0]}</pdq><pdna>x</pdna></fingerprints></image>
</images></queryResult>"""


def test_digests_and_perceptual_hashes_of_one_list_go_into_two_sets(sets, bring, tmp_path):
    taken = bring(NCMEC)
    assert "known: 1 added" in taken.stdout
    assert "not taken because the set holds PDQ hashes: 2 of another kind" in taken.stderr
    assert "1 PhotoDNA, which cannot be computed here" in taken.stderr
    assert sets("import-hashes", "list.txt", "--set", "files", "--take", "exact").exit_code == 0
    digests = json.loads(sets("references", "files", "--json").stdout)
    assert {(one["digest"], one["source_id"], *one["tags"]) for one in digests} == {
        (MD5, "1/a", "A1"),
        (SHA1, "1/a", "A1"),
    }
    assert json.loads(sets("show", "files", "--json").stdout)["encoder"] == EXACT
    assert bring(NCMEC, "--take", "exact").exit_code == 1
    deleted = NCMEC.replace("<image>", "<deletedImage>").replace("</image>", "</deletedImage>")
    (tmp_path / "list.txt").write_text(deleted)
    assert "2 withdrawn" in sets("import-hashes", "list.txt", "--set", "files").stdout


def test_a_disabled_reference_stays_disabled_when_its_list_is_read_again(sets, bring, listed):
    bring(lines(*HASHES[:3]))
    ids = [listed()[value]["id"] for value in HASHES[:3]]
    assert sets("disable", "known", "--id", ids[0]).stdout == "known: 1 disabled\n"
    assert sets("disable", "known", "--id", ids[1], "--until", "2999-01-31").exit_code == 0
    assert sets("disable", "known", "--id", ids[2], "--until", "2001-01-31").exit_code == 2  # it would do nothing
    assert sets("disable", "known", "--id", "no-such").exit_code == 1
    assert listed("--state", "disabled").keys() == {*HASHES[:2]}
    assert listed()[HASHES[1]]["disabled_until"] == datetime(2999, 1, 31, tzinfo=UTC).timestamp()
    shown = sets("references", "known", "--state", "active").stdout.split("\t")
    assert (shown[0], shown[2], shown[4], len(shown)) == (ids[2], "active", "list.txt", 8)
    texts = sets("references", "known").stdout
    assert "disabled until 2999-01-31T00:00:00Z" in texts
    header = "signal_type,signal_str,collab,category,tags\n"
    assert "0 added, 3 known already" in bring(lines(*HASHES[:3])).stdout
    assert listed("--state", "disabled").keys() == {*HASHES[:2]}
    assert bring(header, name="empty.csv").exit_code == 0
    assert sets("enable", "known", "--id", ids[0]).exit_code == 0
    assert listed("--state", "disabled").keys() == {HASHES[1]}
    assert len(sets("references", "known", "--limit", "2").stdout.splitlines()) == 2


@pytest.mark.parametrize("text", ["pdq xyz\n", f"video_md5 {MD5}\n"])
def test_a_list_of_which_nothing_can_be_used_is_an_error_and_makes_no_set(sets, bring, text):
    refused = bring(text)
    assert refused.exit_code == 1
    assert "nothing in the list can be used" in refused.stderr
    assert json.loads(sets("list", "--json").stdout) == []


def test_a_file_that_is_no_list_is_named(bring):
    refused = bring("hello\n")
    assert refused.exit_code == 1
    assert "list.txt cannot be read as a hash list: its format is not recognised" in refused.stderr
    assert bring("{", "--format", "tat").exit_code == 1


def test_lists_of_several_exchanges_need_a_source(sets, tmp_path):
    (tmp_path / "1").write_text(ncii((HASHES[0], "Active")))
    (tmp_path / "2").write_text(lines(HASHES[1]))
    refused = sets("import-hashes", "1", "2", "--set", "known")
    assert refused.exit_code == 2
    assert "2, stopncii" in refused.stderr
    assert sets("import-hashes", "1", "2", "--set", "known", "--source", "both").exit_code == 0


def test_no_set_is_made_for_a_list_without_anything_for_it(sets, bring):
    assert "known is not created" in bring(ncii((HASHES[0], "Withdrawn"))).stdout
    refused = bring(lines(HASHES[0]), "--take", "exact")
    assert (refused.exit_code, "digests of files, and the list has none" in refused.stderr) == (1, True)
    assert json.loads(sets("list", "--json").stdout) == []


def test_a_pipe_is_refused_because_a_list_is_read_twice(sets, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused = sets("import-hashes", "pipe", "--set", "known")
    assert refused.exit_code == 1
    assert "save it to a file first" in refused.stderr
