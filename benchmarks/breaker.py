"""What the breaker costs: images per second and processor time per image, with and without it.

    python -m benchmarks.breaker [--images 1500] [--rounds 3]

The default encoder judges the same JPEGs through Kafka in each way in turn. Then the verdicts are read once more,
without a service: processor time per verdict, of which none has a match; and it counts some that have one. And the
breaker runs alone for a while, with nothing to read. These three are steady where the ratios are not, on a machine
that does other work too. The last line is JSON: the medians of the rounds' ratios to the way without the breaker,
microseconds per verdict and per match, and milliseconds per second of an idle breaker.
"""

import argparse
import json
import tempfile
import threading
import time
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from alerting.breaker import past
from alerting.breaker.counts import Counts, Rules
from alerting.breaker.matches import matches_of
from alerting.breaker.plan import Answer, Plan
from alerting.breaker.thread import Timing, beside
from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import sentence
from benchmarks.otlp import ratios
from benchmarks.service import DISTINCT, Measured, through_kafka
from benchmarks.stream import NETWORK, VERDICTS, WORDS, Stream, stream
from consumer import topics
from consumer.clients import Connection
from consumer.record_batches import Limits
from matcher.verdict import Verdict, example

JOBS = "vigilens.jobs"
MATCHED = 20_000  # verdicts with a match
BEGIN_S, IDLE_S = 8.0, 15.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_500, help="per round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both ways (%(default)s)")
    options = parser.parse_args()
    print(sentence(), flush=True)

    def begin(_: Stream) -> nullcontext[None]:
        return nullcontext()

    with tempfile.TemporaryDirectory() as folder, stream(Path(folder), NETWORK, begin) as (here, _):
        here.judge(WORDS)[0].close()  # makes the set
        here.fill(list(islice(endless(jpegs(DISTINCT, 640, 480)), options.images)))
        connection = Connection(here.bootstrap)
        with topics.admin(connection) as client:
            topics.create(client, [topics.Need(JOBS, "jobs", topics.RECORD_BYTES, compact=True)], 1, -1)
        ways = {"off": "", "on": "user"}
        found = {way: Measured() for way in ways}
        for turn in range(options.rounds):
            for way, attribute in ways.items():
                settings = here.settings(WORDS, f"{way}-{turn}", {"breaker": {"attribute": attribute}})
                found[way].kafka.append(through_kafka(here, settings, options.images, found[way]))
                print(f"{way}: {found[way].kafka[-1]:.1f}/s, {found[way].service_ms[-1]:.2f} ms", flush=True)
        costs = {
            "verdict_us": _reading_us(connection),
            "match_us": _matching_us(),
            "idle_ms_per_s": _idle_ms(connection),
        }
    print(json.dumps({**ratios(found["on"], found["off"]), **{name: round(each, 2) for name, each in costs.items()}}))


def _reading_us(connection: Connection) -> float:
    """Microseconds of processor time to read a verdict without a match."""
    counts = Counts(Rules("user"))
    with closing(past.reader(connection)) as client:
        ranges = past.whole(client, VERDICTS)
    started, read = time.process_time(), 0
    for record in past.records(connection, ranges, lambda: None):
        read += 1
        for match in matches_of(record.value, "user"):
            counts.add(match)
    return (time.process_time() - started) / max(1, read) * 1e6


def _matching_us() -> float:
    """Microseconds to count a verdict with a match of a busy reference, without reading it."""
    value = Verdict.model_validate(example()).model_dump_json().encode()
    counts, begin = Counts(Rules("user", least=10**9)), datetime.now(UTC)
    started = time.process_time()
    for number in range(MATCHED):
        for match in matches_of(value, "user"):
            counts.add(replace(match, at=begin + timedelta(milliseconds=200 * number), person=str(number % 1000)))
    return (time.process_time() - started) / MATCHED * 1e6


def _idle_ms(connection: Connection) -> float:
    """Milliseconds of processor time in a second of a breaker that has nothing to read."""
    plan = Plan(connection, "idle", "bench", VERDICTS, "", JOBS, Rules("user"), lambda _burst, _may: Answer())
    timing = Timing(10.0, 300.0, 60.0, 60.0, Limits())
    with beside(plan, timing, threading.Event(), lambda: None):
        time.sleep(BEGIN_S)
        began, cpu = time.monotonic(), time.process_time()
        time.sleep(IDLE_S)
        return (time.process_time() - cpu) / (time.monotonic() - began) * 1e3


if __name__ == "__main__":
    main()
