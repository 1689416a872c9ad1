"""No two writers publish the same version of a set: the protocol on a fake, then processes and threads on Milvus."""

import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from milvus_fixtures import make_set, real_milvus, references, unit

from patience import Away, Patience
from reference_sets.claims import DEAD_S, MOST_KEYS, PAUSE_S, Claim, Claims
from reference_sets.store import Store
from vectors.errors import StoreError
from vectors.lite_server import lite_server

ROOT = Path(__file__).parents[2]
ADDED = 15  # upserts by each writer


class Properties:
    """Properties of one collection, changed key by key. The functions in `before` are called once, before a call."""

    def __init__(self, *, deletes: bool = True, **more: str):
        self.now = {
            "vigilens.version": "7",
            **{f"vigilens.{key.replace('_', '.')}": text for key, text in more.items()},
        }
        self.deletes, self.calls, self.before = deletes, 0, {}

    def _call(self) -> None:
        self.calls += 1
        self.before.pop(self.calls, lambda: None)()

    def properties(self, _: str) -> dict[str, str]:
        self._call()
        return dict(self.now)

    def alter(self, _: str, properties: Mapping[str, str]) -> None:
        self._call()
        self.now |= properties

    def remove_properties(self, _: str, keys: list[str]) -> None:
        self._call()
        if not self.deletes:
            raise StoreError("only support alter collection properties")
        self.now = {key: text for key, text in self.now.items() if key not in keys}

    @property
    def claims(self) -> dict[str, str]:
        return {key: text for key, text in self.now.items() if key.startswith("vigilens.claim.")}


class Clock:
    """A clock that each pause advances."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self) -> None:
        self.now += PAUSE_S


def publish(there: Properties, facts: dict[str, str] | None = None, clock: Clock | None = None) -> list[int]:
    """The versions under which the rows were written; the last is the published one."""
    clock, tried = clock or Clock(), []

    def write(claim: Claim) -> dict[str, str]:
        tried.append(claim.version)
        return facts or {}

    assert Claims(there, clock, clock.pause).publish("alpha", "alpha", write) == tried[-1]
    return tried


def test_rows_facts_and_version_are_published_together_and_no_claim_is_left():
    there = Properties()
    assert publish(there, {"severity": "40"}) == [8]
    changed_at = datetime.fromisoformat(there.now.pop("vigilens.changed_at"))
    assert abs((datetime.now(UTC) - changed_at).total_seconds()) < 60
    assert there.now == {"vigilens.version": "8", "vigilens.severity": "40"}


def test_nothing_is_published_if_there_is_nothing_to_write_or_writing_fails():
    there = Properties()
    assert Claims(there).publish("alpha", "alpha", lambda _: None) is None
    for error in (StoreError("refused"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            Claims(there).publish("alpha", "alpha", lambda _, error=error: (_ for _ in ()).throw(error))
    assert there.now == {"vigilens.version": "7"}


def test_if_milvus_is_away_we_do_not_wait_for_it_twice():
    there = Properties()

    def away(_: Claim) -> None:
        there.before[there.calls + 1] = lambda: pytest.fail("it was asked again")
        raise Away("milvus is away")

    with pytest.raises(Away):
        Claims(there).publish("alpha", "alpha", away)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_writer_that_writes_between_our_steps_gets_its_version_and_we_get_the_next(call: int):
    there = Properties()
    there.before[call] = lambda: there.now.update({"vigilens.version": "8"})
    assert publish(there) == [9]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_live_claim_is_waited_for_whenever_it_is_found(call: int):
    there, clock = Properties(), Clock()
    waited = []
    there.before[call] = lambda: there.now.update({"vigilens.claim.other": "8 x"})

    def other_ends() -> None:
        clock.pause()
        waited.append(dict(there.claims))
        if len(waited) == 3:
            there.now |= {"vigilens.claim.other": "", "vigilens.version": "8"}

    assert Claims(there, clock, other_ends).publish("alpha", "alpha", lambda _: {}) == 9
    assert waited == [{"vigilens.claim.other": "8 x"}] * 3  # ours is withdrawn while we wait
    assert there.now["vigilens.version"] == "9"


def test_a_claim_that_does_not_change_for_a_given_time_is_removed():
    there, clock = Properties(claim_dead="8 x"), Clock()
    assert publish(there, clock=clock) == [8]
    assert DEAD_S <= clock.now <= DEAD_S + 3 * PAUSE_S
    assert there.claims == {}


def test_a_claim_that_is_renewed_is_not_removed():
    there, clock, changes = Properties(claim_live="8 x"), Clock(), []

    def renewed() -> None:
        clock.pause()
        if len(changes) < 3 and clock.now >= (len(changes) + 1) * DEAD_S / 2:
            changes.append(clock.now)
            there.now["vigilens.claim.live"] = f"8 x {len(changes)}"

    Claims(there, clock, renewed).publish("alpha", "alpha", lambda _: {})
    assert clock.now >= changes[-1] + DEAD_S


def test_a_writer_whose_claim_was_removed_writes_again_under_a_new_version():
    there = Properties()
    tried = []

    def slow(claim: Claim) -> dict[str, str]:
        tried.append(claim.version)
        if len(tried) == 1:  # another process removes our claim, and publishes the version
            (ours,) = there.claims
            del there.now[ours]
            there.now["vigilens.version"] = "8"
        claim.renew()
        return {}

    assert Claims(there).publish("alpha", "alpha", slow) == 9
    assert tried == [8, 9]
    assert there.claims == {}


@pytest.mark.parametrize("lost", ["the claim", "the version"])
def test_any_sign_that_a_claim_was_lost_is_enough(lost: str):
    there = Properties()
    tried = []

    def slow(claim: Claim) -> dict[str, str]:
        tried.append(claim.version)
        if len(tried) == 1 and lost == "the claim":
            there.now = {"vigilens.version": "7"}
        elif len(tried) == 1:
            there.now["vigilens.version"] = "8"
        return {}

    Claims(there).publish("alpha", "alpha", slow)
    assert tried == ([8, 8] if lost == "the claim" else [8, 9])


def test_two_processes_that_take_the_same_empty_key_do_not_write_at_the_same_time():
    there, clock = Properties(deletes=False, **{f"claim_{number}": "" for number in range(MOST_KEYS)}), Clock()

    def take() -> None:
        (ours,) = (key for key, text in there.claims.items() if text)
        there.now[ours] = "8 another"

    def other_ends() -> None:
        clock.pause()
        assert "8 another" in there.claims.values()
        there.now |= dict.fromkeys(there.claims, "") | {"vigilens.version": "8"}

    there.before[3] = take
    tried = []
    Claims(there, clock, other_ends).publish("alpha", "alpha", lambda claim: tried.append(claim.version) or {})
    assert tried == [9]


def test_if_properties_cannot_be_deleted_a_process_uses_one_key_and_the_number_of_keys_is_limited():
    there = Properties(deletes=False)
    claims = Claims(there)
    assert [claims.publish("alpha", "alpha", lambda _: {}) for _ in range(3)] == [8, 9, 10]
    assert list(there.claims.values()) == [""]
    for _ in range(MOST_KEYS + 50):
        Claims(there).publish("alpha", "alpha", lambda _: {})
    assert len(there.claims) == MOST_KEYS
    assert set(there.claims.values()) == {""}
    assert there.now["vigilens.version"] == str(10 + MOST_KEYS + 50)


WRITER = """
import sys
from milvus_fixtures import references, unit
from patience import Patience
from reference_sets.store import Store
uri, name, writer, added = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
with Store(uri, patience=Patience(60)) as store:
    sys.stdin.readline()
    for step in range(added):
        store.upsert(name, references(unit(2, step), f"{writer}-{step}"))
        print(store.describe(name).version, flush=True)
    store.delete(name, [f"{writer}-0-0"])
