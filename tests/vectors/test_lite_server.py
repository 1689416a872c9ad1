"""A Milvus Lite file, opened directly and served on loopback: who may open it, and what happens after a kill."""

import socket
import time
from pathlib import Path

import pytest
from milvus_fixtures import make_set, references, unit

from harness.ports import free_ports
from patience import Away, Patience
from reference_sets.store import Store, StoreError
from vectors.lite_server import LiteServer, is_loopback, lite_server, serving


def test_a_file_that_another_process_uses_is_reported_with_the_fix(tmp_path: Path):
    with lite_server(tmp_path / "sets.db"):
        with pytest.raises(StoreError, match=r"is in use by another process; .*`vigilens milvus`"):
            Store(str(tmp_path / "sets.db"))
        with pytest.raises(StoreError, match="is in use by another process"):
            LiteServer(tmp_path / "sets.db")
    Store(str(tmp_path / "sets.db")).close()  # the file is free again


def test_a_missing_folder_is_reported(tmp_path: Path):
    with pytest.raises(StoreError, match=r"does not exist; make it or change milvus\.uri"):
        Store(str(tmp_path / "nowhere" / "sets.db"))


def test_a_port_that_is_taken_is_reported(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StoreError, match="cannot be listened on"):
        LiteServer(tmp_path / "sets.db", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", ""])  # noqa: S104 (it is refused)
def test_addresses_that_other_machines_can_reach_are_refused(tmp_path: Path, host: str):
    assert not is_loopback(host)
    with pytest.raises(StoreError, match="--allow-remote"), serving(tmp_path / "sets.db", 0, host):
        pass


def test_a_server_listens_on_loopback_only(tmp_path: Path):
    with lite_server(tmp_path / "sets.db") as uri:
        assert uri.startswith("http://127.0.0.1:")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", int(uri.rpartition(":")[2])), timeout=5)


def test_a_killed_server_is_away_in_bounded_time_and_has_all_its_rows_after_a_restart(tmp_path: Path):
    (port,) = free_ports(1)
    vectors = unit(50, 1)
    with LiteServer(tmp_path / "sets.db", port) as first, Store(first.uri, timeout_s=2.0) as store:
        store.create(make_set("alpha"))
        store.upsert("alpha", references(vectors))
        first.kill()
        started = time.monotonic()
        with pytest.raises(Away, match="does not answer"):
            store.search("alpha", vectors, 1)
        assert time.monotonic() - started < 6
        with LiteServer(tmp_path / "sets.db", port):
            assert [found[0].id for found in store.search("alpha", vectors, 1)] == [f"ref-{i}" for i in range(50)]


def test_with_patience_a_call_waits_for_a_server_that_is_started_later(tmp_path: Path):
    (port,) = free_ports(1)
    servers: list[LiteServer] = []

    def start(why: str | None) -> None:
        if why:
            servers.append(LiteServer(tmp_path / "sets.db", port))

    with Store(f"http://127.0.0.1:{port}", timeout_s=2.0, patience=Patience(60.0, on_wait=start)) as store:
        assert store.sets() == ()
    servers[0].stop()


def test_a_port_where_nobody_listens_and_an_unknown_host_are_away():
    (port,) = free_ports(1)
    for uri in (f"http://127.0.0.1:{port}", "http://nowhere.invalid:19530"):
        with pytest.raises(Away, match="does not answer"):
            Store(uri, timeout_s=2.0)


def test_a_secret_in_the_address_or_the_token_is_in_no_message():
    (port,) = free_ports(1)
    with pytest.raises(Away) as caught:
        Store(f"http://somebody:pa55word@127.0.0.1:{port}", token="root:t0ken", timeout_s=1.0)  # noqa: S106
    assert "pa55word" not in str(caught.value)
    assert "t0ken" not in str(caught.value)
    with pytest.raises(StoreError, match=r"must be a file's path or http\(s\)://host:port"):
        Store("ftp://127.0.0.1")


def test_a_torn_index_is_rebuilt_and_no_row_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path, vectors = tmp_path / "sets.db", unit(300, 2)
    with Store(str(path)) as store:
        store.create(make_set("alpha"))
        store.upsert("alpha", references(vectors))
        store.flush("alpha")
        store.search("alpha", vectors, 1)
    torn = [file for file in path.rglob("*") if file.is_file() and file.suffix == ".idx"]
    assert torn, "Milvus Lite keeps its index files elsewhere now"
    for file in torn:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with Store(str(path)) as store:
        assert [found[0].id for found in store.search("alpha", vectors, 1)] == [f"ref-{i}" for i in range(300)]
        assert store.count("alpha") == 300
    assert "the index of the collection alpha is damaged and is rebuilt; no row is lost" in caplog.text
