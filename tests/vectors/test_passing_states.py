"""A server that is busy with itself is waited for, like one that is away; what cannot pass is reported at once."""

import threading
from pathlib import Path

import grpc
import psutil
import pytest
from forwarder import Forwarder
from milvus_fixtures import make_set, references, unit
from pymilvus.exceptions import MilvusException
from run import missing

from harness.milvus_server import MilvusServer, NoMilvus, program
from patience import Away, Patience
from reference_sets.store import Store
from vectors import repair
from vectors.errors import NoCollection, StoreError
from vectors.index import Index
from vectors.repair import make_ready
from vectors.session import Session

PATIENCE_S = 120.0


def answer(code: int, message: str = "no", *, retriable: bool = False, is_input_error: bool = False) -> MilvusException:
    return MilvusException(code, message, retriable=retriable, is_input_error=is_input_error)


PASSING = [
    answer(503, "failed to search: channel lacks[channel=channel not subscribed]: channel not available"),
    answer(501, "channel lacks"),
    answer(101, "collection not loaded"),
    answer(106, "collection on recovering"),
    answer(902, "node offline"),
    answer(8, "rate limit exceeded"),
    answer(1, "service not ready[rootcoord=1]: Abnormal", retriable=True),
    answer(77, "a number of a later version", retriable=True),
    answer(65535, "empty grpc client: find no available rootcoord, check rootcoord state"),
    answer(65535, "rpc error: code = Unavailable desc = transport is closing"),
    answer(65535, "etcdserver: request timed out"),
    answer(65535, "fail to Query, QueryNode ID = 1, reason=delegator closed during wait tsafe"),
    answer(65535, "incomplete query result, missing id ref-1, len(searchIDs) = 416, len(queryIDs) = 0"),
]
FINAL = [
    answer(1, "Field label is missing"),
    answer(5, "service internal error"),
    answer(700, "index not found"),
    answer(1100, "invalid parameter"),
    answer(1100, "invalid parameter", retriable=True, is_input_error=True),
    answer(65535, "only support alter collection properties, but collection properties is empty"),
]


@pytest.fixture
def opened(tmp_path: Path):
    sessions: list[Session] = []

    def opened(patience: Patience | None) -> Session:
        sessions.append(Session(str(tmp_path / "a.db"), "", "", 2.0, patience))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


def port_of(uri: str) -> int:
    return int(uri.rpartition(":")[2])


