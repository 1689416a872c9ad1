"""What is stored of references is read from Milvus once, and again when it has changed."""

import os
import resource
from dataclasses import replace
from pathlib import Path

from detailed import detailed
from milvus_fixtures import make_set

from embedding.local.features import MAX_BYTES, pack
from embedding.local.keypoints import MAX_KEYPOINTS, detect
from matcher.keypoint_cache import KeypointCache
from matcher.keypoint_file import KeypointFile
from reference_sets.model import NO_FACTS, Neighbour, Verify


class Counting:
    """A store that returns one picture's features for each row and records the rows that were read."""

    def __init__(self):
        self.features_of = pack(detect(detailed(208)))
        self.rows_read = []
        self.written = {}

    def written_since(self, _name, version, _most):
        return [((id_, False), at) for id_, at in self.written.items() if at > version]

    def features(self, _name, neighbours, _least):
        self.rows_read += [one.id for one in neighbours]
        return {(one.id, one.mirrored): (self.features_of, NO_FACTS) for one in neighbours}


def near(*numbers):
    return [Neighbour(f"id-{number}", "", 0.5) for number in numbers]


def test_recently_used_keypoints_are_not_read_again_until_their_row_has_changed():
    known = make_set(verify=Verify.SUPPORTS)
    counting = Counting()
    cache = KeypointCache(counting, 1 << 24)
    cache.stored(known, near(1, 2))
    cache.stored(known, near(2, 3))
    assert counting.rows_read == ["id-1", "id-2", "id-3"]
    counting.written["id-2"] = known.version + 1
    cache.stored(known, near(2))
    newer = replace(known, version=known.version + 1)
    cache.stored(newer, near(1, 2))
    cache.stored(known, near(1, 2))  # a batch that began before the change
    assert counting.rows_read[3:] == ["id-2"]
    cache.stored(replace(newer, created="later"), near(2))
    cache.stored(replace(newer, created="later", verify=Verify.REQUIRED), near(2))
    assert counting.rows_read[4:] == ["id-2", "id-2"]


def test_what_was_read_while_the_set_changed_is_not_kept():
    known = make_set(verify=Verify.SUPPORTS)
    counting = Counting()
    cache = KeypointCache(counting, 1 << 24)
    plain = counting.features

    def meanwhile(*what):
        counting.features = plain
        cache.stored(replace(known, version=known.version + 1), near(9))
        return plain(*what)

    counting.features = meanwhile
    for _ in range(2):
        cache.stored(known, near(1))
    assert counting.rows_read == ["id-9", "id-1", "id-1"]


def test_what_does_not_fit_into_memory_is_kept_on_the_disk_until_that_is_full(tmp_path):
    known = make_set(verify=Verify.SUPPORTS)
    counting = Counting()
    file = KeypointFile(tmp_path, 3 * MAX_BYTES)
    cache = KeypointCache(counting, 0, file)
    first = cache.stored(known, near(1, 2, 3))
    again = cache.stored(known, near(1, 2, 3))
    assert counting.rows_read == ["id-1", "id-2", "id-3"]
    for row, one in first.items():
        assert pack(one.keypoints) == pack(again[row].keypoints)
    counting.written["id-2"] = newer = known.version + 1
    cache.stored(replace(known, version=newer), near(2, 4))  # 4 takes the place of 2, or of the first
    assert counting.rows_read[3:] == ["id-2", "id-4"]
    os.ftruncate(file._fd, 0)
    cache.stored(replace(known, version=newer), near(4))
    assert counting.rows_read[5:] == ["id-4"]
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_or_space_nothing_is_kept_on_the_disk_and_it_is_logged(tmp_path, caplog):
    missing, full = KeypointFile(tmp_path / "missing", 1 << 24), KeypointFile(tmp_path, 1 << 24)
    with Path("/dev/full").open("wb") as device:
        os.dup2(device.fileno(), full._fd)
    for file in (missing, full):
        counting = Counting()
        cache = KeypointCache(counting, 0, file)
        for _ in range(2):
            assert cache.stored(make_set(), near(1))["id-1", False].keypoints
        assert counting.rows_read == ["id-1", "id-1"]
    assert len(caplog.records) == 2


def test_the_cache_stays_within_its_bound_and_forgets_the_longest_unused_first():
    known = make_set(verify=Verify.SUPPORTS)
    counting = Counting()
    cache = KeypointCache(counting, 3 * MAX_KEYPOINTS * 50)
    for number in (1, 2, 1, 3, 4):
        cache.stored(known, near(number))
    before = len(counting.rows_read)
    cache.stored(known, near(4))
    assert len(counting.rows_read) == before
    cache.stored(known, near(2))
    assert counting.rows_read[-1] == "id-2"
    assert cache._bytes <= 3 * MAX_KEYPOINTS * 50


def test_without_memory_for_the_cache_everything_is_read_each_time_and_still_right():
    counting = Counting()
    cache = KeypointCache(counting, 0)
    known = make_set(verify=Verify.SUPPORTS)
    for _ in range(2):
        assert len(cache.stored(known, near(1))["id-1", False].keypoints) > 0
    assert counting.rows_read == ["id-1", "id-1"]


def test_a_file_that_cannot_grow_any_more_gives_back_its_space(tmp_path):
    file, features = KeypointFile(tmp_path, 1 << 24), pack(detect(detailed(208)))
    file.write("first", features, NO_FACTS)
    size, limits = os.fstat(file._fd).st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        file.write("second", features, NO_FACTS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (size > 0, os.fstat(file._fd).st_size, file.read("first")) == (True, 0, None)
