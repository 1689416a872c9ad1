"""One picture, one set, four ways to the verdict: Kafka or scan, Milvus Lite or a real Milvus server."""

import json
import os
import subprocess
import sys

import pytest
from drawn import drawn, encoded
from milvus_fixtures import real_milvus
from running_service import PATIENCE_S, produce, read_committed, running
from service_fixtures import KNOWN, make_set, reference, settings

from reference_sets.model import Kind
from reference_sets.patience import Patience
from reference_sets.store import Store

READY_S = 90.0  # a Milvus server needs about 15 s to start


def matched(verdict):
    """Decision, nearest reference and score of the one set."""
    (match,) = verdict["matches"]
    return verdict["decision"], match["nearest"]["id"], match["runner_up"]["id"], match["score"]


def fill(uri, encoder):
    with Store(uri, patience=Patience(READY_S)) as store:
        pictures = [(drawn(KNOWN), "near"), (drawn(4), "far"), (drawn(5), "farther")]
        make_set(store, encoder, "known", Kind.HARMFUL, [reference(encoder, *each) for each in pictures])


def scanned(uri, picture):
    environment = {**os.environ, "VIGILENS_MILVUS__URI": uri}
    said = subprocess.run(
        [sys.executable, "-m", "vigilens.cli", "scan", "--json", str(picture)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
        env=environment,
    )
    return matched(json.loads(said.stdout))


def streamed(cluster, topics, uri, picture):
    with running(settings(cluster, topics, uri)):
        produce(cluster.bootstrap, topics.images, [(None, picture.read_bytes(), [], 0)])
        (record,) = read_committed(cluster.bootstrap, topics.verdicts, 1)
    return matched(json.loads(record.value()))


def test_the_score_is_the_same_by_kafka_and_by_scan_on_lite_and_on_a_server(
    kafka_cluster, make_topics, encoder, tmp_path, capsys
):
    picture = tmp_path / "upload.jpg"
    picture.write_bytes(encoded(drawn(KNOWN).resize((400, 300)), quality=40))
    lite = str(tmp_path / "sets.db")
    fill(lite, encoder)
    said = {
        "scan, Lite": scanned(lite, picture),
        "Kafka, Lite": streamed(kafka_cluster, make_topics(), lite, picture),
    }
    with real_milvus(tmp_path) as server:
        fill(server, encoder)
        said["scan, server"] = scanned(server, picture)
        said["Kafka, server"] = streamed(kafka_cluster, make_topics(), server, picture)
    with capsys.disabled():
        print("\n", said)  # noqa: T201 (to be quoted)
    decision, nearest, runner_up, score = said["scan, Lite"]
    assert nearest == "id-near"
    for way, each in said.items():
        assert each[:3] == (decision, nearest, runner_up), way
        assert each[3] == pytest.approx(score, abs=1e-5), way
