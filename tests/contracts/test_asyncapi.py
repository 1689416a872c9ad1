"""docs/asyncapi.yaml: read by the official parser, and compared with what the service really publishes."""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from drawn import drawn
from jsonschema import Draft202012Validator
from run import missing, needs_program
from running_service import produce, read_committed, running
from service_fixtures import KNOWN, UNRELATED, event, settings

from config.load import DEFAULTS
from consumer.alerts import alert_record, example
from consumer.topics import needs
from harness.readers import committed

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/asyncapi.yaml"
PACKAGES = ROOT / ".cache/asyncapi/node_modules"


@pytest.fixture(scope="module")
def parsed():
    needs_program("node")
    if not PACKAGES.is_dir():
        missing("the AsyncAPI parser is not installed: make test")
    done = subprocess.run(
        ["node", Path(__file__).with_name("parsed.cjs"), DOCUMENT],
        env=os.environ | {"NODE_PATH": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def message(parsed, channel):
    """The only message of a channel."""
    (found,) = parsed["channels"][channel]["messages"].values()
    return found


def mistakes(schema, value):
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(value)]


def wrong_with(parsed, channel, key, headers, value):
    """What in a record differs from the document."""
    said = message(parsed, channel)
    found = {name: content.decode() for name, content in headers}
    text = None if key is None else key.decode(errors="replace")
    unknown = [name for name in found if name not in said["headers"]["properties"]]
    return [
        *unknown,
        *mistakes(said["headers"], found),
        *mistakes(said["key"], text),
        *mistakes(said["payload"], json.loads(value)),
    ]


def test_the_official_parser_finds_neither_errors_nor_warnings(parsed):
    assert parsed["wrong"] == []


def test_the_document_has_the_topics_of_the_settings_and_each_can_be_sent_or_received(parsed):
    keys = tomllib.loads(DEFAULTS.read_text())["kafka"].items()
    topics = {key.removesuffix("_topic"): value for key, value in keys if key.endswith("_topic")}
    assert {name: each["address"] for name, each in parsed["channels"].items()} == topics
    assert {name: each["kafka"]["topic"] for name, each in parsed["channels"].items()} == topics
    actions = {name: set(each["actions"]) for name, each in parsed["channels"].items()}
    assert actions.pop("images") == {"receive"}
    assert actions.pop("jobs") == {"send", "receive"}
    assert set(map(tuple, actions.values())) == {("send",)}


def test_the_topics_are_described_as_check_creates_them(parsed):
    images = tomllib.loads(DEFAULTS.read_text())["images"]
    needed = needs("i", "v", "m", images["max_bytes"], images["max_attributes_bytes"], alerts="a", jobs="j")
    described = {name: each["kafka"]["topicConfiguration"] for name, each in parsed["channels"].items()}
    assert {name: each["max.message.bytes"] for name, each in described.items()} == {
        need.role: need.record_bytes for need in needed
    }
    assert {name: each["cleanup.policy"] for name, each in described.items()} == {
        need.role: ["compact" if need.compact else "delete"] for need in needed
    }


def test_the_examples_of_every_message_obey_its_schemas(parsed):
    seen = 0
    for channel in parsed["channels"].values():
        for name, each in channel["messages"].items():
            Draft202012Validator.check_schema(each["payload"])
            for example_ in each["examples"]:
                seen += 1
                assert mistakes(each["payload"], example_["payload"]) == [], name
                assert mistakes(each["headers"], example_["headers"]) == [], name
    assert seen >= 6


def test_what_a_real_service_publishes_is_what_the_document_says(parsed, kafka_cluster, topics, milvus):
    sent = [event("copy", drawn(KNOWN)), event("other", drawn(UNRELATED)), (None, b"no picture", [], None)]
    with running(settings(kafka_cluster, topics, milvus.uri)) as service:
        produce(kafka_cluster.bootstrap, topics.images, sent)
        verdicts = read_committed(kafka_cluster.bootstrap, topics.verdicts, len(sent))
        service.end()
    batches = list(committed(kafka_cluster.bootstrap, topics.metrics))
    assert batches
    for channel, records in (("verdicts", verdicts), ("metrics", batches)):
        for record in records:
            assert wrong_with(parsed, channel, record.key(), record.headers(), record.value()) == []


def test_an_alert_is_what_the_document_says(parsed):
    record = alert_record(example(), "alerts")
    assert wrong_with(parsed, "alerts", record.key, record.headers, record.value) == []


def test_a_record_that_is_not_as_the_document_says_is_found(parsed):
    record = alert_record(example(), "alerts")
    headers = [(name, b"other" if name == "ce_type" else value) for name, value in record.headers]
    assert wrong_with(parsed, "alerts", record.key, headers, b"{}")
