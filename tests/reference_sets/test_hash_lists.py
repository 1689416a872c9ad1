"""Every format of hash lists, from texts written by its description."""

import json
from pathlib import Path

import pytest

from reference_sets.hash_lists import entry as reasons
from reference_sets.hash_lists.entry import Entry, Gone, Unusable, seconds
from reference_sets.hash_lists.formats import FORMATS, recognise
from vectors.errors import StoreError

A, B, C = "a" * 64, "0123456789abcdef" * 4, "f00d" * 16
MD5, SHA1, SHA256 = "d" * 32, "e" * 40, "5" * 64


@pytest.fixture
def read(tmp_path: Path):
    """Writes a text to a file, and returns the format that was recognised and what was read."""

    def reading(text: str | bytes):
        path = tmp_path / "list"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        name = recognise(path)
        return name, list(FORMATS[name].read(path))

    return reading


def entries(found):
    return [(one.kind, one.value, one.source_id) for one in found if isinstance(one, Entry)]


def unusable(found):
    return [(one.where, one.why) for one in found if isinstance(one, Unusable)]


def test_lines_of_pytx_and_bare_hashes(read):
    name, found = read(f"pdq {A}\n\n{B.upper()}\r\n# a note\nvideo_md5 {MD5}\npdq {A[:-1]}\npdq xyz\nwavelet {A}\n")
    assert (name, entries(found)) == ("pdq", [("pdq", A, A), ("pdq", B, B)])
    assert unusable(found) == [
        ("line 5", reasons.VIDEO),
        ("line 6", reasons.WRONG_LENGTH),
        ("line 7", reasons.BAD_HEX),
        ("line 8", reasons.UNKNOWN_ALGORITHM),
    ]


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_and_quotes_do_no_harm(read, mark):
    name, found = read(f'"{A}"\r\n"{B}"\r\n'.encode(mark))
    assert (name, [value for _, value, _ in entries(found)]) == ("pdq", [A, B])


def test_digests_of_files_as_programs_print_them(read):
    name, found = read(f"{MD5}  one.jpg\n{SHA1} *two.jpg\n{SHA256}  three four.jpg\n{SHA256[:-1]}\n")
    assert name == "digests"
    assert [(one.kind, one.label) for one in found[:3]] == [
        ("md5", "one.jpg"),
        ("sha1", "two.jpg"),
        ("sha256", "three four.jpg"),
    ]
    assert unusable(found) == [("line 4", reasons.WRONG_LENGTH)]
    assert read(f"{MD5}\n{SHA1}\n")[0] == "digests"


TX = f"""signal_type,signal_str,collab,category,tags
pdq,{A},our list,POSITIVE_CLASS,spam scam
pdq,{B},our list,NEGATIVE_CLASS,
pdq,{C},other,DISPUTED,"x y"
photo_md5,{MD5},other,INVESTIGATION_SEED,
pdna,AAAA,other,POSITIVE_CLASS,
raw_text,"some, text",other,POSITIVE_CLASS,
"""


def test_the_csv_of_tx_with_opinions_as_ceilings(read):
    name, found = read(TX)
    assert name == "tx"
    assert [(one.value, one.ceiling, one.tags) for one in found if isinstance(one, Entry)] == [
        (A, "", ("spam", "scam")),
        (B, "nothing", ()),
        (C, "review", ("x", "y")),
        (MD5, "review", ()),
    ]
    assert entries(found)[0][2] == f"our list/{A}"
    assert unusable(found) == [("line 6", reasons.PHOTODNA), ("line 7", reasons.VIDEO)]
    assert read(TX.partition("\n")[2])[0] == "tx"  # without its header


@pytest.mark.parametrize("second", ["123", "77"])
def test_the_older_csv_without_a_header(read, second):
    name, found = read(f'{A},{second},2020-07-31T18:47:45+0000,"tag1 tag2"\n{B},9,2020-08-01T00:00:00+0000,\n')
    assert (name, entries(found)) == ("te-state", [("pdq", A, second), ("pdq", B, "9")])
    assert found[0].tags == ("tag1", "tag2")


def test_the_older_csv_with_the_indicators_id_second(read):
    name, found = read(f"indicator,indicator_id,added_on,tags\n{A},5,2020,x\n")
    assert (name, entries(found)) == ("te-state", [("pdq", A, "5")])


