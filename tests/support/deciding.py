"""Sets and candidates for the tests of the decision."""

from matcher.decide import decide
from matcher.evidence import WHOLE, Candidate, Evidence
from matcher.levels import Compared
from reference_sets.model import CheckThresholds, Kind, Neighbour, ReferenceSet, Thresholds, Verify

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
    return Candidate(Neighbour(name, name, similarity), checked=True, evidence=evidence, **facts)


def same_content(name="id0", **facts):
    return Candidate(Neighbour(name, name, 0.0), content=True, **facts)


def decided(*pairs, problem=None, instead_of_allow=None):
    """The outcome for sets with their candidates, and perhaps why they were not compared."""
    return decide([Compared(*pair) for pair in pairs], problem, instead_of_allow=instead_of_allow)
