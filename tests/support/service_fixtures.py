"""Sets for tests of the service: one harmful picture, one allowed, and a Milvus Lite server that holds them."""

import base64
import json

import numpy as np
import pytest
from drawn import drawn, encoded
from running_service import read_committed

from embedding.choose import choose
from embedding.look import encode_pictures
from embedding.probe import probe_vector
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from reference_sets.store import Store
from vectors.lite_server import LiteServer

KNOWN, ALLOWED, UNRELATED = 1, 2, 3  # seeds of pictures
REVIEW, BLOCK = 0.7578125, 0.84375  # 31 and 20 of 256 bits


@pytest.fixture(scope="session")
def encoder():
    return choose("pdq")


def reference(encoder, picture, label):
    vector = encode_pictures(encoder, [np.asarray(picture)]).vectors[0]
    return Reference(f"id-{label}", label, tuple(map(float, vector)))


def make_set(store, encoder, name, kind, references):
    probe = tuple(map(float, probe_vector(encoder)))
    thresholds = Thresholds(REVIEW, BLOCK)
    store.create(ReferenceSet(name, kind, "test", 50, thresholds, encoder.fingerprint, encoder.dimension, 1, probe))
    if references:
        store.upsert(name, references)


@pytest.fixture
def milvus(tmp_path, encoder):
    """A Milvus Lite server with two sets; several processes may use it."""
    with LiteServer(tmp_path / "sets.db") as server:
        with Store(server.uri) as store:
            make_set(store, encoder, "known", Kind.HARMFUL, [reference(encoder, drawn(KNOWN), "known-1")])
            make_set(store, encoder, "allowed", Kind.ALLOW, [reference(encoder, drawn(ALLOWED), "allowed-1")])
        yield server


def settings(cluster, topics, uri, **more):
    return {
        "VIGILENS_KAFKA__BOOTSTRAP_SERVERS": cluster.bootstrap,
        "VIGILENS_KAFKA__GROUP": topics.group,
        "VIGILENS_KAFKA__IMAGES_TOPIC": topics.images,
        "VIGILENS_KAFKA__VERDICTS_TOPIC": topics.verdicts,
        "VIGILENS_KAFKA__METRICS_TOPIC": topics.metrics,
        "VIGILENS_KAFKA__ALERTS_TOPIC": topics.alerts,
        "VIGILENS_KAFKA__SESSION_TIMEOUT_S": "6",
        "VIGILENS_KAFKA__TRANSACTION_TIMEOUT_S": "5",
        "VIGILENS_SETS__DEFAULT_ENCODER": "pdq",
        "VIGILENS_MILVUS__URI": uri,
        "VIGILENS_MILVUS__TIMEOUT_S": "2",
        **more,
    }


def verdicts(cluster, topics, count):
    """The verdicts of the topic by event id; checks that there is one for each event."""
    read = [json.loads(each.value()) for each in read_committed(cluster.bootstrap, topics.verdicts, count)]
    by_event = {each["event_id"]: each for each in read}
    assert len(by_event) == count
    return by_event


def event(name, picture, **attributes):
    body = {"id": name, "data": base64.b64encode(encoded(picture)).decode(), "attributes": attributes}
    return (name.encode(), json.dumps(body).encode(), [], None)