def test_what_pdq_photo_hasher_prints(read):
    name, found = read(f"{A},100,a picture, with a comma.jpg\n{B},49,plain.jpg\n{C},50,x.jpg\n")
    assert (name, [value for _, value, _ in entries(found)]) == ("hasher", [A, C])
    assert found[0].label == "a picture, with a comma.jpg"
    assert unusable(found) == [("line 2", reasons.LOW_QUALITY)]
    detailed = (
        f"hash={A},norm=128,delta=0,quality=100,filename=a,b=c.jpg\nhash={B},norm=1,delta=0,quality=3,filename=d\n"
    )
    name, found = read(detailed)
    assert (name, found[0].label, unusable(found)) == ("hasher", "a,b=c.jpg", [("line 2", reasons.LOW_QUALITY)])


def test_the_test_data_of_pdq(read):
    name, found = read(f"FilePath,Hash\nimages/1.jpg,{A}\nimages/2.jpg,\n")
    assert (name, entries(found), found[0].label) == ("paths", [("pdq", A, A)], "images/1.jpg")
    assert unusable(found) == [("line 3", reasons.NO_VALUE)]


def indicator(number, value=A, kind="HASH_PDQ", **facts):
    descriptor = {"owner": {"id": "1"}, "tags": ["spam"], "status": "MALICIOUS", "added_on": "2020-01-01"}
    descriptors = [descriptor | one for one in facts.pop("said", [{}])]
    return {
        "id": str(number),
        "indicator": value,
        "type": kind,
        "last_updated": 1600000000 + number,
        "should_delete": False,
        "descriptors": {"data": descriptors},
    } | facts


def test_threatexchange_with_what_others_say(read):
    data = [
        indicator(1),
        indicator(2, B, said=[{}, {"status": "NON_MALICIOUS"}]),
        indicator(3, C, said=[{"status": "NON_MALICIOUS"}]),
        indicator(4, A, said=[{"reactions": ["DISAGREE_WITH_TAGS"]}]),
        indicator(5, B, said=[{"my_reactions": "DISAGREE_WITH_TAGS"}]),
        indicator(6, C, said=[{"status": "UNKNOWN", "tags": ["b", "c"]}]),
        indicator(7, should_delete=True),
        indicator(8, MD5, "HASH_VIDEO_MD5"),
        indicator(9, MD5, "HASH_MD5"),
    ]
    name, found = read(json.dumps({"data": data}))
    assert name == "threatexchange"
    assert {one.source_id: one.ceiling for one in found if isinstance(one, Entry)} == {
        "1": "",
        "2": "review",
        "3": "nothing",
        "4": "review",
        "5": "review",
        "6": "review",
        "9": "",
    }
    assert found[5].tags == ("b", "c")
    assert found[6] == Gone("7", 1600000007.0)
    assert unusable(found) == [("record 8", reasons.VIDEO)]


def stopncii(value, status="Active", kind="ImagePDQ", feedback=()):
    return {
        "lastModtimestamp": 1700000000,
        "signalType": kind,
        "hashValue": value,
        "hashStatus": status,
        "caseNumbers": {"c": "1"},
        "CSPFeedbacks": [{"source": "us", "feedbackValue": one, "tags": ["t"]} for one in feedback],
    }


def test_stopncii_with_withdrawn_and_deleted_hashes(read, tmp_path):
    records = [
        stopncii(A, feedback=("Blocked",)),
        stopncii(B, "Withdrawn"),
        stopncii(C.upper(), "Deleted"),
        stopncii(C, feedback=("NotBlocked",)),
        stopncii(B, "Received"),
        stopncii(MD5, kind="VideoMD5"),
    ]
    page = {"count": 6, "nextPageToken": "x", "nextSetTimestamp": 1, "hasMoreRecords": True, "hashRecords": records}
    name, found = read(json.dumps(page))
    assert name == "stopncii"
    assert [one.source_id for one in found if isinstance(one, Gone)] == [B, C]
    said = [(one.value, one.ceiling, one.tags) for one in found if isinstance(one, Entry)]
    assert said == [(A, "", ("t",)), (C, "review", ("t",)), (B, "review", ())]
    assert unusable(found) == [("record 6", reasons.VIDEO)]
    assert FORMATS["stopncii"].goes_on(tmp_path / "list")


def test_several_answers_in_one_file_are_one_list(read, tmp_path):
    pages = [{"hasMoreRecords": more, "hashRecords": [stopncii(one)]} for more, one in ((True, A), (False, B))]
    for text in ("\n".join(map(json.dumps, pages)), json.dumps(pages), json.dumps(pages[0]) + json.dumps(pages[1])):
        _, found = read(text)
        assert [one.value for one in found] == [A, B]
        assert not FORMATS["stopncii"].goes_on(tmp_path / "list")


