"""What a new owner begins with: the counts as of the committed offsets."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from kafka import TopicPartition

from alerting.breaker import past, saved
from alerting.breaker.counts import HOUR_S, HOURS, MINUTE_S, WINDOW, Counts
from alerting.breaker.matches import Match, matches_of
from alerting.breaker.plan import Plan, Progress

log = logging.getLogger("vigilens.breaker")

MOST_AT_FIRST = 1_000_000  # verdicts, of which the first owner makes its counts
HONEST_S = 24 * HOUR_S  # a verdict waits for its transaction for minutes at most
WINDOW_S = (WINDOW + 5) * MINUTE_S  # clocks differ a little

_Committed = Mapping[TopicPartition, Any]


def filled(plan: Plan, committed: _Committed, between: Callable[[], None]) -> tuple[Counts, Progress]:
    """The counts, and where reading goes on.

    The hours come from the jobs topic, the last hour from the verdicts. The first owner of all makes both from the
    verdicts of 7 days, as far as they are there.

    Args:
        plan: names.
        committed: the group's offsets, with the time of the last verdict before them as metadata; None: there is none.
        between: called between polls; it may raise to end this.

    Raises:
        NoAnswer: a topic is missing, or nothing comes.
        KafkaError: no answer.
    """
    started, counts = time.monotonic(), Counts(plan.rules)
    first = all(each is None for each in committed.values())
    with closing(past.reader(plan.connection)) as client:
        jobs, there = past.whole(client, plan.jobs_topic), past.whole(client, plan.verdicts_topic)
        progress = _progress(committed, there, first=first)
        begin = _newest(progress, there)
        # A topic that was made again may be shorter than what was committed of the one before.
        ends = {at: min(offset, there[at][1]) for at, offset in progress.next.items()}
        ranges = past.since(client, ends, begin - (HOURS * HOUR_S if first else WINDOW_S))
    for record in past.records(plan.connection, jobs, between):
        saved.read_into(counts, record.key, record.value, plan.group)
    read = 0
    for record in past.records(plan.connection, past.last(ranges, MOST_AT_FIRST) if first else ranges, between):
        read += 1
        second = second_of(record)
        if first and second:
            counts.begins(second)
        for each in matches_in(record, plan.rules.attribute):
            if first:
                counts.count(each)
            if second > begin - WINDOW_S:
                counts.remember(each)
    fields = {"verdicts": read, "references": len(counts.known), "seconds": round(time.monotonic() - started, 1)}
    log.info("this process is the breaker", extra={"fields": fields})
    return counts, progress


def second_of(record: Any) -> float:
    """Time of a record, in seconds since 1970; 0: it has none."""
    return max(0.0, (record.timestamp or 0) / 1000)


def matches_in(record: Any, attribute: str) -> tuple[Match, ...]:
    """The matches of a verdict's record; none if it cannot have been made at the time that it names.

    The brokers refuse records from the future, but know nothing of the time in a verdict. One from the year 9999 would
    make all others of its reference look too old to count.
    """
    second, found = second_of(record), matches_of(record.value, attribute)
    return tuple(each for each in found if abs(each.at.timestamp() - second) < HONEST_S)


def _progress(committed: _Committed, there: past.Ranges, *, first: bool) -> Progress:
    """A partition that was added later is read from its beginning; a new group begins at the ends."""
    following = {
        at: there[at][1 if first else 0] if each is None else int(each.offset) for at, each in committed.items()
    }
    return Progress(following, {at: _time(each) for at, each in committed.items()})


def _newest(progress: Progress, there: past.Ranges) -> float:
    """The time from which an hour back matters: the earliest that reading goes on at, in seconds since 1970."""
    times = progress.times
    lagging = [second for at, second in times.items() if second and progress.next[at] < there[at][1]]
    newest = max(times.values(), default=0.0) or time.time()
    return min([newest, *lagging])


def _time(committed: Any) -> float:
    """Time of the last verdict before a committed offset, in seconds since 1970; 0: unknown."""
    try:
        return float(committed.metadata) if committed is not None else 0.0
    except (TypeError, ValueError):
        return 0.0
