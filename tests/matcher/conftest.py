"""Two sets for the tests of the judge."""

import pytest
from detailed import detailed
from judging import PDQ, described, reference

from embedding.look import look
from matcher.demand import demand_of
from reference_sets.model import Mirrored, Verify
from reference_sets.store import Store


@pytest.fixture(scope="module")
def judged_sets(tmp_path_factory):
    """One set in which only PDQ decides, and one in which the check may raise the level and images are mirrored."""
    with Store(str(tmp_path_factory.mktemp("judge") / "sets.db")) as opened:
        for known in (
            described("alone"),
            described("supported", verify=Verify.SUPPORTS, mirrored=Mirrored.QUERIED),
        ):
            opened.create(known)
            looks = look([PDQ], [detailed(seed) for seed in range(300, 304)], demand_of([known]).needs)
            opened.upsert(known.name, [reference(f"id-{number}", one.view) for number, one in enumerate(looks)])
        yield opened
