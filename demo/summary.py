"""What came of the stream, counted against the truth that only the demo knows. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from demo.edits import BY_NAME, EDITS
from demo.pictures import Role
from demo.stream import Incoming
from matcher.verdict import SetMatch, SetSeen, Verdict

HARMFUL = {Role.KNOWN, Role.REPORTED}
DECISIONS = ("block", "review", "allow", "unscannable")


class Came(StrEnum):
    """What an event came to."""

    FOUND = "found"  # a known picture, blocked or sent to review as what it is
    MISSED = "missed"  # a known picture that was let through, or taken for another
    NOT_KNOWN_YET = "not known yet"  # a reported picture, before it was in the set
    CLEARED = "cleared"  # a match that an allow set took back
    NAMED = "named"  # an archive picture: reported, and let through
    LET_THROUGH = "let through"  # an unrelated picture, or one that its set did not recognise
    FALSE_ALARM = "false alarm"  # a picture that is not known to be harmful, blocked or sent to review
    TURNED_AWAY = "turned away"  # unscannable, for the reason that was expected
    ODD = "unexpected"  # unscannable or not, against expectation


@dataclass(frozen=True, slots=True)
class Seen:
    """An event and its verdict.

    Attributes:
        latency_s: seconds from the sending until the verdict could be read.
        known: True when its picture was in the set of known ones as it was sent.
    """

    incoming: Incoming
    verdict: Verdict
    latency_s: float
    known: bool = True


@dataclass(frozen=True, slots=True)
class EditResult:
    """How one edit of known pictures fared.

    Attributes:
        against: why a perceptual hash is expected to miss it; may be empty.
        hashed: copies that PDQ alone finds.
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


def came_to(seen: Seen) -> Came:
    """What the event came to."""
    sample, verdict = seen.incoming.sample, seen.verdict
    if sample is None:
        as_expected = verdict.decision == "unscannable" and verdict.reason is seen.incoming.reason
        return Came.TURNED_AWAY if as_expected else Came.ODD
    if verdict.decision == "unscannable":
        return Came.ODD
    alarm = verdict.decision != "allow"
    if sample.role in HARMFUL:
        right = alarm and verdict.matches[0].nearest.label == sample.label
        return Came.FOUND if right else Came.MISSED if seen.known or alarm else Came.NOT_KNOWN_YET
    if alarm:
        return Came.FALSE_ALARM
    if any(each.vetoed_by for each in verdict.matches):
        return Came.CLEARED
    return Came.NAMED if verdict.matches else Came.LET_THROUGH


def decisions(all_seen: Iterable[Seen]) -> dict[str, int]:
    """Verdicts by decision, in the order of DECISIONS."""
    counts: Counter[str] = Counter(each.verdict.decision for each in all_seen)
    return {decision: counts[decision] for decision in DECISIONS}


def outcomes(all_seen: Iterable[Seen]) -> dict[Came, int]:
    """Events by what they came to; only what occurs."""
    counts = Counter(map(came_to, all_seen))
    return {each: counts[each] for each in Came if counts[each]}


def by_edit(all_seen: Iterable[Seen], hashed: Collection[int] = ()) -> tuple[EditResult, ...]:
    """How each edit of known pictures fared, in the order of EDITS; only edits that occur.

    Args:
        all_seen: events and verdicts.
        hashed: numbers of the events that PDQ alone finds.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for each in all_seen:
        came = came_to(each)
        if came in {Came.FOUND, Came.MISSED} and each.incoming.sample:
            counts[each.incoming.edit, each.verdict.decision if came is Came.FOUND else "missed"] += 1
            counts[each.incoming.edit, "hashed"] += each.incoming.number in hashed
    results = (
        EditResult(
            edit.name, edit.against, *(counts[edit.name, one] for one in ("block", "review", "missed", "hashed"))
        )
        for edit in EDITS
    )
    return tuple(each for each in results if each.sent)


def nearest_set(verdict: Verdict) -> tuple[SetSeen, SetMatch | None] | None:
    """The set that a person should look at, and its match: the worst match, else the set with the nearest reference."""
    if verdict.matches:
        worst = verdict.matches[0]
        return next((each, worst) for each in verdict.sets if each.set == worst.set)
    near = [each for each in verdict.sets if each.nearest]
    nearest = max(near, key=lambda each: each.nearest.score if each.nearest else -1.0, default=None)
    return (nearest, None) if nearest else None


def why_missed(seen: Seen) -> str:
    """Why a known picture was missed, as far as we can say; empty for an encoder that is no perceptual hash."""
    if came_to(seen) is not Came.MISSED or not seen.verdict.encoder.startswith("pdq:"):
        return ""
    return BY_NAME[seen.incoming.edit].against


def shown_score(known: SetSeen, match: SetMatch | None) -> float | None:
    """The score that decided: of the check where the set wants one, else the similarity. None where nothing passed."""
    if known.verify == "off":
        return known.nearest.score if known.nearest else None
    return match.evidence.score if match and match.evidence else None


def sentences(all_seen: Sequence[Seen], hashed: Collection[int] = ()) -> tuple[str, ...]:
    """What the figures mean, in words; `hashed` as for `by_edit`."""
    results = by_edit(all_seen, hashed)
    found = [each.edit for each in results if not each.missed]
    lost = [each.edit for each in results if each.missed == each.sent]
    partly = [f"{each.edit} ({each.sent - each.missed} of {each.sent})" for each in results if each.partly]
    said = (
        f"Always found: {', '.join(found)}." if found else "",
        f"Found at times: {', '.join(partly)}." if partly else "",
        f"Never found: {', '.join(lost)}." if lost else "",
        compared(results),
        alarms(all_seen),
        limits(all_seen),
    )
    return tuple(filter(None, said))


def compared(results: Sequence[EditResult]) -> str:
    """Found copies beside those that PDQ alone finds."""
    sent, missed = sum(each.sent for each in results), sum(each.missed for each in results)
    hashed = sum(each.hashed for each in results)
    return f"{sent - missed} of {sent} copies were found; PDQ, a perceptual hash, finds {hashed} of them by itself."


def alarms(all_seen: Sequence[Seen]) -> str:
    """How often a picture that is not known to be harmful was blocked or sent to review."""
    others = [each for each in all_seen if each.incoming.sample and each.incoming.sample.role not in HARMFUL]
    amount = sum(came_to(each) is Came.FALSE_ALARM for each in others)
    return f"False alarms among {len(others)} other pictures: {amount or 'none'}."


def limits(all_seen: Sequence[Seen]) -> str:
    """What the encoder cannot do, when this run shows it; empty for one of which we cannot say."""
    if not any(came_to(each) is Came.MISSED for each in all_seen):
        return ""
    encoder = all_seen[0].verdict.encoder.partition(":")[0]
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
