"""300 copies of one reference through three processes: limited once, told once, and nothing else is touched."""

import json
from collections import Counter
from datetime import datetime

from breaking import alerts, make_jobs_topic
from click.testing import CliRunner
from drawn import drawn
from running_service import PATIENCE_S, produce, running
from service_fixtures import KNOWN, event, reference, settings

from harness.readers import Reader
from reference_sets.store import Store
from vigilens.cli import main

ROUNDS, COPIES = 30, 10
OTHER = 4  # seed of another known picture
REFRESH_S = 0.5
BUSY_S = 5.0  # batches under way, and a busy machine


def test_a_flood_of_one_reference_goes_to_review(kafka_cluster, topics, milvus, encoder, monkeypatch):
    with Store(milvus.uri) as store:
        store.upsert("known", [reference(encoder, drawn(OTHER), "known-2")])
    run = settings(
        kafka_cluster,
        topics,
        milvus.uri,
        VIGILENS_KAFKA__JOBS_TOPIC=make_jobs_topic(kafka_cluster, topics.images.replace("images", "jobs")),
        VIGILENS_BREAKER__ATTRIBUTE="user",
        VIGILENS_SETS__REFRESH_S=str(REFRESH_S),
        VIGILENS_BATCH__IMAGES="4",
        VIGILENS_BATCH__WORKERS="3",
    )
    with running(run, options=("--processes", "3")) as three:
        three.until("this process is the breaker")
        said = flood(kafka_cluster, topics)
        ((_, alert),) = alerts(kafka_cluster, topics, 1)
        for name, value in run.items():
            monkeypatch.setenv(name, value)
        shown = CliRunner().invoke(main, ["sets", "references", "known"]).stdout
        listed = json.loads(CliRunner().invoke(main, ["sets", "references", "known", "--json"]).stdout)
        released = CliRunner().invoke(main, ["sets", "release", "known", "id-known-1"]).stdout
        code, log = three.end()
    assert code == 0
    assert log.count('"message": "a reference matches too often"') == 1
    assert "the breaker failed" not in log
    assert (alert["reference"], alert["facts"]["matches"], alert["facts"]["people"]) == ("id-known-1", 26, 7)
    assert {line.split("\t")[0]: line.split("\t")[3] for line in shown.splitlines()} == {
        "id-known-1": "review (breaker)",
        "id-known-2": "",
    }
    assert {each["id"]: (each["ceiling"], each["breaker"]) for each in listed} == {
        "id-known-1": ("review", True),
        "id-known-2": ("", False),
    }
    assert "1 released, version 5" in released

    flooded = sorted((each for each in said if each["image_id"].startswith("copy")), key=at)
    assert len(flooded) == ROUNDS * COPIES
    assert Counter(each["decision"] for each in said if each["image_id"].startswith("other")) == {"block": ROUNDS}
    assert {each["decision"] for each in flooded[:26]} == {"block"}
    blocked = [each for each in flooded if each["decision"] == "block"]
    tripped_at = datetime.fromisoformat(alert["at"])
    assert tripped_at in map(at, blocked)  # the 26th that was read; partitions are read in turns
    assert (at(blocked[-1]) - tripped_at).total_seconds() < REFRESH_S + BUSY_S
    for each in flooded:
        (match,) = each["matches"]
        limited = each["decision"] == "review"
        assert (match["level"], "ceiling" in match["capped_by"]) == (("review", True) if limited else ("block", False))
        assert not limited or match["version"] >= alert["facts"]["set_version"] - 1
    assert len(blocked) < 200


def at(verdict):
    return datetime.fromisoformat(verdict["judged_at"])


def flood(cluster, topics):
    """Send copies by seven users and another known picture by four, a few at a time; all verdicts."""
    said = []
    with Reader(cluster.bootstrap, topics.verdicts) as reader:
        for turn in range(ROUNDS):
            sent = [event(f"copy {turn} {each}", drawn(KNOWN), user=(turn + each) % 7) for each in range(COPIES)]
            sent.append(event(f"other {turn}", drawn(OTHER), user=turn % 4))
            produce(cluster.bootstrap, topics.images, sent)
            for _ in sent:
                record = reader.next(PATIENCE_S)
                assert record is not None
                said.append(json.loads(record.value()))
    return said
