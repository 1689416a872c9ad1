"""The three kinds of Milvus that the store must not tell apart, and small sets to fill them with."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from run import missing

from embedding.local.features import pack
from embedding.local.keypoints import DESCRIPTOR_BYTES, Keypoints
from harness.milvus_server import NoMilvus, milvus_server
from reference_sets.model import Kind, Part, Reference, ReferenceSet, Thresholds

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


def clustered(rows: int, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    """Unit vectors around 40 centres (rows, dimension), so that an index can sort them into cells."""
    random = np.random.default_rng(seed)
    made = random.standard_normal((40, dimension))[random.integers(0, 40, rows)]
    made += 0.6 * random.standard_normal((rows, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


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


@contextmanager
def real_milvus(folder: Path) -> Iterator[str]:
    """The Milvus server that `make test` installs; yields its address."""
    try:
        with milvus_server(folder) as uri:
            yield uri
    except NoMilvus as why:
        missing(str(why))
