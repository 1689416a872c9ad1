"""Waiting for a dependency that is away: growing pauses, a limit, and an immediate end when the process stops."""

import threading
import time

import pytest

from patience import Away, Patience


class Gone(Exception):  # noqa: N818 (names the situation)
    """The error that the dependency raises while it is away."""


def is_gone(error: Exception) -> bool:
    return isinstance(error, Gone)


class Flaky:
    """Away for the first `failures` calls."""

    def __init__(self, failures: int):
        self.failures, self.calls = failures, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise Gone("no answer")
        return "here"


def test_a_call_that_works_is_made_once_and_nothing_is_reported():
    reported: list[str | None] = []
    flaky = Flaky(0)
    assert Patience(1.0, on_wait=reported.append).call(flaky, is_gone, "milvus") == "here"
    assert (flaky.calls, reported) == (1, [])


def test_a_dependency_that_comes_back_is_noticed_and_waiting_is_reported_once_with_its_reason_and_its_end():
    reported: list[str | None] = []
    flaky = Flaky(2)
    assert Patience(30.0, on_wait=reported.append).call(flaky, is_gone, "milvus") == "here"
    assert (flaky.calls, reported) == (3, ["milvus: no answer", None])


def test_each_further_attempt_is_a_sign_of_life_and_errors_are_explained():
    tried, reported = [], []
    flaky = Flaky(2)
    patience = Patience(
        30.0, on_wait=reported.append, on_try=lambda: tried.append(flaky.calls), explain=lambda error: f"<{error}>"
    )
    assert patience.call(flaky, is_gone, "milvus") == "here"
    assert (tried, reported) == ([1, 2], ["milvus: <no answer>", None])


def test_a_dependency_that_stays_away_is_given_up_in_time_with_its_last_error():
    reported: list[str | None] = []
    started = time.monotonic()
    with pytest.raises(Away, match=r"^milvus stayed away for 0.3 s: no answer$"):
        Patience(0.3, on_wait=reported.append).call(Flaky(1000), is_gone, "milvus")
    assert 0.3 <= time.monotonic() - started < 2
    assert reported == ["milvus: no answer", None]


def test_other_errors_are_raised_at_once_also_while_waiting():
    def wrong() -> str:
        raise ValueError("wrong token")

    with pytest.raises(ValueError, match="wrong token"):
        Patience(30.0).call(wrong, is_gone, "milvus")
    answers = iter([Gone("no answer"), ValueError("wrong token")])

    def first_gone_then_wrong() -> str:
        raise next(answers)

    with pytest.raises(ValueError, match="wrong token"):
        Patience(30.0).call(first_gone_then_wrong, is_gone, "milvus")


def test_stopping_ends_the_waiting_at_once():
    stopping, waiting = threading.Event(), threading.Event()
    patience = Patience(600.0, stopping, lambda why: waiting.set() if why else None)
    ended: list[Exception] = []

    def work() -> None:
        try:
            patience.call(Flaky(10**9), is_gone, "milvus")
        except Away as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(10)
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()
    assert "stopping" in str(ended[0])


def test_if_several_threads_wait_only_the_first_start_and_the_last_end_are_reported():
    reported: list[str | None] = []
    patience = Patience(0.5, on_wait=reported.append)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        with pytest.raises(Away):
            patience.call(Flaky(10**9), is_gone, "milvus")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reported == ["milvus: no answer", None]
