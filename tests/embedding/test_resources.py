"""A process that lacks file descriptors or memory blames no picture for it."""

import errno
import os
import socket
import subprocess
import sys

import pytest
from fetch_fixtures import fetcher, serving, whole

from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.fetch.resources import NoResources
from embedding.image import File, Url

# In a process of its own: one without descriptors cannot run other tests.
PROGRAM = """
import os, resource, socket, sys, threading
import numpy  # loads libgcc, without which a thread that ends in such a process aborts it
from pathlib import Path
from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.fetch.resources import NoResources
from embedding.image import File, Url

picture, url, host, released_after = sys.argv[1:]
fetcher = Fetcher(FetchRules(1000, (Path(picture).parent,), (host,), allow_http=True, timeout_s=5), resources_s=1)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass


def release():
    for descriptor in taken:
        os.close(descriptor)


if float(released_after):
    threading.Timer(float(released_after), release).start()
for source in (File(picture), Url(url)):
    try:
        print(fetcher.fetch(source))
    except NoResources as error:
        print("NoResources:", error)
"""


def said(picture, server, released_after):
    arguments = (picture, f"http://{server.host}/a", server.host, released_after)
    program = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    return tmp_path / "a.jpg"


def test_without_file_descriptors_a_good_picture_waits_and_is_read_once_there_are_some(picture):
    with serving({"/a": whole(b"picture")}) as (server, _):
        assert said(picture, server, 0.3) == ["b'picture'", "b'picture'"]


def test_if_there_are_none_for_long_the_process_ends_and_no_picture_gets_a_verdict(picture):
    with serving({"/a": whole(b"picture")}) as (server, _):
        lines = said(picture, server, 0)
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("NoResources: images cannot be read, because this process lacks resources ([Errno 24]")


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "no"), OSError(errno.ENFILE, "no")])
def test_other_shortages_of_this_machine_are_not_the_pictures_fault_either(picture, monkeypatch, error):
    def fail(*_, **__):
        raise error

    with serving({"/a": whole(b"picture")}) as (server, _):
        rules = FetchRules(1000, (picture.parent,), (server.host,), allow_http=True, timeout_s=5)
        monkeypatch.setattr(os, "open", fail)
        monkeypatch.setattr(socket.socket, "setblocking", fail)
        for source in (File(str(picture)), Url(f"http://{server.host}/a")):
            with pytest.raises(NoResources):
                Fetcher(rules, resources_s=0.1).fetch(source)


def test_a_failure_of_the_disk_is_still_a_reason(picture, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    assert "cannot be read: Input/output error" in fetcher([picture.parent]).fetch(File(str(picture))).detail
