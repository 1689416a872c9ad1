"""Lists that are read again, and take back what they gave."""

import json

from hash_values import HASHES, MD5, lines

pytest_plugins = ["hash_fixtures"]


def exchange(*records: dict) -> str:
    base = {"deleted": False, "algorithm": "PDQ"}
    return json.dumps({"results": [base | one for one in records], "next": None})


def test_a_list_without_hashes_for_the_set_can_still_take_some_back(bring, listed):
    bring(exchange({"id": 1, "hash_digest": HASHES[0]}, {"id": 2, "hash_digest": HASHES[1]}))
    files_only = exchange({"id": 3, "hash_digest": MD5, "algorithm": "MD5"}, {"id": 1, "deleted": True})
    done = bring(files_only)
    assert done.exit_code == 0, done.stderr
    assert "1 withdrawn" in done.stdout
    assert set(listed()) == {HASHES[1]}
    refused = bring(exchange({"id": 3, "hash_digest": MD5, "algorithm": "MD5"}))
    assert (refused.exit_code, "known is for PDQ hashes, and the list has none" in refused.stderr) == (1, True)


def test_options_that_describe_a_new_set_are_said_to_change_nothing_in_another_one(bring):
    assert "changes nothing" not in bring(lines(HASHES[0]), "--kind", "allow").stderr
    assert "changes nothing" not in bring(lines(HASHES[0])).stderr
    again = bring(lines(HASHES[0]), "--kind", "harmful", "--severity", "9")
    assert "known is there already, so --kind, --severity changes nothing: use `vigilens sets edit`" in again.stderr


def test_a_list_of_hashes_and_a_set_of_pictures_do_not_mix(sets, bring, pictures):
    bring(lines(HASHES[0]), "--kind", "background")
    refused = sets("create", "some", "--background", "known")
    assert (refused.exit_code, "only one of them is a list of hashes" in refused.stderr) == (1, True)
    sets("create", "some")
    sets("add", "some", str(pictures))
    sets("export", "some", "some.parquet")
    refused = sets("import", "some.parquet", "--name", "known")
    assert (refused.exit_code, "one holds hashes, and the other pictures" in refused.stderr) == (1, True)


def test_only_a_list_with_all_of_its_parts_can_prune(sets, listed, tmp_path):
    for name, hash_, links in (("1", 0, {"next": "/2"}), ("2", 1, {"previous": "/1", "next": None})):
        record = {"id": name, "hash_digest": HASHES[hash_], "algorithm": "PDQ", "deleted": False}
        (tmp_path / name).write_text(json.dumps({"results": [record]} | links))
    run = ("import-hashes", "--set", "known", "--prune")
    assert sets(*run, "1", "2").exit_code == 0
    assert "the list says that it goes on after 1" in sets(*run, "1").stderr
    assert "the list says that it goes on before 2" in sets(*run, "2").stderr
    assert set(listed()) == set(HASHES[:2])


def test_an_empty_list_prunes_everything_if_it_is_confirmed(bring, listed):
    bring(lines(*HASHES[:2]))
    assert "the list is empty, nothing is changed" in bring("", "--format", "pdq").stdout
    assert bring("", "--format", "pdq", "--prune").exit_code == 1
    assert len(listed()) == 2
    assert "2 pruned" in bring("", "--format", "pdq", "--prune", "--yes").stdout
    assert listed() == {}
