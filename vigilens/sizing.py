"""What a load needs: cores, memory, disk, partitions, nodes and network. Arithmetic only; `measure_size` measures.

Every figure is the product of what one image or one reference takes, and numbers of them. It is `measured` if all that
goes into it was measured at about that size, and `reckoned` if something was carried on to a size that nobody measured.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from matcher.depth import depth
from vigilens.sizing_costs import Costs, Index, PerReference

KB, MB, GB = 1e3, 1e6, 1e9  # bytes
LARGEST = {"exact": 1_000_000, "ivf_flat": 30_000, "memory": 1_000_000}  # rows of the largest search that was measured
MOST_IMAGES = 250.0  # per second: of the largest stream that was measured
EXACT_ROWS = 20_000  # above it, an approximate index takes less time for the same copies
LITE_CORES = 0.5  # Milvus Lite answers with one thread; more than half of it and calls wait for each other
LITE_MEMORY = 4 * GB
PARTITION_BYTES = 10 * MB  # per second: what one partition takes without becoming the limit (Kafka's usual figure)


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for.

    Attributes:
        images: per second, at the peak.
        references: known pictures or hashes.
        encoder: a name in `Costs`.
        index: how vectors are searched; auto: in memory for hashes, exact for up to `EXACT_ROWS`, else ivf_flat.
        image_bytes: of one image; in the events, unless `by_url`.
        by_url: the events name the images, which the service fetches.
        use: share of a core that is planned with. At half, 95 of 100 verdicts take less than 0.6 s.
        replicas: of each Kafka partition.
        hours: that Kafka keeps the events.
        node_cores, node_bytes: of a Milvus query node.
    """

    images: float
    references: int
    encoder: str = "words"
    index: Index = "auto"
    image_bytes: float = 85e3
    by_url: bool = False
    use: float = 0.5
    replicas: int = 3
    hours: float = 24
    node_cores: int = 16
    node_bytes: float = 64 * GB


@dataclass(frozen=True, slots=True)
class Need:
    """One line of a plan.

    Attributes:
        part: service, milvus, kafka or network.
        what: is needed.
        amount: of it, in `unit`.
        basis: see above.
        because: how it was reckoned.
    """

    part: str
    what: str
    amount: float
    unit: str
    basis: Literal["measured", "reckoned"]
    because: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All needs of a load, and what they are sums of."""

    load: Load
    lite: bool  # a Milvus Lite file is enough
    service_cores: int
    processes: int
    milvus_cores: int
    milvus_bytes: float
    nodes: int
    needs: tuple[Need, ...]


def plan(load: Load, costs: Costs) -> Plan:
    """Return what a load needs.

    Raises:
        KeyError: there are no costs of this encoder.
    """
    image, reference = costs.encoders[load.encoder], costs.references[load.encoder]
    rows = load.references * reference.rows
    if load.index == "auto":
        vectors: Index = "exact" if rows <= EXACT_ROWS else "ivf_flat"
        load = replace(load, index="memory" if load.encoder == "pdq" else vectors)
    in_memory = load.index == "memory"
    searched = image.queries * rows / 1000 * costs.search_ms[load.index]
    lite_ms = 0.0 if in_memory else image.queries * (rows / 1000 * costs.lite_ms + costs.lite_query_ms)
    lite = (
        load.index != "ivf_flat"
        and load.images * lite_ms / 1000 <= LITE_CORES
        and load.references * reference.lite <= LITE_MEMORY
    )
    candidates = depth(image.candidates, load.references) if image.candidates else 0
    read = candidates * _not_kept(load, reference, costs) * costs.read_ms
    read += (candidates - image.candidates) * costs.deeper_ms
    per_image = image.total + costs.kafka_ms + (searched if in_memory else 0.0) + read
    service_cores = _cores(load, per_image)
    milvus_ms = 0.0 if in_memory else lite_ms if lite else searched + image.queries * costs.query_ms
    milvus_cores = _cores(load, milvus_ms) if milvus_ms else 0
    milvus_bytes = load.references * (reference.lite if lite else reference.server) + 0.3 * GB
    nodes = 0 if lite else max(1, math.ceil(milvus_cores / load.node_cores), math.ceil(milvus_bytes / load.node_bytes))
    made = Plan(load, lite, service_cores, service_cores, milvus_cores, milvus_bytes, nodes, ())
    needs = (
        *_of_service(made, costs, per_image, read),
        *_of_milvus(made, costs, milvus_ms, rows),
        *_of_kafka(made, costs),
    )
    return replace(made, needs=needs)


def overview(encoder: str, costs: Costs) -> list[Plan]:
    """Return the plans for 100 to 10,000 images a second and 10^4 to 10^8 references."""
    loads = ((images, 10**power) for images in (100, 1000, 10_000) for power in range(4, 9))
    return [plan(Load(images, references, encoder), costs) for images, references in loads]


def _not_kept(load: Load, reference: PerReference, costs: Costs) -> float:
    """Return the share of references whose features are not in the service's memory."""
    everything = load.references * reference.kept
    return 0.0 if not everything else max(0.0, 1 - costs.keep_bytes / everything)


