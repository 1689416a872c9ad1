"""The outcome of each event, counted against the truth that only the demo knows. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from demo.edits import BY_NAME, EDITS
from demo.pictures import Role
from demo.stream import Incoming
from matcher.verdict import SetMatch, SetResult, Verdict

HARMFUL = {Role.KNOWN, Role.REPORTED}
DECISIONS = ("block", "review", "allow", "unscannable")


class Outcome(StrEnum):
    """How the verdict on an event compares with the truth."""

    FOUND = "found"  # a known picture, blocked or sent to review as what it is
    MISSED = "missed"  # a known picture that was let through, or taken for another one
    NOT_KNOWN_YET = "not known yet"  # a reported picture, before it was in the set
    CLEARED = "cleared"  # a match that an allow set took back
    NAMED = "named"  # an archive picture: reported, and let through
    LET_THROUGH = "let through"  # an unrelated picture, or one that its set did not recognise
    FALSE_ALARM = "false alarm"  # a picture that is not known to be harmful, blocked or sent to review
    TURNED_AWAY = "turned away"  # unscannable, for the expected reason
    UNEXPECTED = "unexpected"  # unscannable for another reason or not at all, or a good picture that is unscannable


@dataclass(frozen=True, slots=True)
class Result:
    """An event and its verdict.

    Attributes:
        latency_s: seconds from sending the event until the verdict could be read.
        known: whether its picture was in the set of known ones when it was sent.
    """

    incoming: Incoming
    verdict: Verdict
    latency_s: float
    known: bool = True


@dataclass(frozen=True, slots=True)
class EditCounts:
    """How many pictures with one edit were found.

    Attributes:
        against: why a perceptual hash is expected to miss it; may be empty.
        hashed: how many PDQ alone finds.
    """

    edit: str
    against: str
    blocked: int
    reviewed: int
    missed: int
    hashed: int = 0

    @property
    def sent(self) -> int:
        """Pictures with this edit."""
        return self.blocked + self.reviewed + self.missed

    @property
    def partly(self) -> bool:
        """Some were found and some were missed."""
        return 0 < self.missed < self.sent


def outcome_of(result: Result) -> Outcome:
    """The outcome of an event."""
    sample, verdict = result.incoming.sample, result.verdict
    if sample is None:
        as_expected = verdict.decision == "unscannable" and verdict.reason is result.incoming.reason
        return Outcome.TURNED_AWAY if as_expected else Outcome.UNEXPECTED
    if verdict.decision == "unscannable":
        return Outcome.UNEXPECTED
    alarm = verdict.decision != "allow"
    if sample.role in HARMFUL:
        right = alarm and verdict.matches[0].reference.label == sample.label
        return Outcome.FOUND if right else Outcome.MISSED if result.known or alarm else Outcome.NOT_KNOWN_YET
    if alarm:
        return Outcome.FALSE_ALARM
    if any(each.vetoed_by for each in verdict.matches):
        return Outcome.CLEARED
    return Outcome.NAMED if verdict.matches else Outcome.LET_THROUGH


def decisions(results: Iterable[Result]) -> dict[str, int]:
    """Verdicts by decision, in the order of DECISIONS."""
    counts: Counter[str] = Counter(each.verdict.decision for each in results)
    return {decision: counts[decision] for decision in DECISIONS}


def outcomes(results: Iterable[Result]) -> dict[Outcome, int]:
    """Events by outcome; only outcomes that occur."""
    counts = Counter(map(outcome_of, results))
    return {each: counts[each] for each in Outcome if counts[each]}


def by_edit(results: Iterable[Result], hashed: Collection[int] = ()) -> tuple[EditCounts, ...]:
    """How many pictures with each edit were found, in the order of EDITS; only edits that occur.

    Args:
        results: events and verdicts.
        hashed: numbers of the events that PDQ alone finds.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for each in results:
        outcome = outcome_of(each)
        if outcome in {Outcome.FOUND, Outcome.MISSED} and each.incoming.sample:
            counts[each.incoming.edit, each.verdict.decision if outcome is Outcome.FOUND else "missed"] += 1
            counts[each.incoming.edit, "hashed"] += each.incoming.number in hashed
    edits = (
        EditCounts(
            edit.name, edit.against, *(counts[edit.name, one] for one in ("block", "review", "missed", "hashed"))
        )
        for edit in EDITS
    )
    return tuple(each for each in edits if each.sent)


