"""Real Apache Kafka on this machine for the demo and the tests: one KRaft node, or three with replication 3.

    with kafka(folder) as cluster:
        ... cluster.bootstrap ...

The nodes listen on 127.0.0.1 only, keep everything in `folder`, and die with this process.
"""

import os
import signal
import socket
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.kafka_jars import NoKafka, class_path, java
from harness.ports import free_ports
from harness.processes import Leash, Program, ProgramFailed, tail

BOOTSTRAP_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
START_TIMEOUT_S = 90.0  # 2 s for one node, 5 s for three; much more on a busy machine
ATTEMPTS = 3  # between choosing a port and listening on it, another program can take it
JVM = ("-Xms64m", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")

_COMMON = Path(__file__).with_name("broker.properties")
_LOG4J = Path(__file__).with_name("broker-log4j2.properties")

__all__ = ["Cluster", "NoKafka", "Node", "kafka"]


class Node(Program):
    """One broker and controller.

    Attributes:
        id: 1, 2, …
        address: "127.0.0.1:port" for clients.
    """

    def __init__(self, id_: int, address: str, log: Path, command: Sequence[str | Path], leash: Leash) -> None:
        super().__init__(f"Kafka node {id_}", command, log, leash)
        self.id = id_
        self.address = address

    def stop(self) -> int:
        """Stop it; kill it if that takes too long: it may wait for votes of nodes that have ended."""
        try:
            return super().stop()
        except ProgramFailed:
            return -signal.SIGKILL


@dataclass(frozen=True)
class Cluster:
    """Running brokers.

    Attributes:
        bootstrap: "host:port,…" for clients.
        nodes: the nodes that we started; empty when the brokers run elsewhere.
    """

    bootstrap: str
    nodes: tuple[Node, ...] = ()

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until every node is registered and every partition has all its replicas in sync.

        Raises:
            ProgramFailed: a node has ended, or `timeout_s` seconds are over.
        """
        deadline = time.monotonic() + timeout_s
        missing = "no answer yet"
        while missing:
            for node in self.nodes:
                node.check()
            if time.monotonic() > deadline:
                logs = "\n".join(tail(node.log) for node in self.nodes)
                raise ProgramFailed(
                    f"Kafka at {self.bootstrap} is not complete after {timeout_s:.0f} s: {missing}\n{logs}"
                )
            time.sleep(0.1)
            missing = self._missing()

    def make_topics(self, partitions: Mapping[str, int]) -> None:
        """Create topics, name → number of partitions, and wait until each partition has a leader."""
        from kafka import KafkaAdminClient  # noqa: PLC0415 (slow to import)

        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            wanted = {name: {"num_partitions": number} for name, number in partitions.items()}
            admin.create_topics(wanted, wait_for_metadata=True)
        finally:
            admin.close()

    def _missing(self) -> str:
        """What is still missing, as text; empty when the cluster is complete."""
        silent = [node.address for node in self.nodes if not _listens(node.address)]
        if silent:
            return f"{', '.join(silent)} does not listen"
        from kafka import KafkaAdminClient  # noqa: PLC0415 (slow to import)
        from kafka.errors import KafkaError  # noqa: PLC0415

        try:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        except KafkaError as error:
            return str(error)
        with suppress(KafkaError):
            try:
                brokers = [one for one in admin.describe_cluster()["brokers"] if not one.get("is_fenced")]
                topics = admin.describe_topics()
            finally:
                admin.close()
            if len(brokers) < len(self.nodes):
                return f"{len(brokers)} of {len(self.nodes)} nodes are registered"
            partitions = [part for topic in topics for part in topic["partitions"]]
            behind = sum(set(part["isr_nodes"]) != set(part["replica_nodes"]) for part in partitions)
            return f"{behind} partitions lack a replica" if behind and self.nodes else ""
        return "it listens but does not answer"


@contextmanager
def kafka(
    folder: Path,
    nodes: int = 1,
    say: Callable[[str], None] = lambda _: None,
    cache: Path | None = None,
    more: str = "",
) -> Iterator[Cluster]:
    """A cluster for the duration of the `with` block.

    If KAFKA_BOOTSTRAP_SERVERS is set and one node is enough, it is that cluster, and nothing is started.

    Args:
        folder: for data and logs; created if missing. Each call makes a new cluster in it.
        nodes: 1, or 3 with replication 3 and min.insync.replicas 2.
        say: called with a line of text before each slow step.
        cache: folder for Kafka's jars; None: `harness.kafka_jars.CACHE`.
        more: lines of broker.properties that override ours; {client} and {controller} are the node's ports.

    Raises:
        NoKafka: Java or Kafka's jars are missing and cannot be fetched.
        ProgramFailed: a node ended or did not answer.
    """
    elsewhere = os.environ.get(BOOTSTRAP_VARIABLE)
    if elsewhere and nodes == 1 and not more:
        cluster = Cluster(elsewhere)
        cluster.wait()
        yield cluster
        return
    jars = class_path(say, cache)
    say(f"starting Apache Kafka ({nodes} {'node' if nodes == 1 else 'nodes'})")
    with Leash() as leash:
        cluster = _started(folder, nodes, jars, leash, more)
        yield cluster
        for node in cluster.nodes:
            node.resume()
        if nodes == 1:
            cluster.nodes[0].stop()  # several nodes would wait for each other's votes; the leash kills them


def _started(folder: Path, nodes: int, jars: str, leash: Leash, more: str) -> Cluster:
    for attempt in range(1, ATTEMPTS + 1):
        cluster = _formatted(folder / f"kafka-{uuid.uuid4().hex[:8]}", nodes, jars, leash, more)
        try:
            for node in cluster.nodes:
                node.start()
            cluster.wait()
        except ProgramFailed as error:
            for node in cluster.nodes:
                node.kill()
            if "Address already in use" not in str(error) or attempt == ATTEMPTS:
                raise
        else:
            return cluster
    raise AssertionError("the last attempt returns or raises")


def _cluster_id(drawn: bytes) -> str:
    """16 bytes as Kafka writes them. The first is below 128: an id that begins with - would be taken for an option."""
    return urlsafe_b64encode(bytes([drawn[0] & 0x7F, *drawn[1:]])).decode().rstrip("=")


def _formatted(folder: Path, nodes: int, jars: str, leash: Leash, more: str) -> Cluster:
    """Write each node's properties and format its folder; the nodes are not yet started."""
    folder.mkdir(parents=True)
    ports = free_ports(2 * nodes)
    clients, controllers = ports[:nodes], ports[nodes:]
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
    cluster_id = _cluster_id(uuid.uuid4().bytes)
    launch: list[str | Path] = [java(), *JVM, f"-Dlog4j2.configurationFile={_LOG4J}", "-cp", jars]
    made: list[Node] = []
    formatting = []
    for number, (client, controller) in enumerate(zip(clients, controllers, strict=True), 1):
        properties = folder / f"node-{number}.properties"
        own = _own(number, client, controller, voters, nodes, folder)
        properties.write_text(_COMMON.read_text() + own + more.format(client=client, controller=controller))
        log = folder / f"node-{number}.log"
        format_it = [*launch, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", properties]
        formatting.append((leash.start(format_it, log), log))
        made.append(Node(number, f"127.0.0.1:{client}", log, [*launch, "kafka.Kafka", properties], leash))
    for process, log in formatting:
        if process.wait():
            raise ProgramFailed(f"Kafka's folder could not be formatted:\n{tail(log)}")
    return Cluster(",".join(node.address for node in made), tuple(made))


def _own(number: int, client: int, controller: int, voters: str, nodes: int, folder: Path) -> str:  # noqa: PLR0913, PLR0917 (one line each)
    """The lines of broker.properties that differ between nodes and between cluster sizes."""
    enough = min(2, nodes)
    lines = {
        "node.id": number,
        "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
        "controller.quorum.voters": voters,
        "log.dirs": folder / f"node-{number}",
        "default.replication.factor": nodes,
        "min.insync.replicas": enough,
        "offsets.topic.replication.factor": nodes,
        "transaction.state.log.replication.factor": nodes,
        "transaction.state.log.min.isr": enough,
    }
    return "\n" + "\n".join(f"{key}={value}" for key, value in lines.items()) + "\n"


def _listens(address: str) -> bool:
    host, port = address.split(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False
