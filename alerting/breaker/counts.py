"""Matches by reference, over an hour and over 7 days: which one is too many? Pure; time is that of the verdicts.

    too many    more in an hour than `least`, more than `factor` times the mean per hour of the 7 days before that hour,
                and from at least `people` different people
    an hour     60 minutes of the clock, the last of which has just begun
    the mean    over 168 hours. Hours without a match count: a reference that is new, or was quiet, is not common. So
                nobody can raise the mean by raising the rate step by step. Hours before the first verdict that the
                breaker knows do not count: else everything would be too many on the day on which it is switched on.

What is kept is limited: `MOST` references, those that matched last; for each of them 2 hours by minute, each with at
most `PEOPLE` people, and 7 days by hour.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from alerting.breaker.matches import Match

MINUTE_S, HOUR_S = 60, 3600
WINDOW = 60  # minutes
HOURS = 168
LATE_S = HOUR_S  # for which a process may judge by a version of the set that is not the newest
MOST = 20_000  # references. One has at most 2 KB of hours; a busy one has 20 KB of minutes besides
PEOPLE = 100  # in a minute

Key = tuple[str, str]  # set, and id of the reference


@dataclass(frozen=True, slots=True)
class Rules:
    """When matches are too many.

    Attributes:
        attribute: of events; it tells people apart.
        least, factor, people: see above.
        below_severity: sets of this severity or a higher one are never limited.
    """

    attribute: str
    least: int = 25
    factor: float = 10.0
    people: int = 5
    below_severity: int = 90


@dataclass(frozen=True, slots=True)
class Burst:
    """A reference that matched too often.

    Attributes:
        last: the match that was one too many.
        matches: in the hour before it.
        mean: matches per hour in the 7 days before.
        limit: what they were compared with.
        people: at least so many different ones.
        since: the minute of the first match in that hour.
    """

    last: Match
    matches: int
    mean: float
    limit: float
    people: int
    since: datetime


@dataclass(slots=True)
class History:
    """What is known of one reference.

    Attributes:
        hours: hour since 1970 → matches.
        minutes: minute since 1970 → matches, and the people.
        limited_at: version of the set that limits the reference, or did.
        limited_until: until then, in seconds since 1970, there may be verdicts of earlier versions, which do not count.
            Later ones with a lower version are of a set that was made again.
        quiet_until: it is no burst before that time, in seconds since 1970.
        changed: since it was last saved.
    """

    hours: dict[int, int] = field(default_factory=dict)
    minutes: dict[int, tuple[int, set[str]]] = field(default_factory=dict)
    limited_at: int = 0
    limited_until: float = 0.0
    quiet_until: float = 0.0
    changed: bool = False


class Counts:
    """The matches of all references.

    Args:
        rules: when they are too many.

    Attributes:
        known: reference → its history; those that matched last come last.
        since: the hour of the first verdict that is known; None: there is none yet.
        forgotten: references that were removed since they were last saved.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.known: OrderedDict[Key, History] = OrderedDict()
        self.since: int | None = None
        self.forgotten: set[Key] = set()
        self._swept = 0  # the hour in which old ones were last forgotten

    def begins(self, at: float) -> None:
        """A verdict of this time is known, in seconds since 1970."""
        hour = int(at) // HOUR_S
        self.since = hour if self.since is None else min(self.since, hour)

    def add(self, match: Match) -> Burst | None:
        """Count a match; return the burst if it was one too many."""
        self.count(match)
        history = self.remember(match)
        if not _is_free(match, history) or match.at.timestamp() < history.quiet_until:
            return None
        return self._burst(match, history)

    def count(self, match: Match) -> None:
        """Count a match for the mean."""
        history, hour = self._of(match), _second(match) // HOUR_S
        if hour not in history.hours:
            newest = max(hour, *history.hours) if history.hours else hour
            history.hours = {each: n for each, n in history.hours.items() if each >= newest - HOURS - 1}
            if hour < newest - HOURS - 1:
                return  # by a clock that is wrong; a record has room for 7 days
        history.hours[hour] = history.hours.get(hour, 0) + 1
        history.changed = True

    def remember(self, match: Match) -> History:
        """Count a match for the hour, unless the reference is limited already; return the reference's history."""
        history, minute = self._of(match), _second(match) // MINUTE_S
        if not _is_free(match, history):
            return history
        number, people = history.minutes.setdefault(minute, (0, set()))
        if match.person is not None and len(people) < max(PEOPLE, self.rules.people):
            people.add(match.person)
        history.minutes[minute] = number + 1, people
        if len(history.minutes) > 2 * WINDOW:
            newest = max(history.minutes)
            history.minutes = {each: one for each, one in history.minutes.items() if each > newest - 2 * WINDOW}
        return history

    def limited(self, burst: Burst, version: int) -> bool:
        """The reference is limited from this version of the set on: it is counted anew when it no longer is.

        Returns:
            Whether that is news.
        """
        history = self._of(burst.last)
        if version <= history.limited_at:
            return False
        history.limited_at, history.minutes, history.changed = version, {}, True
        history.limited_until = burst.last.at.timestamp() + LATE_S
        return True

    def quiet(self, burst: Burst, until: float) -> None:
        """The reference is no burst before `until`, in seconds since 1970."""
        history = self._of(burst.last)
        history.quiet_until, history.changed = until, True

    def forget(self, key: Key) -> None:
        """Forget a reference that is no longer there."""
        if self.known.pop(key, None) is not None:
            self.forgotten.add(key)

    def forget_old(self, now: float) -> None:
        """Once an hour, forget what has not matched for 7 days before `now`, in seconds since 1970."""
        hour = int(now) // HOUR_S
        if hour == self._swept:
            return
        self._swept, oldest = hour, hour - HOURS
        for key, history in list(self.known.items()):
            if max(history.hours, default=0) < oldest and history.quiet_until < now:
                self.forget(key)

    def _of(self, match: Match) -> History:
        key = (match.set, match.reference)
        history = self.known.get(key)
        if history is None:
            history = self.known[key] = History()
            self.forgotten.discard(key)
            if len(self.known) > MOST:
                self.forget(next(iter(self.known)))
        else:
            self.known.move_to_end(key)
        return history

    def _burst(self, match: Match, history: History) -> Burst | None:
        if sum(number for number, _ in history.minutes.values()) <= self.rules.least:
            return None
        minute = _second(match) // MINUTE_S
        # Records of several partitions come in turns, so that a match can belong to hours that ended later.
        newest = max(history.minutes)
        ends = range(minute, min(minute + WINDOW - 1, newest) + 1)
        return next((burst for end in ends if (burst := self._in_hour(match, history, end))), None)

    def _in_hour(self, match: Match, history: History, end: int) -> Burst | None:
        inside = {at: one for at, one in history.minutes.items() if end - WINDOW < at <= end}
        number = sum(n for n, _ in inside.values())
        if number <= self.rules.least:
            return None
        first_hour = (end - WINDOW + 1) * MINUTE_S // HOUR_S
        mean = self._mean(history, first_hour)
        limit = max(float(self.rules.least), self.rules.factor * mean)
        people = len(set().union(*(those for _, those in inside.values())))
        if number <= limit or people < self.rules.people:
            return None
        since = datetime.fromtimestamp(min(inside) * MINUTE_S, UTC)
        return Burst(match, number, mean, limit, people, since)

    def _mean(self, history: History, before: int) -> float:
        """Matches per hour in the 168 hours before the hour `before`, as far as they are known."""
        known = HOURS if self.since is None else min(HOURS, before - self.since)
        if known <= 0:
            return 0.0
        return math.fsum(n for hour, n in history.hours.items() if before - HOURS <= hour < before) / known

    def changed(self) -> Iterator[tuple[Key, History]]:
        """The references that changed since they were last saved."""
        return ((key, history) for key, history in self.known.items() if history.changed)

    def are_saved(self) -> None:
        """All changes are saved."""
        for _, history in self.changed():
            history.changed = False
        self.forgotten.clear()


def _is_free(match: Match, history: History) -> bool:
    """Whether nothing limited the reference when it matched."""
    if match.version < history.limited_at and match.at.timestamp() >= history.limited_until:
        history.limited_at = 0
    return not match.limited and match.version >= history.limited_at


def _second(match: Match) -> int:
    return int(match.at.timestamp())
