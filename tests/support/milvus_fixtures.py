"""The three kinds of Milvus that the store must not tell apart, and small sets to fill them with."""

import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from embedding.local.features import pack
from embedding.local.keypoints import DESCRIPTOR_BYTES, Keypoints
from reference_sets.model import Kind, Part, Reference, ReferenceSet, Thresholds

SERVER = Path(__file__).parents[2] / ".cache/milvus-server/bin/milvus-server"
FINGERPRINT = "test:0123456789abcdef"
DIMENSION = 8


def make_set(name: str = "", **changes: object) -> ReferenceSet:
    """A set's description under a name that no other test uses."""
    facts: dict = {
        "name": name or f"set_{secrets.token_hex(4)}",
        "kind": Kind.HARMFUL,
        "category": "spam",
        "severity": 50,
        "thresholds": Thresholds(0.75, 0.9),
        "encoder": FINGERPRINT,
        "dimension": DIMENSION,
        "version": 1,
        "probe": tuple(float(np.float32(one)) for one in np.linspace(-1, 1, DIMENSION)),
        "note": "two lines,\nquotes \" and ' and ümlauts",
    }
    return ReferenceSet(**(facts | changes))


def unit(rows: int, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    """Random float32 unit vectors (rows, dimension)."""
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def references(vectors: np.ndarray, prefix: str = "ref") -> list[Reference]:
    """One for each row, with ids `prefix-0` …, labels `label 0` …"""
    return [Reference(f"{prefix}-{i}", f"label {i}", tuple(row.tolist())) for i, row in enumerate(vectors)]


def features(text: str) -> bytes:
    """Features of a picture that has one keypoint, whose descriptor begins with the text's first 32 bytes."""
    found = np.zeros(1, np.float32)
    descriptor = np.frombuffer(text.encode()[:DESCRIPTOR_BYTES].ljust(DESCRIPTOR_BYTES), np.uint8).reshape(1, -1)
    return pack(Keypoints(np.zeros((1, 2), np.float32), descriptor, found, found + 0.5, 1.0, 0.75))


def mirrored(known: list[Reference]) -> list[Reference]:
    """The same with features, and with a mirror image whose vector runs backwards."""
    return [
        replace(one, features=features(f"of {one.id}"), mirror=Part(one.vector[::-1], features(f"mirror of {one.id}")))
        for one in known
    ]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def real_milvus(folder: Path, *options: str) -> Iterator[str]:
    """The Milvus server of the package `milvus`, which `make test` installs; yields its address."""
    if not SERVER.exists():
        why = f"{SERVER} is missing: run `make {SERVER.relative_to(SERVER.parents[3])}`"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    kinds = ("proxy", "etcd", "root-coord", "proxy-internal", "query-coord", "query-node", "index-coord", "index-node")
    *ports, clients, peers = free_ports(12)
    named = zip((*kinds, "data-coord", "data-node"), ports, strict=True)
    arguments = [word for kind, port in named for word in (f"--{kind}-port", str(port))]
    with (folder / "milvus.log").open("wb") as log:
        launcher = subprocess.Popen(
            [SERVER, "--data", str(folder / "data"), *arguments, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "ETCD_CONFIG_PATH": str(_etcd(folder, clients, peers))},
        )
    family = [psutil.Process(launcher.pid)]
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        # The launcher may end without its server: end both, by their pids.
        with suppress(psutil.NoSuchProcess):
            family += family[0].children(recursive=True)
        family += [
            one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or ())
        ]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        launcher.wait()


def _etcd(folder: Path, clients: int, peers: int) -> Path:
    """Settings of the server's embedded etcd, which otherwise takes the ports 2379 and 2380 from whoever needs them."""
    client, peer = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
    facts = {
        "name": "default",
        "data-dir": str(folder / "etcd"),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
    }
    path = folder / "etcd.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in facts.items()))
    return path
