"""How benchmarks.service counts images per second."""

import pytest

from benchmarks.service import rate


@pytest.mark.parametrize("apart_s", [0.0, 0.0005])
def test_a_batch_counts_together_with_its_time_whether_its_verdicts_come_at_once_or_one_by_one(apart_s):
    came = [0.5 * batch + apart_s * number for batch in range(12) for number in range(64)]
    assert rate(came) == pytest.approx(64 / 0.5)


def test_batches_of_several_processes_that_come_within_milliseconds_of_each_other_are_counted_too():
    came = [batch / 64 for batch in range(12) for _ in range(64)]
    assert rate(came) == pytest.approx(64 * 64)


def test_a_late_last_batch_is_not_the_only_one_that_counts():
    came = [batch / 64 for batch in range(11) for _ in range(64)] + [2.0] * 64
    assert rate(came) == pytest.approx(64 * 10 / (2.0 - 1 / 64))


def test_of_two_batches_the_second_counts():
    came = [0.001 * number for number in range(64)] + [4.0 + 0.001 * number for number in range(56)]
    assert rate(came) == pytest.approx(56 / (4.055 - 0.063))


def test_verdicts_that_come_all_at_once_give_no_rate():
    with pytest.raises(SystemExit, match="take more pictures"):
        rate([1.0] * 100)
