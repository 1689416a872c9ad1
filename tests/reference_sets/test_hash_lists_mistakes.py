"""Hash lists with mistakes in them: each costs its own entry, and no other."""

import gzip
import json
from pathlib import Path

import pytest

from reference_sets.hash_lists import entry as reasons
from reference_sets.hash_lists.entry import Entry, Gone, Unusable, seconds
from reference_sets.hash_lists.formats import FORMATS, recognise
from reference_sets.hash_lists.survey import survey
from tests.support.hash_values import lines
from vectors.errors import StoreError

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


@pytest.fixture
def read(tmp_path: Path):
    """Writes a text to a file, and returns what was read: values, and why the others cannot be used."""

    def reading(text: str, name: str = ""):
        path = tmp_path / "list"
        path.write_text(text)
        found = list(FORMATS[name or recognise(path)].read(path))
        values = [one.value for one in found if isinstance(one, Entry)]
        return values, [(one.where, one.why) for one in found if isinstance(one, Unusable)]

    return reading


def test_a_quote_that_is_not_closed_spoils_only_its_own_line(read):
    rows = ("pdq,{},x,POSITIVE_CLASS,", 'pdq,{},"x,DISPUTED,', 'pdq,{},"x ""y"", z",POSITIVE_CLASS,', "pdq,{},x,,")
    text = "\n".join(row.format(value) for row, value in zip(rows, (A, B, C, D), strict=True))
    assert read(text) == ([A, C, D], [("line 2", reasons.NOT_CSV)])


def test_a_very_long_cell_spoils_only_its_own_line(read):
    text = f"pdq,{A},x,,\npdq,{B},x,,{'t' * 200_000}\npdq,{C},x,,\n"
    assert read(text) == ([A, C], [("line 2", reasons.NOT_CSV)])


def test_a_hash_may_be_in_quotes_after_its_name(read):
    assert read(f'pdq "{A}"\n') == ([A], [])


@pytest.mark.parametrize("line", ["{},{},a.jpg", "hash={},quality={},filename=a.jpg"])
def test_a_quality_must_be_a_number_and_at_least_50(read, line):
    bad = {"49": reasons.LOW_QUALITY, "49.9": reasons.LOW_QUALITY, "-60": reasons.LOW_QUALITY}
    bad |= {"abc": reasons.BAD_QUALITY, "\u00b2": reasons.BAD_QUALITY, "nan": reasons.LOW_QUALITY}
    for quality, why in bad.items():
        assert read(line.format(A, quality), "hasher") == ([], [("line 1", why)])
    for quality in ("50", "100", " 60 ", ""):
        assert read(line.format(A, quality), "hasher") == ([A], [])


def record(value: object, **facts: object) -> dict[str, object]:
    return {"signalType": "ImagePDQ", "hashValue": value, "hashStatus": "Active"} | facts


def test_a_record_that_is_no_object_spoils_only_itself(read):
    text = json.dumps({"hashRecords": [None, record(A), 5, [record(B)], record(C)]})
    assert read(text) == ([A, C], [(f"record {number}", reasons.NOT_A_RECORD) for number in (1, 3, 4)])


def test_white_space_before_json_does_no_harm(read):
    assert read("\n \t" + json.dumps({"hashRecords": [record(A)]})) == ([A], [])


STRANGE = (None, True, 1.5, float("nan"), "x", [], [1], {}, {"a": 1}, "\ud800", "a\nb'\"" * 3000, "\0", 10**30)


@pytest.mark.parametrize(
    ("key", "list_"),
    [
        (
            "data",
            {"id": "1", "indicator": A, "type": "HASH_PDQ", "last_updated": 1, "should_delete": 0, "descriptors": 1},
        ),
        ("hashRecords", record(A, lastModtimestamp=1, CSPFeedbacks=[])),
        (
            "results",
            {"id": 1, "hash_digest": A, "algorithm": "PDQ", "deleted": False, "file_type": "", "updated_on": 1},
        ),
    ],
    ids=["threatexchange", "stopncii", "tat"],
)
def test_values_of_a_wrong_type_do_not_end_the_import(tmp_path, key, list_):
    records = [list_ | {each: odd} for each in list_ for odd in STRANGE]
    path = tmp_path / "list"
    path.write_text(json.dumps({key: records}))
    found = survey(FORMATS[recognise(path)].read(path), "\udcff")
    assert found.items == len(records)


@pytest.mark.parametrize("said", [True, "true", "True", 1])
def test_what_a_list_calls_deleted_is_gone_however_it_says_so(tmp_path, said):
    path = tmp_path / "list"
    path.write_text(json.dumps({"results": [{"id": 7, "hash_digest": A, "algorithm": "PDQ", "deleted": said}]}))
    assert list(FORMATS["tat"].read(path)) == [Gone("7")]


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-inf", "x", "", None])
def test_a_time_that_is_no_time_is_unknown(time):
    assert seconds(time) == 0


def test_what_has_no_time_is_as_new_as_the_newest_before_it():
    entry = Entry("pdq", A, "1", at=5.0)
    assert not survey([entry, Gone("1")], "s").valid.any()
    assert not survey([entry, Gone("1"), Entry("pdq", A, "1", at=4.0)], "s").valid.any()
    assert survey([Gone("1", 5.0), entry._replace(at=0.0)], "s").valid.all()


def test_an_error_names_what_to_do_with_a_packed_or_an_empty_file(tmp_path):
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(lines(A).encode()))
    with pytest.raises(StoreError, match="unpack it first"):
        recognise(path)
    path.write_bytes(b"\n \n")
    with pytest.raises(StoreError, match="it is empty"):
        recognise(path)
