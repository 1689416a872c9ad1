"""Where the time of an image goes, as a picture: `python -m benchmarks.profile [--plot docs/performance.png]`.

A judge with one worker judges JPEGs of 640x480 against a set of 1,000 references in Milvus Lite, and times its stages.
The parts of encoding are each kind of operator's share by torch's profiler, for ViT-B-32, and the time of the corners
alone, for `words`. Milliseconds of processor time per image; Kafka's part is in `benchmarks.service`. The last line is
JSON.
"""

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import psutil

from benchmarks.jpegs import endless, jpegs
from benchmarks.machine import machine, sentence
from benchmarks.stream import NETWORK, NO_BROKER, WORDS, Stream
from embedding.decode.decoder import decode
from embedding.encoder import Encoder
from embedding.image import Image, Inline
from embedding.picture import Picture
from embedding.prepare import prepare
from matcher.judge import Judge
from vectors.lite_server import LiteServer
from vigilens import wiring

NAMES = {NETWORK: "ViT-B-32", WORDS: "words, with check"}
BATCH = 64
# Kinds of torch's operators by their names; all others are the rest of encoding.
KINDS = {
    "resize": re.compile(r"upsample"),
    "matrix products": re.compile(r"linear|addmm|aten::mm\b|convolution|mkldnn_rnn"),
    "attention": re.compile(r"attention|softmax|bmm"),
    "norm": re.compile(r"layer_norm"),
}
_REST = "rest of encoding"
LEAST_MS = 0.02  # parts that take less are left out

Parts = dict[str, float]  # name → milliseconds per image


def stages(judge: Judge, files: Sequence[bytes], server: psutil.Process) -> Parts:
    """Milliseconds per image of each stage, of Milvus' process, and of the rest of this process."""
    images = [Image(str(number), str(number), Inline(data)) for number, data in enumerate(files)]
    judged = judge.judge(images[:BATCH])
    seconds = dict.fromkeys(judged.seconds, 0.0)
    begun, own, theirs = time.perf_counter(), _own_cpu(server), sum(server.cpu_times()[:2])
    for start in range(BATCH, len(images), BATCH):
        judged = judge.judge(images[start : start + BATCH])
        seconds = {stage: value + judged.seconds[stage] for stage, value in seconds.items()}
    wall, own = time.perf_counter() - begun, _own_cpu(server) - own
    # The stages are wall times, which include waiting for a core that other programs use.
    running = min(1.0, own / (wall - seconds.pop("search")))
    milliseconds = 1000 / (len(images) - BATCH)
    parts = {stage: value * running * milliseconds for stage, value in seconds.items()}
    rest = own * milliseconds - sum(parts.values())
    parts["search (Milvus Lite)"] = (sum(server.cpu_times()[:2]) - theirs) * milliseconds
    parts["check"] = parts.pop("check")
    return parts | {"search (client) and verdict": max(0.0, rest)}


def _own_cpu(server: psutil.Process) -> float:
    """Processor seconds of this process and its decoder processes."""
    others = [each for each in psutil.Process().children(recursive=True) if each.pid != server.pid]
    return time.process_time() + sum(sum(each.cpu_times()[:2]) for each in others)


def shares(encode: Callable[[], object]) -> dict[str, float]:
    """Each kind of operator's share of the time of `encode()`."""
    from torch.profiler import ProfilerActivity, profile  # noqa: PLC0415 (slow; only used here)

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        begun = time.perf_counter()
        encode()
        total = 1e6 * (time.perf_counter() - begun)
    spent = dict.fromkeys(KINDS, 0.0)
    for each in profiler.key_averages():
        kind = next((kind for kind, names in KINDS.items() if names.search(each.key)), None)
        if kind:
            spent[kind] += each.self_cpu_time_total
    return {kind: value / total for kind, value in spent.items()}


