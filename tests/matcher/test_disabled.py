"""Disabled references are no candidates, by the verdict's time."""

from datetime import timedelta

import pytest
from deciding import NOW, decided, known, near, same_content

from embedding.image import Reason
from matcher.levels import Compared, in_use
from reference_sets.model import Kind, ReferenceFacts


def disabled(candidate, until=0):
    facts = ReferenceFacts(state="disabled", disabled_until=until)
    return candidate._replace(neighbour=candidate.neighbour._replace(facts=facts))


AT = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("until", "counts"), [(0, False), (AT + 1, False), (AT, True), (AT - 1, True), (AT + 86_400, False)]
)
@pytest.mark.parametrize("one", [near(0.95)[0], same_content()])
def test_a_disabled_reference_is_no_candidate_until_its_time_has_come(one, until, counts):
    outcome = decided((known("bad"), [disabled(one, until)]))
    assert outcome.decision == ("block" if counts else "allow")
    assert len(outcome.matches) == counts
    vetoing = decided((known("bad"), near(0.91)), (known("good", Kind.ALLOW), [disabled(one, until)]))
    assert vetoing.decision == ("allow" if counts else "block")


def test_disabling_ends_at_the_second_of_the_verdict_and_not_before():
    one = known("bad"), [disabled(near(0.95)[0], AT)]
    assert decided(one, judged_at=NOW).decision == "block"
    assert decided(one, judged_at=NOW - timedelta(microseconds=1)).decision == "allow"


def test_a_disabled_reference_hides_none_behind_it():
    first, second = near(0.99, 0.95)
    (match_,) = decided((known("bad"), [disabled(first), second])).matches
    assert (match_.candidate.neighbour.id, match_.others) == ("id1", ())
    left = in_use(Compared(known("bad"), [disabled(first), second], Reason.FEATURELESS), NOW)
    assert (left.candidates, left.reason) == ([second], Reason.FEATURELESS)
