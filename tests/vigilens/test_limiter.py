"""What the breaker asks for, on real sets: limited, left alone, gone."""

from datetime import UTC, datetime

import pytest
from milvus_fixtures import make_set, references, unit

from alerting.breaker.counts import Burst
from alerting.breaker.matches import Match
from alerting.breaker.plan import Answer
from reference_sets.store import Store
from vigilens.wiring import limiter

AT = datetime(2026, 11, 21, 12, 0, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


def burst(name, reference="ref-0"):
    last = Match(name, 2, reference, "label", "spam", 50, limited=False, person=None, at=AT)
    return Burst(last, 26, 0.0, 25.0, 5, AT)


def test_a_reference_is_limited_unless_it_may_not_be(store):
    new = make_set()
    store.create(new)
    store.upsert(new.name, references(unit(2, 4)))
    limit = limiter(lambda: store)
    assert limit(burst(new.name), False) == Answer()
    assert limit(burst(new.name), True) == Answer(version=3, at=AT)
    assert limit(burst(new.name, "ref-9"), True) == Answer(there=False)


def test_a_set_that_was_dropped_has_nothing_to_limit(store):
    assert limiter(lambda: store)(burst("no_such_set"), True) == Answer(there=False)


def test_a_set_that_cannot_be_changed_says_why(store):
    new = make_set()
    store.create(new)
    store.upsert(new.name, references(unit(2, 4)))
    store._database.alter(store._found(new.name).collection, {"vigilens.severity": "much"})
    assert "severity" in limiter(lambda: store)(burst(new.name), True).why
