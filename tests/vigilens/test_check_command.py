import gc
import json
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from config.load import load
from consumer import clients, topics
from consumer.clients import Connection
from embedding.choose import choose
from embedding.look import encode_pictures
from embedding.probe import probe_picture, probe_vector
from harness.broker import Cluster
from reference_sets.model import Kind, Reference, ReferenceSet, Thresholds
from reference_sets.store import Store
from vigilens.cli import main
from vigilens.commands.check import _kafka, _settings

GOOD = topics.Topic("t", partitions=6, replication=3, record_bytes=30_000_000, min_insync=2, cleanup="delete")


# kafka-python leaves the closing of a refused socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def no_socket_is_left_to_the_next_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGILENS_SETS__DEFAULT_ENCODER", "pdq")
    return tmp_path


@pytest.fixture
def on_kafka(home: Path, kafka_cluster: Cluster) -> dict[str, str]:
    """Settings for fresh topics that do not exist yet, and a Milvus Lite file that does not either."""
    tag = secrets.token_hex(4)
    names = {role: f"{role}-{tag}" for role in ("images", "verdicts", "metrics")}
    lines = ["[kafka]", f'bootstrap_servers = "{kafka_cluster.bootstrap}"']
    lines += [f'{role}_topic = "{name}"' for role, name in names.items()]
    (home / "vigilens.toml").write_text("\n".join(lines))
    return names


def make_set(file: Path, name: str, *, references: int = 1, encoder: str = "", probe: tuple[float, ...] = ()) -> None:
    pdq = choose("pdq")
    vector = tuple(float(x) for x in probe_vector(pdq))
    with Store(str(file)) as store:
        store.create(
            ReferenceSet(
                name=name,
                kind=Kind.HARMFUL,
                category="spam",
                severity=50,
                thresholds=Thresholds(0.76, 0.9),
                encoder=encoder or pdq.fingerprint,
                dimension=pdq.dimension,
                version=1,
                probe=probe or vector,
            )
        )
        if references:
            store.upsert(name, [Reference(f"r{n}", f"label {n}", vector) for n in range(references)])


def check(*words: str) -> Result:
    return CliRunner().invoke(main, ["check", *words])


def findings(result: Result) -> dict[tuple[str, str], str]:
    return {(each["part"], each["outcome"]): each["sentence"] for each in json.loads(result.stdout)}


@pytest.mark.usefixtures("on_kafka")
def test_if_everything_is_fine_the_code_is_0_and_each_part_has_a_line(home):
    make_set(home / "vigilens.db", "spam", references=2)
    result = check("--create-topics", "--partitions", "4")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert not [line for line in lines if line.startswith("✗")]
    for start in ("✓ settings", "✓ kafka", "✓ takeover", "✓ topic", "✓ encoder", "✓ milvus", "✓ set"):
        assert any(line.startswith(start) for line in lines), start
    assert any(line.startswith("✓ encoder") and "pdq, 256 values, float32, fingerprint" in line for line in lines)
    assert any("spam: harmful" in line and "2 references" in line for line in lines)


def test_missing_topics_are_reported_and_then_created_with_fitting_limits(on_kafka, kafka_cluster):
    found = findings(check("--json"))
    assert "--create-topics" in found["topic", "failed"]
    assert check("--create-topics", "--partitions", "4").exit_code == 1  # the sets are still missing

    needs = topics.needs(on_kafka["images"], on_kafka["verdicts"], on_kafka["metrics"], 20_971_520, 16_384)
    with topics.admin(Connection(kafka_cluster.bootstrap)) as client:
        made = topics.describe(client, [need.name for need in needs])
    for need in needs:
        topic = made[need.name]
        assert topic is not None
        assert topic.partitions == 4
        assert topic.record_bytes == need.record_bytes
    assert "does not exist" not in check().output


def test_existing_topics_are_not_changed(on_kafka, kafka_cluster):
    with topics.admin(Connection(kafka_cluster.bootstrap)) as client:
        small = {"num_partitions": 2, "configs": {"max.message.bytes": "1048588"}}  # Kafka's own default
        client.create_topics({on_kafka["images"]: small}, wait_for_metadata=True)
    output = check("--create-topics", "--partitions", "5").output
    assert f"{on_kafka['images']}: 2 partitions" in output
    assert f"{on_kafka['verdicts']}: created: 5 partitions" in output
    assert "set max.message.bytes" in output


@pytest.mark.usefixtures("on_kafka")
def test_more_replicas_than_brokers_is_one_line_without_traceback():
    found = findings(check("--json", "--create-topics", "--replication", "7"))
    assert "replication factor" in found["topics", "failed"]
    assert ("milvus", "ok") in found  # the command has continued