"""


def check_versions(store: Store, name: str, writers: int) -> None:
    """Checks that each upsert has its own version, and that no version is missing."""
    by_upsert: dict[str, set[int]] = {}
    for known in store.references(name):
        by_upsert.setdefault(known.id.rpartition("-")[0], set()).add(known.version)
    versions = [version for one in by_upsert.values() for version in one]
    assert len(by_upsert) == len(versions) == len(set(versions)) == writers * ADDED
    described = store.describe(name)
    assert described.version == 1 + writers * ADDED + writers
    assert {*versions} < set(range(2, described.version + 1))
    assert described.removed_version not in versions
    assert store.count(name) == 2 * writers * ADDED - writers


def test_three_processes_never_publish_the_same_version(tmp_path: Path):
    path = f"{ROOT}:{ROOT / 'tests/support'}"
    with lite_server(tmp_path / "sets.db") as uri, Store(uri) as store:
        store.create(make_set("alpha"))
        command = [sys.executable, "-c", WRITER, uri, "alpha"]
        writers = [
            subprocess.Popen(
                [*command, f"w{number}", str(ADDED)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={"PYTHONPATH": path},
            )
            for number in range(3)
        ]
        try:
            for writer in writers:
                writer.stdin.write("go\n")
                writer.stdin.flush()
            said = [[int(line) for line in writer.communicate(timeout=300)[0].split()] for writer in writers]
        finally:
            for writer in writers:
                writer.kill()
        assert [writer.returncode for writer in writers] == [0, 0, 0]
        assert all(versions == sorted(set(versions)) for versions in said)
        check_versions(store, "alpha", 3)
        assert not any(".claim." in key for key in store._database.properties("alpha"))


def test_threads_with_shared_and_own_connections_never_publish_the_same_version(tmp_path: Path):
    with real_milvus(tmp_path) as uri, Store(uri, patience=Patience(60)) as store:
        store.create(make_set("alpha"))
        start = threading.Barrier(3)

        def write(writer: str, with_: Store) -> None:
            start.wait(60)
            for step in range(ADDED):
                with_.upsert("alpha", references(unit(2, step), f"{writer}-{step}"))
            with_.delete("alpha", [f"{writer}-0-0"])

        with Store(uri) as other, ThreadPoolExecutor(3) as threads:
            for done in [threads.submit(write, *each) for each in (("a", store), ("b", store), ("c", other))]:
                done.result(300)
        check_versions(store, "alpha", 3)
        claims = [value for key, value in store._database.properties("alpha").items() if ".claim." in key]
        assert claims == ["", ""]  # one key for each connection: server 2.3 cannot delete properties