class Failing:
    """Fails a few times with the same error, and then answers."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self, *_: object) -> str:
        self.calls += 1
        if self.left == 0:
            return "found"
        self.left -= 1
        raise self.error


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_a_state_that_passes_is_waited_for(opened, error):
    waits: list[str | None] = []
    action = Failing(error, 3)
    assert opened(Patience(60, on_wait=waits.append)).call(action) == "found"
    assert action.calls == 4
    assert waits[0] is not None
    assert "is not ready (" in waits[0]
    assert waits[-1] is None


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_without_patience_it_is_away_and_the_message_says_why(opened, error):
    with pytest.raises(Away, match="is not ready"):
        opened(None).call(Failing(error, 1))


@pytest.mark.parametrize("error", FINAL, ids=str)
def test_what_trying_again_cannot_help_is_reported_at_once(opened, error):
    action = Failing(error, 1)
    with pytest.raises(StoreError):
        opened(Patience(60)).call(action)
    assert action.calls == 1


LATE = [
    answer(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"),
    answer(1, "wait for flush timeout, collection: known, flusht_ts: 1"),
    answer(1, "wait for loading collection timeout, collection: known"),
]


def test_work_that_takes_long_gets_twice_the_time_until_it_is_enough(opened, monkeypatch):
    session, given = opened(None), []
    for error in LATE:
        action = Failing(error, 3)
        assert session.call_bulk(lambda _, time_s, action=action: given.append(time_s) or action(), "known") == "found"
    assert given == [2.0, 4.0, 8.0, 16.0] * 3
    gone = Failing(answer(grpc.StatusCode.UNAVAILABLE, "refused"), 2)
    with pytest.raises(Away):
        session.call_bulk(gone, "known")
    assert gone.calls == 1
    monkeypatch.setattr("vectors.session.BULK_S", 0.0)
    slow = Failing(LATE[0], 9)
    with pytest.raises(Away):
        session.call_bulk(slow, "known")
    assert slow.calls == 1


def test_what_was_found_while_another_process_loads_the_collection_again_does_not_count(tmp_path):
    """A server answers such a search without an error, and without rows."""

    class Server(Session):
        loaded = 1

        def _loaded_now(self, _: str) -> list[int]:
            return [self.loaded]

    answers = [[], [], ["found"]]

    def search(*_: object) -> list[str]:
        session.loaded += len(answers) > 1
        return answers.pop(0)

    path = str(tmp_path / "a.db")
    with Store(path) as store:
        store.create(make_set("known"))
        session = Server(path, "", "", 2.0, Patience(60))
        assert session.call_loaded("known", search) == ["found"]
        session.close()


def test_an_index_that_another_process_has_dropped_already_is_built_again(tmp_path):
    with Store(str(tmp_path / "a.db")) as store:
        store.create(make_set("known"))
        store.upsert("known", references(unit(3, 1)))
        client = store._database._session._client
        for _ in range(2):
            repair._drop(client, "known", 10.0)
        assert len(store.search("known", unit(1, 1), 5)[0]) == 3


def test_a_missing_collection_is_no_passing_state(opened):
    with pytest.raises(NoCollection):
        opened(Patience(60)).call(Failing(answer(100, "collection not found"), 1), "nowhere")


def test_an_index_is_not_rebuilt_because_a_server_is_busy():
    class Busy:
        def list_indexes(self, *_: object, **__: object) -> list[str]:
            return ["vector"]

        def describe_index(self, *_: object, **__: object) -> dict[str, str]:
            return {"index_type": "FLAT"}

        def load_collection(self, *_: object, **__: object) -> None:
            raise answer(604, "segment load failed")

    with pytest.raises(MilvusException, match="segment load failed"):  # and no other method was called
        make_ready(Busy(), "known", Index, 1.0)  # type: ignore[arg-type]  # all that it may call


def test_a_real_server_that_was_stalled_until_its_nodes_lost_their_leases_is_waited_for(tmp_path, monkeypatch):
    """As it comes back it answers "channel not subscribed", then it ends, and its supervisor starts it again."""
    monkeypatch.setenv("COMMON_SESSION_TTL", "5")  # 30 s by default: then a stall of 30 s does the same
    try:
        program()
    except NoMilvus as why:
        missing(str(why))
    server, done = MilvusServer(tmp_path), threading.Event()
    failed: list[Exception] = []
    calls: list[int] = []

    def work() -> None:
        while not done.is_set():
            try:
                calls.append(len(store.search("known", unit(2, 1), 3)))
            except Exception as error:  # noqa: BLE001 (any is the failure that this test looks for)
                failed.append(error)
                return

    try:
        with (
            Forwarder(port_of(server.start())) as balancer,
            Store(f"http://{balancer.address}", timeout_s=2.0, patience=Patience(PATIENCE_S)) as store,
        ):
            store.create(make_set("known"))
            store.upsert("known", references(unit(5, 1)))
            process = server.process()
            worker = threading.Thread(target=work)
            worker.start()
            process.suspend()
            done.wait(12)
            process.resume()
            psutil.wait_procs([process], timeout=15)
            server.kill()
            balancer.port = port_of(server.start())
            before = len(calls)
            while len(calls) < before + 3 and not failed:
                done.wait(0.1)
            done.set()
            worker.join()
    finally:
        done.set()
        server.kill()
    assert failed == []
    assert set(calls) == {2}
