"""Images per second, as benchmarks.service counts them."""

import pytest

from benchmarks.service import rate


@pytest.mark.parametrize("apart_s", [0.0, 0.0005])
def test_a_batch_counts_only_with_the_time_for_it_whether_its_verdicts_come_at_once_or_one_by_one(apart_s):
    came = [0.5 * batch + apart_s * number for batch in range(12) for number in range(64)]
    assert rate(came) == pytest.approx(64 / 0.5)
