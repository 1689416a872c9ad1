"""Sets and candidates for the tests of the decision."""

from datetime import UTC, datetime

from matcher.decide import decide
from matcher.evidence import WHOLE, Candidate, Evidence
from matcher.levels import Compared
from reference_sets.model import CheckThresholds, Kind, Neighbour, ReferenceFacts, ReferenceSet, Thresholds, Verify

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
REVIEW, BLOCK = 0.75, 0.9
CHECK_REVIEW, CHECK_BLOCK = 0.3, 0.6


def known(name="bad", kind=Kind.HARMFUL, severity=50, verify=Verify.OFF, **wishes):
    return ReferenceSet(
        name=name,
        kind=kind,
        category="spam",
        severity=severity,
        thresholds=Thresholds(REVIEW, BLOCK),
        encoder=wishes.pop("encoder", "pdq:0"),
        dimension=2,
        version=3,
        probe=(1.0, 0.0),
        verify=verify,
        check=CheckThresholds(CHECK_REVIEW, CHECK_BLOCK),
        **wishes,
    )


def near(*scores):
    return [Candidate(Neighbour(f"id{number}", f"label{number}", score)) for number, score in enumerate(scores)]


def checked(similarity, score, name="id0", **facts):
    """A candidate; `region`, `differs` and `share` are of its evidence, other facts its own."""
    own = {key: facts.pop(key, usual) for key, usual in (("share", 1.0), ("region", WHOLE), ("differs", ()))}
    evidence = None
    if score:
        evidence = Evidence(score, 40, own["share"], 1.0, 1.0, own["region"], mirrored=False, differs=own["differs"])
    near = Neighbour(name, name, similarity, facts=ReferenceFacts(facts.pop("ceiling", "")))
    return Candidate(near, checked=True, evidence=evidence, **facts)


def same_content(name="id0", ceiling="", **facts):
    return Candidate(Neighbour(name, name, 0.0, facts=ReferenceFacts(ceiling)), content=True, **facts)


def decided(*pairs, problem=None, instead_of_allow=None, judged_at=NOW):
    """The outcome for sets with their candidates, and perhaps why they were not compared."""
    compared = [Compared(*pair) for pair in pairs]
    return decide(compared, problem, judged_at=judged_at, instead_of_allow=instead_of_allow)


def match(known, candidates):
    """The match with a set, if it is the only one."""
    return next(iter(decided((known, candidates)).matches), None)