def test_if_kafka_does_not_answer_that_is_reported_and_the_rest_is_tried(home, monkeypatch):
    make_set(home / "vigilens.db", "spam")
    monkeypatch.setenv("VIGILENS_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = check("--json")
    found = findings(result)
    assert result.exit_code == 1
    assert "connection refused" in found["kafka", "failed"]
    assert "kafka.bootstrap_servers" in found["kafka", "failed"]
    assert ("encoder", "ok") in found
    assert ("set", "ok") in found


def test_mistakes_in_the_settings_are_one_line_each(home):
    (home / "vigilens.toml").write_text("[batch]\nimages = 0\n[http]\nport = -1\n")
    result = check()
    assert result.exit_code == 1
    assert [line[:10] for line in result.output.splitlines()] == ["✗ settings"] * 2


@pytest.fixture
def findings_without_kafka(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[tuple[str, str], str]]:
    """What `check` reports if no Kafka answers, without waiting for that."""
    assert home == Path.cwd()
    monkeypatch.setattr(clients, "BOOTSTRAP_MS", 10)
    monkeypatch.setenv("VIGILENS_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    return lambda: findings(check("--json"))


def test_no_set_at_all_is_a_failure(findings_without_kafka):
    assert "vigilens sets create" in findings_without_kafka()["sets", "failed"]


def test_an_empty_set_is_a_warning(home, findings_without_kafka):
    make_set(home / "vigilens.db", "spam", references=0)
    assert "vigilens sets add spam" in findings_without_kafka()["set", "warning"]


def test_no_harmful_set_is_a_warning(home, findings_without_kafka):
    make_set(home / "vigilens.db", "fine")
    with Store(str(home / "vigilens.db")) as store:
        store.change("fine", kind=Kind.ALLOW)
    assert "no set is harmful" in findings_without_kafka()["sets", "warning"]


def test_a_set_of_another_encoder_is_a_failure(home, findings_without_kafka):
    make_set(home / "vigilens.db", "spam", encoder="pdq:0000000000000000")
    assert "pdq:0000000000000000" in findings_without_kafka()["sets", "failed"]


def test_an_encoder_that_gives_other_vectors_here_is_a_failure(home, findings_without_kafka):
    upside_down = encode_pictures(choose("pdq"), [probe_picture()[::-1].copy()]).vectors[0]
    make_set(home / "vigilens.db", "spam", probe=tuple(float(x) for x in upside_down))
    assert "spam" in findings_without_kafka()["sets", "failed"]


def test_an_encoder_without_weights_is_a_failure_and_milvus_is_still_tried(home, findings_without_kafka, monkeypatch):
    (home / "vigilens.toml").write_text(
        '[encoders.clip]\nkind = "openclip"\nmodel = "ViT-B-32"\ncheckpoint = "none.pt"\n'
    )
    monkeypatch.setenv("VIGILENS_SETS__DEFAULT_ENCODER", "clip")
    found = findings_without_kafka()
    assert "none.pt" in found["encoder", "failed"]
    assert ("milvus", "ok") in found
    assert ("sets", "failed") in found


def test_a_root_that_is_not_a_folder_is_a_warning_and_an_invalid_host_a_failure(findings_without_kafka, monkeypatch):
    monkeypatch.setenv("VIGILENS_IMAGES__ROOTS", "/no/such/folder")
    monkeypatch.setenv("VIGILENS_IMAGES__HOSTS", "https://example.com/path")
    found = findings_without_kafka()
    assert "/no/such/folder" in found["settings", "warning"]
    assert "images.hosts" in found["settings", "failed"]


# --- what a topic needs, as a table ---


def test_an_image_in_base64_with_its_attributes_fits():
    images, verdicts, metrics = topics.needs("i", "v", "m", max_bytes=3_000_000, max_attributes_bytes=1000)
    assert images.record_bytes >= 4_000_000 + 1000 + 1024
    assert verdicts.record_bytes == metrics.record_bytes == 1_048_576


@pytest.mark.parametrize(
    ("role", "change", "fatal"),
    [
        ("verdicts", {}, None),
        ("images", {}, None),
        ("verdicts", {"record_bytes": 1_048_576}, None),
        ("verdicts", {"record_bytes": 1_048_575}, True),
        ("metrics", {"record_bytes": 1_048_575}, True),
        ("images", {"record_bytes": 1_048_588}, False),
        ("verdicts", {"cleanup": "compact"}, True),
        ("metrics", {"cleanup": "compact,delete"}, True),
        ("images", {"cleanup": "compact"}, False),
        ("verdicts", {"partitions": 5}, False),
        ("metrics", {"partitions": 1}, None),
        ("verdicts", {"replication": 1}, False),
        ("verdicts", {"min_insync": 1}, False),
        ("images", {"replication": 1}, None),
        ("alerts", {}, None),
        ("alerts", {"cleanup": "compact"}, True),
        ("jobs", {}, True),
        ("jobs", {"cleanup": "compact,delete"}, True),
        ("jobs", {"cleanup": "compact"}, None),
    ],
)
def test_faults_of_a_topic(role, change, fatal):
    changed = topics.Topic(**{name: getattr(GOOD, name) for name in GOOD.__slots__} | change)
    needs = topics.needs("images", "verdicts", "metrics", 20_971_520, 16_384, alerts="alerts", jobs="jobs")
    need = next(n for n in needs if n.role == role)
    there: dict[str, topics.Topic | None] = {"images": GOOD, "verdicts": GOOD, "metrics": GOOD, role: changed}
    assert [fault.fatal for fault in topics.faults(need, there, "images")] == ([] if fatal is None else [fatal])


@pytest.mark.usefixtures("home")
def test_checksums_without_the_c_library_are_a_warning_that_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clients.has_fast_checksums()  # our own dependencies bring it
    monkeypatch.setattr(clients, "has_fast_checksums", lambda: False)
    found = next(_kafka(load(), None))
    assert (found.part, found.outcome, "kafka-python[crc32c]" in found.sentence) == ("kafka", "warning", True)


@pytest.mark.usefixtures("home")
def test_an_endpoint_for_opentelemetry_without_the_extra_is_an_error_with_the_command(monkeypatch):
    monkeypatch.setenv("VIGILENS_OTLP__ENDPOINT", "http://localhost:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    settings = [each for each in _settings(load()) if each.outcome == "failed"]
    assert ["pip install 'vigilens[otlp]'" in each.sentence for each in settings] == [True]
