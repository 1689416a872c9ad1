"""One picture and one set get the same verdict by Kafka and by scan, on Milvus Lite and on a real Milvus server."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from detailed import cropped, detailed
from drawn import encoded
from milvus_fixtures import real_milvus
from PIL import Image
from running_service import PATIENCE_S, produce, read_committed, running
from service_fixtures import settings

from embedding.choose import choose
from embedding.look import look
from embedding.probe import probe_vector
from patience import Patience
from reference_sets.defaults import defaults
from reference_sets.model import Kind, ReferenceSet
from reference_sets.parts import needs, reference
from reference_sets.store import Store

READY_S = 90.0  # a Milvus server needs about 15 s to start


def matched(verdict):
    """Decision, nearest reference, similarity, score of the check, and region of the one set."""
    (match,) = verdict["matches"]
    check, similarity = match["check"], match["similarity"]
    assert match["decided_on"] == "check"
    return verdict["decision"], match["reference"]["id"], similarity["score"], check["score"], check["region"]


def fill(uri):
    """Make a set like `vigilens sets create` and `sets add` for the default encoder."""
    encoder, usual = choose("words"), defaults("words")
    with Store(uri, patience=Patience(READY_S)) as store:
        described = ReferenceSet(
            "known",
            Kind.HARMFUL,
            "test",
            50,
            usual.thresholds,
            encoder.fingerprint,
            encoder.dimension,
            1,
            tuple(map(float, probe_vector(encoder))),
            verify=usual.verify,
            check=usual.check,
            mirrored=usual.mirrored,
        )
        store.create(described)
        looks = look([encoder], [detailed(seed) for seed in range(6)], needs(described))
        store.upsert("known", [reference(one, described, f"id-{n}", "") for n, one in enumerate(looks)])


def scanned(uri, picture):
    environment = {**os.environ, "VIGILENS_MILVUS__URI": uri, "VIGILENS_SETS__DEFAULT_ENCODER": "words"}
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
    with running(settings(cluster, topics, uri, VIGILENS_SETS__DEFAULT_ENCODER="words")):
        produce(cluster.bootstrap, topics.images, [(None, picture.read_bytes(), [], 0)])
        (record,) = read_committed(cluster.bootstrap, topics.verdicts, 1)
    return matched(json.loads(record.value()))


def test_the_score_is_the_same_by_kafka_and_by_scan_on_lite_and_on_a_server(
    kafka_cluster, make_topics, tmp_path, capsys
):
    picture = tmp_path / "upload.jpg"
    mirrored_part = cropped(detailed(3)[:, ::-1], 0.0, 0.0, 0.7, 1.0)
    picture.write_bytes(encoded(Image.fromarray(mirrored_part), quality=60))
    lite = str(tmp_path / "sets.db")
    fill(lite)
    said = {
        "scan, Lite": scanned(lite, picture),
        "Kafka, Lite": streamed(kafka_cluster, make_topics(), lite, picture),
    }
    with real_milvus(tmp_path) as server:
        fill(server)
        said["scan, server"] = scanned(server, picture)
        said["Kafka, server"] = streamed(kafka_cluster, make_topics(), server, picture)
    with capsys.disabled():
        print("\n", said)  # noqa: T201 (for the docs)
    decision, nearest, *numbers = said["scan, Lite"]
    assert (decision, nearest) == ("block", "id-3")
    for way, each in said.items():
        assert each[:2] == (decision, nearest), way
        for expected, got in zip(numbers, each[2:], strict=True):
            assert np.array(got) == pytest.approx(np.array(expected), abs=1e-5), way