def nearest_set(verdict: Verdict) -> tuple[SetResult, SetMatch | None] | None:
    """The set of most interest, and its match: that of the worst match, else the one with the nearest reference."""
    if verdict.matches:
        worst = verdict.matches[0]
        return next((each, worst) for each in verdict.sets if each.set == worst.set)
    near = [each for each in verdict.sets if each.candidates]
    nearest = max(near, key=lambda each: max(one.similarity for one in each.candidates), default=None)
    return (nearest, None) if nearest else None


def encoder_of(result: Result) -> str:
    """Fingerprint of the encoder that looked at the picture."""
    return result.verdict.encoders[0].fingerprint


def why_missed(result: Result) -> str:
    """Why a known picture was missed, if we know; we only know it of a perceptual hash. Else empty."""
    if outcome_of(result) is not Outcome.MISSED or not encoder_of(result).startswith("pdq:"):
        return ""
    return BY_NAME[result.incoming.edit].against


def deciding_score(known: SetResult, match: SetMatch | None) -> float | None:
    """The score that decided; of a set that did not match, its best similarity. None if its check failed."""
    if match:
        return match.score
    return known.candidates[0].similarity if known.candidates and known.rules.check.use == "off" else None


def thresholds(known: SetResult) -> tuple[float, float]:
    """Thresholds of review and block for `deciding_score`."""
    rules = known.rules.similarity if known.rules.check.use == "off" else known.rules.check
    return rules.review, rules.block


def sentences(results: Sequence[Result], hashed: Collection[int] = ()) -> tuple[str, ...]:
    """What the figures mean, in words. `hashed`: as for `by_edit`."""
    edits = by_edit(results, hashed)
    found = [each.edit for each in edits if not each.missed]
    lost = [each.edit for each in edits if each.missed == each.sent]
    partly = [f"{each.edit} ({each.sent - each.missed} of {each.sent})" for each in edits if each.partly]
    said = (
        f"Always found: {', '.join(found)}." if found else "",
        f"Sometimes found: {', '.join(partly)}." if partly else "",
        f"Never found: {', '.join(lost)}." if lost else "",
        compared(edits),
        alarms(results),
        limits(results),
    )
    return tuple(filter(None, said))


def compared(edits: Sequence[EditCounts]) -> str:
    """How many copies were found, and how many PDQ alone finds."""
    sent, missed = sum(each.sent for each in edits), sum(each.missed for each in edits)
    hashed = sum(each.hashed for each in edits)
    return f"{sent - missed} of {sent} copies were found; PDQ, a perceptual hash, finds {hashed} of them by itself."


def alarms(results: Sequence[Result]) -> str:
    """How often a picture that is not known to be harmful was blocked or sent to review."""
    others = [each for each in results if each.incoming.sample and each.incoming.sample.role not in HARMFUL]
    amount = sum(outcome_of(each) is Outcome.FALSE_ALARM for each in others)
    return f"False alarms among {len(others)} other pictures: {amount or 'none'}."


def limits(results: Sequence[Result]) -> str:
    """What the encoder cannot do, if this run missed something; empty for encoders whose limits we do not know."""
    if not any(outcome_of(each) is Outcome.MISSED for each in results):
        return ""
    encoder = encoder_of(results[0]).partition(":")[0]
    if encoder == "words":
        return (
            "A copy is found by its corners, so it is lost where few of them are left. Nothing was tuned to hide that."
        )
    if encoder != "pdq":
        return ""
    return (
        "The encoder of this run, PDQ, is a perceptual hash: it describes the layout of the whole picture. It follows "
        "a picture through compression, scaling and colours, and loses it when its parts move or when it becomes a "
        "part of another picture. Nothing was tuned to hide that."
    )
