"""The worker threads do all of a batch's work, and that of the oldest batch first."""

import os
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from matcher import workers as module
from matcher.workers import Workers, cores

WAIT_S = 30.0  # a bound for things that happen at once or never


@pytest.fixture
def one():
    workers = Workers(1)
    yield workers
    workers.close()


def until_waiting(workers, number):
    deadline = time.monotonic() + WAIT_S
    while workers._waiting.qsize() < number:
        assert time.monotonic() < deadline
        os.sched_yield()


def test_each_item_is_worked_on_once_and_the_results_are_in_the_order_of_the_items():
    workers, done = Workers(3), []

    def work(item):
        done.append(item)
        return item * 2

    assert workers.spread(0, work, range(50)) == [item * 2 for item in range(50)]
    assert sorted(done) == list(range(50))
    workers.close()


def test_a_call_without_items_returns_at_once(one):
    assert one.spread(0, str, []) == []


def test_as_many_items_are_worked_on_at_a_time_as_there_are_threads():
    workers, together = Workers(3), threading.Barrier(3)
    assert sorted(workers.spread(0, lambda _: together.wait(WAIT_S), range(3))) == [
        0,
        1,
        2,
    ]  # a single thread would wait for ever
    workers.close()


def test_the_work_of_an_older_batch_is_done_before_that_of_a_younger_one(one):
    busy, release, order = threading.Event(), threading.Event(), []

    def hold(_):
        busy.set()
        release.wait(WAIT_S)

    with ThreadPoolExecutor(3) as batches:
        batches.submit(one.spread, 0, hold, [None])
        assert busy.wait(WAIT_S)
        younger = batches.submit(one.spread, 2, order.append, ["younger"] * 3)
        until_waiting(one, 3)
        older = batches.submit(one.spread, 1, order.append, ["older"] * 3)
        until_waiting(one, 6)
        release.set()
        older.result(WAIT_S)
        younger.result(WAIT_S)
    assert order == ["older"] * 3 + ["younger"] * 3


def test_an_error_in_the_work_is_raised_to_the_caller_and_the_workers_go_on(one):
    with pytest.raises(ZeroDivisionError):
        one.spread(0, lambda item: 1 / item, [1, 0, 2])
    assert one.spread(1, str, [5]) == ["5"]


def test_work_that_waits_when_the_workers_are_closed_is_cancelled(one):
    busy, release = threading.Event(), threading.Event()

    def hold(_):
        busy.set()
        release.wait(WAIT_S)

    with ThreadPoolExecutor(1) as batches:
        call = batches.submit(one.spread, 0, hold, range(2))
        assert busy.wait(WAIT_S)
        one.close()
        one.close()
        release.set()
        with pytest.raises(CancelledError):
            call.result(WAIT_S)


def test_closed_workers_refuse_new_work(one):
    one.close()
    with pytest.raises(CancelledError):
        one.spread(0, str, [1])


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("150000 100000", 2), ("100000 100000", 1), ("50000 100000", 1), ("max 100000", 8), ("nonsense", 8), (None, 8)],
)
def test_the_number_of_cores_respects_a_containers_quota_and_the_affinity(quota, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(module, "_QUOTA", tmp_path / "cpu.max")
    if quota:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert cores() == expected
    workers = Workers()
    assert workers.threads == expected
    workers.close()


def test_workers_are_idle_when_none_has_anything_to_do():
    busy, release, workers = threading.Event(), threading.Event(), Workers(2)

    def hold(_):
        busy.set()
        release.wait(WAIT_S)

    assert workers.idle
    with ThreadPoolExecutor(1) as batches:
        call = batches.submit(workers.spread, 0, hold, [None])
        assert busy.wait(WAIT_S)
        assert not workers.idle  # although one of the two threads is
        release.set()
        call.result(WAIT_S)
    assert workers.idle
    with pytest.raises(ZeroDivisionError):
        workers.spread(1, lambda _: 1 / 0, [None])
    assert workers.idle
    workers.close()
