"""The demo's pictures, edits, bad values and stream."""

import io
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from consumer.events import read
from demo.bad_inputs import BOMB_SIDE, bad_inputs, bomb
from demo.edits import BY_NAME, EDITS
from demo.pictures import SAMPLES, Role, load, of
from demo.stream import FEWEST, Wire, reported, stream
from embedding.choose import choose
from embedding.decode.decoder import decode
from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.image import Reason, Unreadable
from embedding.look import encode_pictures
from embedding.picture import Needs, Wanted
from embedding.views import look_into

SEED = 11
MAX_PIXELS = 100_000_000


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture(scope="module")
def events(inbox):
    return [*reported(1, SEED, inbox), *stream(4, 120, SEED, inbox)]


class Record:
    """A record as kafka-python hands it over."""

    def __init__(self, incoming):
        self.topic, self.partition, self.offset, self.timestamp = "images", 0, incoming.number, 0
        self.key, self.value, self.headers = incoming.key, incoming.value, list(incoming.headers)


def read_by_service(incoming, inbox):
    """What the service makes of the event: a picture, or why there is none."""
    image = read(Record(incoming), max_attributes_bytes=16_384).image
    if image.problem:
        return image.problem
    rules = FetchRules(max_bytes=20_971_520, roots=(inbox,), hosts=(), allow_http=False, timeout_s=1.0)
    data = Fetcher(rules).fetch(image.source)
    return data if isinstance(data, Unreadable) else decode(data, MAX_PIXELS)


def test_all_photographs_are_in_the_wheel_and_have_a_licence():
    for sample in SAMPLES:
        assert sample.path.is_file(), sample.file
        assert sample.licence
        assert sample.credit
        assert min(load(sample).size) >= 150


def test_docs_list_each_photograph_with_its_licence():
    page = (Path(__file__).parents[2] / "docs" / "demo.md").read_text()
    for sample in SAMPLES:
        row = next((line for line in page.splitlines() if f"`{sample.file}`" in line), "")
        assert sample.licence in row, sample.file
        assert sample.credit in row, sample.file


def test_no_picture_of_a_person_stands_for_a_harmful_one():
    people = {"astronaut", "camera"}
    assert not people & {sample.label for sample in of(Role.KNOWN, Role.REPORTED, Role.CLEARED)}


def others():
    return [load(sample) for sample in of(Role.INNOCENT)[:3]]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_depends_only_on_its_seed_and_does_not_modify_the_original(edit):
    original = load(SAMPLES[0])
    before = original.copy()
    first, again = edit.apply(original, SEED, *others()), edit.apply(original, SEED, *others())
    assert first.mode == "RGB"
    assert first.size == again.size
    assert ImageChops.difference(first, again).getbbox() is None
    assert ImageChops.difference(original, before).getbbox() is None


def test_each_edit_but_one_changes_the_picture():
    original = load(SAMPLES[0])
    same = [
        edit.name
        for edit in EDITS
        if (edited := edit.apply(original, SEED, *others())).size == original.size
        and ImageChops.difference(edited, original).getbbox() is None
    ]
    assert same == ["plain copy"]


def test_the_stream_depends_only_on_its_seed(tmp_path, events):
    again = [*reported(1, SEED, tmp_path), *islice(stream(4, 120, SEED, tmp_path), 30)]
    assert [(one.key, one.edit, one.wire, one.picture) for one in again] == [
        (one.key, one.edit, one.wire, one.picture) for one in events[:33]
    ]
    assert [one.edit for one in islice(stream(4, 120, SEED + 1, tmp_path), 30)] != [one.edit for one in events[3:33]]


def test_the_stream_has_every_edit_wire_format_role_and_bad_value(events):
    known = {one.edit for one in events if one.sample and one.sample.role is Role.KNOWN}
    assert known == set(BY_NAME)
    assert {one.wire for one in events} == {*Wire, None}
    assert {one.sample.role for one in events if one.sample} == set(Role)
    assert Counter(one.edit for one in events if not one.sample) == Counter(odd.name for odd in bad_inputs(b""))
    assert [one.number for one in events] == list(range(1, 124))
    assert len({one.key for one in events}) == 123


def test_each_wire_format_delivers_the_picture_unchanged(events, inbox):
    checked = Counter()
    for incoming in events:
        if incoming.sample:
            picture = read_by_service(incoming, inbox)
            assert not isinstance(picture, Unreadable), (incoming.wire, picture)
            with Image.open(io.BytesIO(incoming.picture)) as sent:
                assert picture.pixels.shape[:2] == (sent.height, sent.width)
                assert picture.format == sent.format
            checked[incoming.wire] += 1
    assert set(checked) == set(Wire)


def test_each_bad_value_is_unreadable_for_the_expected_reason(events, inbox):
    for incoming in events:
        if not incoming.sample:
            if incoming.reason is Reason.DAMAGED:  # decoded as far as possible
                assert look_into(incoming.value, Wanted(Needs(keypoints=True), 10**8)).partly.reason is Reason.DAMAGED
                continue
            outcome = read_by_service(incoming, inbox)
            if incoming.reason is Reason.FEATURELESS:  # a good picture, of which encoders can make nothing
                for encoder in ("pdq", "words"):
                    assert encode_pictures(choose(encoder), [outcome.pixels]).featureless.tolist() == [True], encoder
                continue
            assert isinstance(outcome, Unreadable), incoming.edit
            assert outcome.reason is incoming.reason, incoming.edit


def test_json_and_cloudevents_have_attributes(events):
    for incoming in events:
        if incoming.wire not in {None, Wire.BYTES}:
            attributes = read(Record(incoming), max_attributes_bytes=16_384).image.attributes
            assert attributes["channel"] == "demo", incoming.wire
            assert attributes["uploader"].startswith("user-")
        if incoming.wire is Wire.JSON_PATH:
            assert Path(json.loads(incoming.value)["path"]).read_bytes() == incoming.picture


def test_the_bomb_is_a_valid_small_file_of_a_huge_picture():
    data = bomb()
    assert len(data) < 200_000
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (BOMB_SIDE, BOMB_SIDE)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def test_the_smallest_stream_still_has_every_edit_and_role(tmp_path):
    events = list(stream(1, FEWEST, SEED, tmp_path))
    assert {one.edit for one in events if one.sample and one.sample.role is Role.KNOWN} == set(BY_NAME)
    assert {one.sample.role for one in events if one.sample} == set(Role) - {Role.REPORTED}
    assert len(events) == FEWEST
