"""What one image and one reference take: the figures that `sizing` multiplies, each with its source.

Whoever makes a stage faster changes its figure here, and the tables of docs/sizing.md: a test prints what they must be.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Index = Literal["auto", "exact", "ivf_flat", "memory"]


@dataclass(frozen=True, slots=True)
class PerImage:
    """Milliseconds of one core for one image, in the service.

    Attributes:
        decode: the file → views, with corners and hashes.
        encode: views → vectors.
        search: asking Milvus and reading its answers, or searching in memory but for what grows with the references.
        check: candidates → evidence, with reading what is stored of those that are kept in memory.
        queries: vectors that are searched for.
        candidates: references whose features the check reads in a set of 2,000; 0: there is no check. Larger sets have
            more of them (`matcher.search.depth`).
    """

    decode: float
    encode: float
    search: float
    check: float
    queries: float
    candidates: int = 0

    @property
    def total(self) -> float:
        """All of it."""
        return self.decode + self.encode + self.search + self.check


@dataclass(frozen=True, slots=True)
class PerReference:
    """Bytes that one reference takes.

    Attributes:
        rows: in Milvus; two with a stored mirror image.
        lite: of memory in Milvus Lite.
        server: of memory in a Milvus server.
        disk: on it, of a server, of which Lite needs half.
        kept: of the service's memory, for each process, if it is kept there.
    """

    rows: int
    lite: float
    server: float
    disk: float
    kept: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What one of everything takes. The defaults are those of `vigilens size --no-measure`.

    One core of an AMD EPYC with AVX-512 and bfloat16, without AMX, JPEGs of 640x480 (docs/copies.md, "What it costs";
    docs/performance.md, "Search" and "Through Kafka"). A network is one like ViT-B-32, which takes 12.5 ms with AMX, in
    a set with the check.

    Attributes:
        encoders, references: by the encoder's name.
        search_ms: of a core of Milvus, for each vector and 1,000 rows. Lite and `exact`: docs/performance.md, 100,000
            rows, batches of 64. `ivf_flat`: 30,000 vectors of `words`, as `python -m benchmarks.indexes` chooses it.
            `memory`: FAISS, 1,000,000 hashes of 256 bits, in the service.
        lite_ms: the same for Milvus Lite in full batches, whose `lite_query_ms` is for each vector, however few rows.
        query_ms: of a core of a Milvus server, for each vector, however few rows there are.
        read_ms: to read the features of a candidate that is not in memory, from the service's file of them.
        deeper_ms: to find and check each candidate more than in a set of 2,000 (docs/copies.md, "Large sets").
        kafka_ms: of the service's core: receiving a record of 83 KB, and a verdict of 900 bytes in transactions of 64.
        broker_ms: of a broker's core: the record comes and goes, and the verdict comes.
        verdict_bytes: of a verdict.
        process_bytes: memory of a service's process, and of its decoder, besides `sets.keep_bytes`.
        keep_bytes: of a process, for features of references (`sets.keep_bytes`).
    """

    encoders: dict[str, PerImage] = field(
        default_factory=lambda: {
            "words": PerImage(decode=6.1, encode=2.3, search=1.4, check=2.4, queries=5, candidates=100),
            "pdq": PerImage(decode=4.4, encode=0.1, search=0.3, check=0.1, queries=1),
            "network": PerImage(decode=6.2, encode=12.5, search=1.0, check=2.0, queries=2, candidates=50),
        }
    )
    references: dict[str, PerReference] = field(
        default_factory=lambda: {
            "words": PerReference(rows=2, lite=6.7e3, server=45e3, disk=100e3, kept=44e3),
            "pdq": PerReference(rows=1, lite=800, server=1000, disk=500, kept=150),
            "network": PerReference(rows=2, lite=6.7e3, server=45e3, disk=100e3, kept=44e3),
        }
    )
    lite_ms: float = 0.01
    lite_query_ms: float = 0.12
    search_ms: dict[Index, float] = field(default_factory=lambda: {"exact": 0.29, "ivf_flat": 0.055, "memory": 0.0016})
    query_ms: float = 0.4
    read_ms: float = 0.02
    deeper_ms: float = 0.06
    kafka_ms: float = 0.4
    broker_ms: float = 1.0
    verdict_bytes: float = 900
    process_bytes: float = 0.7e9
    keep_bytes: float = 268_435_456


def costs_of(written: dict[str, Any]) -> Costs:
    """Return costs from `asdict` of them, as `vigilens size --json` prints them; what is missing has its default.

    Raises:
        TypeError: they have other fields.
    """
    usual = Costs()
    return replace(
        usual,
        **{
            **written,
            "encoders": {**usual.encoders, **{k: PerImage(**v) for k, v in written.get("encoders", {}).items()}},
            "references": {
                **usual.references,
                **{k: PerReference(**v) for k, v in written.get("references", {}).items()},
            },
        },
    )
