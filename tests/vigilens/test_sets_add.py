"""`vigilens sets add` for one set or several, of one encoder or several."""

import json
from pathlib import Path


def test_pictures_are_added_to_several_sets_of_several_encoders_at_once(sets, pictures: Path):
    sets("create", "spam")
    sets("create", "copies", "--encoder", "words", "--category", "spam")
    sets("create", "files", "--encoder", "exact")
    added = sets("add", "spam", "copies", "files", str(pictures))
    assert added.exit_code == 0, added.output
    lines = {line.partition(":")[0]: line for line in added.stdout.splitlines() if " added" in line}
    assert "3 added, 0 known already, 1 refused of 4 files" in lines["spam"]
    assert "3 added, 0 known already, 1 refused of 4 files" in lines["copies"]
    assert "4 added, 0 known already, 0 refused of 4 files" in lines["files"]  # a text can be on an exact list
    listed = {one["name"]: (one["encoder"].partition(":")[0], one["references"]) for one in _listed(sets)}
    assert listed == {"spam": ("pdq", 3), "copies": ("words", 3), "files": ("exact", 4)}
    sets("create", "late")
    again = sets("add", "spam", "late", str(pictures)).stdout
    assert "spam: 0 added, 3 known already" in again
    assert "late: 3 added, 0 known already" in again


def _listed(sets):
    return json.loads(sets("list", "--json").stdout)


def test_a_folder_with_the_name_of_a_set_is_added_only_if_it_is_clear_which_of_both_is_meant(sets, pictures: Path):
    for name in ("spam", "pictures"):
        sets("create", name)
    unclear = sets("add", "spam", "pictures", str(pictures))
    assert (unclear.exit_code, "write ./pictures for the file or folder" in unclear.stderr) == (2, True)
    assert "spam: 3 added" in sets("add", "spam", "./pictures").stdout
    assert "pictures: 3 added" in sets("add", "pictures", "pictures").stdout
    assert sets("add", "spam").exit_code == 2
    missing = sets("add", "spam", "spma", str(pictures))
    assert (missing.exit_code, "spma: neither a set nor a file or folder" in missing.stderr) == (2, True)


def test_a_set_of_an_encoder_that_is_not_configured_says_which_are(sets):
    refused = sets("create", "spam", "--encoder", "clip")
    assert (refused.exit_code, "add a table [encoders.clip]" in refused.stderr) == (1, True)