def parts_of_encoding(encoder: Encoder, files: Sequence[bytes], milliseconds: float) -> Parts:
    """The parts of one image's encoding, which takes `milliseconds`."""
    decoded = [decode(data, 10_000_000, encoder.needs.least_side) for data in files]
    pictures = [each for each in decoded if isinstance(each, Picture)]
    prepared = [prepare(each.pixels, each.size, encoder.needs) for each in pictures]

    def encode() -> None:
        for start in range(0, len(prepared), encoder.batch_size):
            encoder.encode(prepared[start : start + encoder.batch_size])

    encode()
    if encoder.name == "words":
        return {"vector": milliseconds}
    parts = {kind: share * milliseconds for kind, share in shares(encode).items()}
    return parts | {_REST: milliseconds - sum(parts.values())}


def parts_of_decoding(encoder: Encoder, files: Sequence[bytes], milliseconds: float) -> Parts:
    """The parts of one image's decoding in its process, which takes `milliseconds` with the way there and back."""
    if not encoder.needs.keypoints:
        return {"decode": milliseconds}
    pixels = [each.pixels for data in files if isinstance(each := decode(data, 10_000_000), Picture)]
    corners = _cpu(lambda: [prepare(each, each.shape[:2], encoder.needs) for each in pixels])
    corners = min(milliseconds, 1000 * corners / max(1, len(pixels)))
    return {"decode": milliseconds - corners, "corners": corners}


def _cpu(work: Callable[[], object]) -> float:
    """Processor seconds of this thread, the minimum of three runs."""
    times = []
    for _ in range(3):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return min(times)


def measure(folder: Path, count: int) -> dict[str, Parts]:
    """Parts by encoder, in the order in which an image passes through them."""
    found: dict[str, Parts] = {}
    drawn = jpegs(32, 640, 480)
    with LiteServer(folder / "sets.db") as server:
        stream = Stream(NO_BROKER, server.uri, folder)
        for name, shown in NAMES.items():
            judge, settings = stream.judge(name)
            files = list(islice(endless(drawn), BATCH + count))
            parts = stages(judge, files, psutil.Process(server.pid))
            judge.close()
            encoder = wiring.encoders(settings).get(name)
            encoding = parts_of_encoding(encoder, drawn, parts.pop("encode"))
            decoding = parts_of_decoding(encoder, drawn, parts.pop("decode"))
            in_order = {"fetch": parts.pop("fetch"), **decoding, **encoding, **parts}
            found[shown] = {part: value for part, value in in_order.items() if value >= LEAST_MS}
            print(f"{shown}: {sum(in_order.values()):.2f} ms per image", flush=True)
    return found


def plot(path: Path, found: dict[str, Parts]) -> None:
    """Draw a bar for each encoder, with its parts one after the other."""
    from matplotlib import colormaps  # noqa: PLC0415 (takes half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415 (as above)

    names = list(dict.fromkeys(part for parts in found.values() for part in parts))
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    for line, parts in enumerate(found.values()):
        at = 0.0
        for part, value in parts.items():
            axes.barh(line, value, 0.6, left=at, color=colormaps["tab20"](names.index(part)), label=part)
            if value > 0.04 * axes.get_xlim()[1]:
                axes.text(at + value / 2, line, f"{value:.1f}", ha="center", va="center", fontsize=8)
            at += value
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)  # the first on top
    axes.set_xlabel("processor ms per JPEG of 640x480")
    labels = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=512, help="images to judge with each encoder (%(default)s)")
    parser.add_argument(
        "--plot", type=Path, default=Path("docs/performance.png"), help="file of the plot (%(default)s)"
    )
    options = parser.parse_args()
    # One thread for everything, so that a stage's time is processor time. Set before torch and numpy are loaded.
    os.environ.update({"VIGILENS_BATCH__WORKERS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    os.environ["KINETO_LOG_LEVEL"] = "99"  # otherwise the profiler logs its start, its end, and that there is no GPU
    print(sentence(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.images)
    plot(options.plot, found)
    for shown, parts in found.items():
        print(f"\n| {shown} | ms |\n|---|---|")
        for part, value in parts.items():
            print(f"| {part} | {value:.2f} |")
    print(json.dumps({"machine": machine(), "ms_per_image": found}))


if __name__ == "__main__":
    main()
