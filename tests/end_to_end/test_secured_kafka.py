"""A broker that requires TLS and a password: the service connects with them, and reports what is wrong without."""

import json
import os
import subprocess
import sys

import pytest
from certificate import CERTIFICATE, KEY
from drawn import drawn
from kafka import KafkaAdminClient
from run import Topics, missing
from running_service import PATIENCE_S, produce, read_committed, running
from service_fixtures import KNOWN, event, settings

from harness.broker import NoKafka, kafka
from harness.ports import free_ports

PASSWORD = "correct horse battery"  # noqa: S105 (of a broker that lives for one test)
TOPICS = Topics("images", "verdicts", "metrics", "group")


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A cluster with a second listener that requires TLS and a password, and the service's settings for it."""
    folder = tmp_path_factory.mktemp("secured")
    (port,) = free_ports(1)
    identity, trusted = folder / "identity.pem", folder / "trusted.pem"
    identity.write_text(KEY + CERTIFICATE)
    trusted.write_text(CERTIFICATE)
    more = f"""
listeners=PLAINTEXT://127.0.0.1:{{client}},SECURE://localhost:{port},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{client}},SECURE://localhost:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={identity}
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_vigilens="{PASSWORD}";
"""
    try:
        with kafka(folder, more=more) as cluster:
            admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
            names = (TOPICS.images, TOPICS.verdicts, TOPICS.metrics)
            admin.create_topics({name: {"num_partitions": 3} for name in names}, wait_for_metadata=True)
            admin.close()
            yield (
                cluster,
                {
                    "VIGILENS_KAFKA__BOOTSTRAP_SERVERS": f"localhost:{port}",
                    "VIGILENS_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
                    "VIGILENS_KAFKA__SASL_MECHANISM": "PLAIN",
                    "VIGILENS_KAFKA__SASL_USERNAME": "vigilens",
                    "VIGILENS_KAFKA__SASL_PASSWORD": PASSWORD,
                    "VIGILENS_KAFKA__SSL_CAFILE": str(trusted),
                },
            )
    except NoKafka as why:
        missing(str(why))


def test_the_service_works_with_tls_and_a_password_and_never_logs_it(secured, milvus):
    cluster, key = secured
    with running(settings(cluster, TOPICS, milvus.uri) | key) as service:
        produce(cluster.bootstrap, TOPICS.images, [event("copy", drawn(KNOWN))])
        (record,) = read_committed(cluster.bootstrap, TOPICS.verdicts, 1)
        code, log = service.end()
    assert json.loads(record.value())["decision"] == "block"
    assert code == 0
    assert PASSWORD not in log


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"VIGILENS_KAFKA__SASL_PASSWORD": "guess"}, "invalid username or password"),
        ({"VIGILENS_KAFKA__SSL_CAFILE": ""}, "certificate"),
        ({"VIGILENS_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "no answer from localhost"),
    ],
    ids=["wrong password", "an untrusted certificate", "no TLS"],
)
def test_a_refused_connection_is_reported_with_its_reason_and_without_the_password(secured, milvus, wrong, reason):
    cluster, key = secured
    environment = {**os.environ, **settings(cluster, TOPICS, milvus.uri), **key, **wrong}
    for _ in range(6):  # a broker may close the connection before the client has read why, more so on a busy machine
        said = subprocess.run(
            [sys.executable, "-m", "vigilens.cli", "check"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env=environment,
        )
        if reason.lower() in said.stdout.lower():
            break
    text = said.stdout + said.stderr
    assert said.returncode == 1
    assert reason.lower() in text.lower()
    assert PASSWORD not in text
    assert "guess" not in text