NCMEC = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">
  <images count="3" maxTimestamp="2020-10-24T15:10:00Z">
    <image>
      <member id="42">Example Member</member><timestamp>2020-10-24T15:00:00Z</timestamp><id>image1</id>
      <classification>A1</classification>
      <fingerprints><md5>{MD5.upper()}</md5><sha1>{SHA1}</sha1><pdna>a1a1...</pdna><pdq>{A}</pdq></fingerprints>
      <feedback lastUpdateTimestamp="2023-06-01T12:48:14Z">
        <affirmativeFeedback type="Md5"><members><member id="43">Other</member></members></affirmativeFeedback>
        <negativeFeedback type="Sha1"><reasons><reason name="x"/></reasons></negativeFeedback>
      </feedback>
    </image>
    <deletedImage><member id="43">M</member><timestamp>2020-10-24T15:10:00Z</timestamp><id>image2</id></deletedImage>
    <image><member id="42">M</member><timestamp>x</timestamp><id>image4</id></image>
  </images>
  <videos><video><member id="42">M</member><id>v</id><fingerprints><md5>{MD5}</md5></fingerprints></video></videos>
  <paging><next>/v2/entries?from=2020</next></paging>
</queryResult>
"""


def test_ncmec_with_several_hashes_of_one_image(read, tmp_path):
    name, found = read(NCMEC)
    assert name == "ncmec"
    assert entries(found) == [("md5", MD5, "42/image1"), ("sha1", SHA1, "42/image1"), ("pdq", A, "42/image1")]
    assert [one.ceiling for one in found if isinstance(one, Entry)] == ["", "review", ""]
    assert (found[0].tags, found[0].label) == (("A1",), "image1")
    assert [one for one in found if isinstance(one, Gone)] == [Gone("43/image2", seconds("2020-10-24T15:10:00Z"))]
    whys = [("record 1", reasons.PHOTODNA), ("record 3", reasons.NO_VALUE), ("record 4", reasons.VIDEO)]
    assert unusable(found) == whys
    assert FORMATS["ncmec"].goes_on(tmp_path / "list")


BOMB = '<!DOCTYPE q [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"<?xml version='1.0'?>{BOMB}<queryResult>&b;</queryResult>", "document type declaration"),
        ('<!DOCTYPE q SYSTEM "file:///etc/passwd"><queryResult/>', "document type declaration"),
        ("<html><body>404</body></html>", "its root is html"),
        ("<queryResult><images>", "not XML"),
        ("<queryResult>&undefined;</queryResult>", "not XML"),
    ],
)
def test_xml_that_could_do_harm_or_is_no_list_is_refused(read, text, why):
    with pytest.raises(StoreError, match=why):
        read(text)


def test_tech_against_terrorism(read):
    base = {"ideology": "far-right", "file_type": "jpg", "deleted": False, "updated_on": 1.5, "created_on": 1}
    results = [
        base | {"hash_digest": MD5, "algorithm": "MD5", "id": 1},
        base | {"hash_digest": A, "algorithm": "PDQ", "id": 2},
        base | {"hash_digest": SHA1, "algorithm": "SHA1", "id": 3, "deleted": True},
        base | {"hash_digest": MD5, "algorithm": "MD5", "id": 4, "file_type": "mp4"},
        base | {"hash_digest": "x", "algorithm": "TLSH", "id": 5},
    ]
    name, found = read(json.dumps({"count": 5, "next": None, "checkpoint": "c", "results": results}))
    assert (name, entries(found)) == ("tat", [("md5", MD5, "1"), ("pdq", A, "2")])
    assert (found[0].tags, found[2]) == (("far-right", "jpg"), Gone("3", 1.5))
    assert unusable(found) == [("record 4", reasons.VIDEO), ("record 5", reasons.UNKNOWN_ALGORITHM)]


def test_answers_without_entries_are_recognised(read):
    empty = {"stopncii": {"hashRecords": []}, "tat": {"results": []}, "threatexchange": {"data": []}}
    for name, answer in empty.items():
        assert read(json.dumps(answer)) == (name, [])


@pytest.mark.parametrize("text", ["", "\n\n", "hello world\n", '{"a": 1}', "a,b,c\n1,2,3\n", "\x00\x01\x02"])
def test_a_file_of_another_kind_is_not_recognised(read, text):
    with pytest.raises(StoreError, match="--format"):
        read(text)


@pytest.mark.parametrize("text", ['{"hashRecords": 5}', '{"hashRecords": [{}', "[" * 100_000 + '"hashRecords":'])
def test_json_that_is_not_the_list_that_it_looks_like_is_refused(read, text):
    with pytest.raises(StoreError):
        read(text)
