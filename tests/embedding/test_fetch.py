"""Bytes in the event, and files below roots."""

import os
import socket
from pathlib import Path

import pytest
from fetch_fixtures import CAP, fetcher, reason

from embedding.image import File, Inline, Reason


def test_inline_bytes_are_capped_and_must_not_be_empty():
    fetch = fetcher().fetch
    assert fetch(Inline(b"x" * CAP)) == b"x" * CAP
    assert reason(fetch(Inline(b"x" * (CAP + 1)))) is Reason.TOO_MANY_BYTES
    assert reason(fetch(Inline(b""))) is Reason.EMPTY_VALUE


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root-like").mkdir()
    (tmp_path / "root-like" / "b.jpg").write_bytes(b"other")
    return folder


def test_a_file_below_a_root_is_read(root):
    assert fetcher([root]).fetch(File(str(root / "a.jpg"))) == b"picture"
    assert fetcher(["/nowhere", root]).fetch(File(f"{root}/../{root.name}/./a.jpg")) == b"picture"


def test_links_are_resolved_in_roots_and_in_paths(root, tmp_path):
    (root / "inside").symlink_to(root / "a.jpg")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (tmp_path / "alias").symlink_to(root)
    fetch = fetcher([tmp_path / "alias"]).fetch
    assert fetch(File(str(root / "inside"))) == b"picture"
    assert fetch(File(str(tmp_path / "alias" / "a.jpg"))) == b"picture"
    assert reason(fetch(File(str(root / "outside")))) is Reason.SOURCE_NOT_ALLOWED
    assert reason(fetch(File(str(root / "up" / "secret")))) is Reason.SOURCE_NOT_ALLOWED


@pytest.mark.parametrize(
    "path",
    ["{root}/../secret", "{root}-like/b.jpg", "a.jpg", "", "/etc/passwd", "/proc/self/environ", "{root}/../gone"],
)
def test_paths_outside_the_roots_are_not_allowed_whether_the_file_exists_or_not(root, path):
    assert reason(fetcher([root]).fetch(File(path.format(root=root)))) is Reason.SOURCE_NOT_ALLOWED


def test_without_roots_no_path_is_allowed(root):
    assert reason(fetcher().fetch(File(str(root / "a.jpg")))) is Reason.SOURCE_NOT_ALLOWED


@pytest.mark.parametrize("name", ["gone.jpg", "a.jpg/below", "x" * 300, "nul\0", "lone\ud800", "loop"])
def test_names_that_no_file_has_are_not_found(root, name):
    (root / "loop").symlink_to("loop")
    assert reason(fetcher([root]).fetch(File(f"{root}/{name}"))) is Reason.NOT_FOUND


def test_only_regular_files_are_read_and_a_fifo_does_not_block(root):
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
        for name in ("fifo", "socket", "."):
            assert reason(fetcher([root]).fetch(File(str(root / name)))) is Reason.SOURCE_NOT_ALLOWED
    assert reason(fetcher(["/"]).fetch(File("/dev/zero"))) is Reason.SOURCE_NOT_ALLOWED


def test_a_file_is_capped_and_must_not_be_empty(root):
    (root / "large").write_bytes(b"x" * (CAP + 1))
    (root / "full").write_bytes(b"x" * CAP)
    (root / "empty").touch()
    fetch = fetcher([root]).fetch
    assert reason(fetch(File(str(root / "large")))) is Reason.TOO_MANY_BYTES
    assert len(fetch(File(str(root / "full")))) == CAP
    assert reason(fetch(File(str(root / "empty")))) is Reason.EMPTY_VALUE


def test_a_file_that_is_swapped_for_a_link_in_between_is_not_followed(root, tmp_path, monkeypatch):
    resolve = os.path.realpath

    def swap(path, **options):
        resolved = resolve(path, **options)
        if str(path).endswith("a.jpg"):
            Path(path).unlink()
            Path(path).symlink_to(tmp_path / "secret")
        return resolved

    fetch = fetcher([root]).fetch
    monkeypatch.setattr(os.path, "realpath", swap)
    assert reason(fetch(File(str(root / "a.jpg")))) is Reason.SOURCE_NOT_ALLOWED


def test_no_descriptor_is_left_open(root):
    fetch = fetcher([root]).fetch
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("a.jpg", "gone", "../secret", "."):
        fetch(File(str(root / name)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
