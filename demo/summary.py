"""Compares each verdict with the truth, which only the demo knows, and counts the outcomes. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from demo.edits import BY_NAME, EDITS
from demo.pictures import Role
from demo.stream import Incoming
from matcher.verdict import SetMatch, SetResult, Verdict

HARMFUL = {Role.KNOWN, Role.REPORTED, Role.RELATIVE}
RELATIVES = "relatives"  # name of the encoder that finds other pictures of the same thing
DECISIONS = ("block", "review", "allow", "unscannable")


class Outcome(StrEnum):
    """How the verdict on an event compares with the truth."""

    FOUND = "found"  # a known picture, blocked or sent to review as what it is
    MISSED = "missed"  # a known picture that was let through, or taken for another one
    NOT_KNOWN_YET = "not known yet"  # a reported picture, before it was in the set
    CLEARED = "cleared"  # a match that an allow set vetoed
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
        against: why a perceptual hash is expected to miss such a picture; may be empty.
        hashed: number of pictures that PDQ alone finds.
    """

    edit: str
    against: str
    blocked: int
    reviewed: int
    missed: int
    hashed: int = 0

    @property
    def sent(self) -> int:
        """Number of pictures with this edit."""
        return self.blocked + self.reviewed + self.missed

    @property
    def partly(self) -> bool:
        """Whether some were found and some were missed."""
        return 0 < self.missed < self.sent


def outcome_of(result: Result) -> Outcome:
    """Returns the outcome of an event."""
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
    """Returns the number of verdicts by decision, in the order of DECISIONS."""
    counts: Counter[str] = Counter(each.verdict.decision for each in results)
    return {decision: counts[decision] for decision in DECISIONS}


def outcomes(results: Iterable[Result]) -> dict[Outcome, int]:
    """Returns the number of events by outcome; only outcomes that occur."""
    counts = Counter(map(outcome_of, results))
    return {each: counts[each] for each in Outcome if counts[each]}


def by_edit(results: Iterable[Result], hashed: Collection[int] = ()) -> tuple[EditCounts, ...]:
    """Returns how many pictures with each edit were found, in the order of EDITS; only edits that occur.

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
    """Returns the set of the worst match, and this match; without a match, the set with the nearest reference."""
    if verdict.matches:
        worst = verdict.matches[0]
        return next((each, worst) for each in verdict.sets if each.set == worst.set)
    near = [each for each in verdict.sets if each.candidates]
    # Similarities of different encoders cannot be compared, so only sets of one encoder take part.
    near = [each for each in near if each.encoder == near[0].encoder]
    nearest = max(near, key=lambda each: max(one.similarity for one in each.candidates), default=None)
    return (nearest, None) if nearest else None


def encoders_of(result: Result) -> tuple[str, ...]:
    """Returns the fingerprints of the encoders that find copies; relatives are beside them."""
    return tuple(each.fingerprint for each in result.verdict.encoders if each.name != RELATIVES)


def why_missed(result: Result) -> str:
    """Returns why a known picture was missed, or "" if we do not know. We only know it for a perceptual hash."""
    if outcome_of(result) is not Outcome.MISSED or not all(each.startswith("pdq:") for each in encoders_of(result)):
        return ""
    return BY_NAME[result.incoming.edit].against


def deciding_score(known: SetResult, match: SetMatch | None) -> float | None:
    """Returns the score that decided; for a set that did not match, its best similarity. None if its check failed."""
    if match:
        return match.score
    return known.candidates[0].similarity if known.candidates and known.rules.check.use == "off" else None


def thresholds(known: SetResult) -> tuple[float, float]:
    """Returns the thresholds of review and block for `deciding_score`."""
    rules = known.rules.similarity if known.rules.check.use == "off" else known.rules.check
    return rules.review, rules.block


def sentences(results: Sequence[Result], hashed: Collection[int] = ()) -> tuple[str, ...]:
    """Returns sentences that say what the figures mean. For `hashed`, see `by_edit`."""
    edits = by_edit(results, hashed)
    found = [each.edit for each in edits if not each.missed]
    lost = [each.edit for each in edits if each.missed == each.sent]
    partly = [f"{each.edit} ({each.sent - each.missed} of {each.sent})" for each in edits if each.partly]
    said = (
        f"Always found: {', '.join(found)}." if found else "",
        f"Sometimes found: {', '.join(partly)}." if partly else "",
        f"Never found: {', '.join(lost)}." if lost else "",
        compared(edits),
        relatives(results),
        alarms(results),
        limits(results),
    )
    return tuple(filter(None, said))


def compared(edits: Sequence[EditCounts]) -> str:
    """Returns a sentence: how many copies were found, and how many PDQ alone finds."""
    sent, missed = sum(each.sent for each in edits), sum(each.missed for each in edits)
    hashed = sum(each.hashed for each in edits)
    return f"{sent - missed} of {sent} copies were found; PDQ, a perceptual hash, finds {hashed} of them by itself."


def relatives(results: Sequence[Result]) -> str:
    """Returns a sentence: how many pictures were found that have no pixel in common with a known one; "" for none."""
    sent = [each for each in results if each.incoming.sample and each.incoming.sample.role is Role.RELATIVE]
    found = sum(outcome_of(each) is Outcome.FOUND for each in sent)
    what = "other halves of a known scene, without a common pixel, were found by the network `relatives`, for review"
    return f"{found} of {len(sent)} {what}." if sent else ""


def alarms(results: Sequence[Result]) -> str:
    """Returns a sentence: how often a picture that is not known to be harmful was blocked or sent to review."""
    others = [each for each in results if each.incoming.sample and each.incoming.sample.role not in HARMFUL]
    amount = sum(outcome_of(each) is Outcome.FALSE_ALARM for each in others)
    return f"False alarms among {len(others)} other pictures: {amount or 'none'}."


def limits(results: Sequence[Result]) -> str:
    """Returns a sentence: what the encoder cannot do, if this run missed something; "" if we do not know its limits."""
    if not any(outcome_of(each) is Outcome.MISSED for each in results):
        return ""
    encoder = encoders_of(results[0])[0].partition(":")[0]
    if encoder == "words":
        return (
            "A copy is found by its corners, so it is missed if few of them are left. Nothing was tuned to hide that."
        )
    if encoder != "pdq":
        return ""
    return (
        "The encoder of this run, PDQ, is a perceptual hash: it describes the layout of the whole picture. It finds "
        "a picture after compression, scaling and changes of colour, and misses it when its parts have moved or when "
        "it has become a part of another picture. Nothing was tuned to hide that."
    )
