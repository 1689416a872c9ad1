"""The embedded Milvus server: its processes end with their parent, and a missing server is one sentence."""

import socket

import psutil
import pytest
from milvus_fixtures import make_set, real_milvus

from harness import milvus_server
from harness.ports import free_ports
from patience import Patience
from reference_sets.store import Store


def processes(folder):
    """Processes that name the folder in their command line."""
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or ())]


def test_it_answers_and_none_of_its_processes_is_left_afterwards(tmp_path):
    with real_milvus(tmp_path) as uri:
        with Store(uri, patience=Patience(60)) as store:
            store.create(make_set("known"))
            assert [known.name for known in store.sets()] == ["known"]
        running = processes(tmp_path)
        assert len(running) > 1  # the launcher, and the server that it waits for
    _, left = psutil.wait_procs(running, timeout=10)
    assert [each for each in left if each.status() != psutil.STATUS_ZOMBIE] == []


def test_a_server_that_is_not_installed_is_one_sentence_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(milvus_server, "PROGRAM", tmp_path / ".cache/milvus-server/bin/milvus-server")
    with (
        pytest.raises(milvus_server.NoMilvus, match=r"run `make \.cache/milvus-server/bin/milvus-server`"),
        milvus_server.milvus_server(tmp_path),
    ):
        pass


def test_free_ports_are_different_and_can_be_listened_on():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_listened_on_is_not_free(monkeypatch):
    taken, free = free_ports(2)
    draws = iter([taken, free])

    class Drawing:
        def randrange(self, *_):
            return next(draws)

    monkeypatch.setattr("harness.ports.SystemRandom", Drawing)
    with socket.create_server(("127.0.0.1", taken)):
        assert free_ports(1) == [free]