def _cores(load: Load, ms: float) -> int:
    return max(1, math.ceil(load.images * ms / 1000 / load.use))


def _of_service(made: Plan, costs: Costs, per_image: float, read: float) -> Iterator[Need]:
    load, image, reference = made.load, costs.encoders[made.load.encoder], costs.references[made.load.encoder]
    basis: Literal["measured", "reckoned"] = "measured" if load.images <= MOST_IMAGES and not read else "reckoned"
    stages = f"decode {image.decode:g}, encode {image.encode:g}, search {image.search:g}, check {image.check:g}"
    more = f", more candidates in a large set {read:.1f}" if read else ""
    yield Need(
        "service", "time per image", per_image, "ms", "reckoned" if read else "measured",
        f"{stages}{more}, Kafka {costs.kafka_ms:g}",
    )  # fmt: skip
    yield Need(
        "service", "cores", made.service_cores, "", basis,
        f"{load.images:,.0f} images/s x {per_image:.1f} ms, {load.use:.0%} busy",
    )  # fmt: skip
    yield Need("service", "processes", made.processes, "", basis, "one for each core, in one consumer group")
    kept = min(costs.keep_bytes, load.references * reference.kept)
    kept = load.references * reference.kept if load.index == "memory" else kept
    each = costs.process_bytes + kept
    yield Need(
        "service", "memory", made.processes * each / GB, "GB", basis,
        f"{made.processes:,} x {each / GB:.2f} GB, of which {kept / GB:.2f} for references",
    )  # fmt: skip


def _of_milvus(made: Plan, costs: Costs, ms: float, rows: int) -> Iterator[Need]:
    load, reference = made.load, costs.references[made.load.encoder]
    basis: Literal["measured", "reckoned"] = "measured" if rows <= LARGEST[load.index] else "reckoned"
    where = "Milvus Lite, served by `vigilens milvus`" if made.lite else f"a server, index {load.index}"
    if load.index == "memory":
        where = "rows only; the service searches in memory"
    yield Need("milvus", "rows", rows, "", "measured", f"{reference.rows} for each reference; {where}")
    if made.milvus_cores:
        yield Need(
            "milvus", "cores", made.milvus_cores, "", basis,
            f"{load.images:,.0f} images/s x {ms:,.1f} ms, {load.use:.0%} busy",
        )  # fmt: skip
    each = reference.lite if made.lite else reference.server
    yield Need(
        "milvus", "memory", made.milvus_bytes / GB, "GB", basis, f"{each / KB:.3g} KB for each reference, and 0.3 GB"
    )
    disk = load.references * reference.disk * (0.5 if made.lite else 1.0)
    yield Need("milvus", "disk", disk / GB, "GB", basis, f"{disk / load.references / KB:.3g} KB for each reference")
    if made.nodes:
        size = f"{load.node_cores} cores, {load.node_bytes / GB:.0f} GB each"
        yield Need("milvus", "query nodes", made.nodes, "", "reckoned", size)


def _of_kafka(made: Plan, costs: Costs) -> Iterator[Need]:
    load, image = made.load, costs.encoders[made.load.encoder]
    event = 1000 if load.by_url else load.image_bytes + 1000
    events, verdicts = load.images * event, load.images * costs.verdict_bytes
    partitions = max(2 * made.processes, math.ceil(events / PARTITION_BYTES))
    yield Need("kafka", "partitions", partitions, "", "reckoned", "two for each process, so that one more can join")
    broker = _cores(load, costs.broker_ms * load.replicas)
    basis: Literal["measured", "reckoned"] = "measured" if load.images <= MOST_IMAGES else "reckoned"
    yield Need(
        "kafka", "cores of brokers", broker, "", basis,
        f"{load.images:,.0f} images/s x {costs.broker_ms:g} ms x {load.replicas} replicas, {load.use:.0%} busy",
    )  # fmt: skip
    disk = (events + verdicts) * load.hours * 3600 * load.replicas
    yield Need(
        "kafka", "disk", disk / GB, "GB", "reckoned", f"{load.hours:g} hours of events, {load.replicas} replicas"
    )
    to_kafka = (events + verdicts) * load.replicas * 8
    yield Need("network", "into brokers", to_kafka / GB, "Gbit/s", "reckoned", f"events and verdicts, {load.replicas}x")
    images = load.images * (load.image_bytes + event if load.by_url else event) * 8
    yield Need("network", "into services", images / GB, "Gbit/s", "reckoned", "events with images, or images fetched")
    if load.index != "memory" and not made.lite:
        milvus = load.images * image.queries * (2048 + 35 * 60) * 8
        yield Need(
            "network", "to Milvus", milvus / GB, "Gbit/s", "reckoned",
            "a vector of 512 values and 35 answers of 60 bytes for each query",
        )  # fmt: skip
