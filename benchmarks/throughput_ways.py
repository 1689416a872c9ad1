"""The ways that `throughput` compares, each with its pictures and its threads in a separate process.

naive   one picture after the other, as in OpenCLIP's README
loader  like clip-retrieval's clip_inference: a DataLoader whose workers read and prepare, while the model runs
ours    the service's `Embedder` on its `Workers`; decode and embed measure its two parts alone
"""

import io
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from benchmarks.jpegs import endless
from benchmarks.processes import answer
from benchmarks.weights import MODEL
from embedding.choose import Configured
from embedding.encoders import Encoders
from embedding.fetch.fetcher import Fetcher, FetchRules
from embedding.image import Image, Inline
from embedding.picture import Looked, Prepared, Wanted
from embedding.processes.decoders import Decoders
from matcher.demand import Demand
from matcher.embed import Clock, Embedded, Embedder
from matcher.workers import Workers

MAX_BYTES, MAX_PIXELS, RECENT_BYTES = 32 << 20, 64_000_000, 24 << 20
LOADED = 32  # pictures of a batch of the loader, as usual for clip-retrieval on a CPU
DECODED = 8 << 20  # pixels to decode before `embed` is measured, at most; they are used again for all pictures


def serve(pipe: Connection, kind: str, weights: Path) -> None:
    """The process of "theirs", "openclip" or "words": sends its way of computing, then answers (way, files)."""
    if kind == "theirs":
        theirs = Theirs()
        pipe.send(f"float32, {theirs.threads} threads")
        answer(pipe, {"naive": theirs.naive, "loader": theirs.loader})
    else:
        ours = Ours(configured(kind, weights))
        pipe.send(f"{ours.encoder.backend}, {ours.workers.threads} workers")
        answer(pipe, {"ours": ours.both, "decode": ours.decode, "embed": ours.embed})
        ours.workers.close()


def configured(name: str, weights: Path) -> Configured:
    """The service's encoder "words", or "openclip" with ViT-B-32."""
    return Configured("words") if name == "words" else Configured("openclip", model=MODEL, checkpoint=str(weights))


class Theirs:
    """OpenCLIP's model and transform unchanged, in float32, with torch's default number of threads."""

    def __init__(self) -> None:
        import open_clip  # noqa: PLC0415 (takes 2 s; only this process needs it)
        import torch  # noqa: PLC0415 (as above)

        self._torch = torch
        self.threads = torch.get_num_threads()
        self._model, _, self._prepare = open_clip.create_model_and_transforms(MODEL, load_weights=False)
        self._model.eval()

    def naive(self, files: Sequence[bytes]) -> float:
        """Pictures per second, one by one."""
        begun = time.perf_counter()
        with self._torch.inference_mode():
            for data in files:
                self._model.encode_image(self._prepare(Pillow.open(io.BytesIO(data))).unsqueeze(0))
        return len(files) / (time.perf_counter() - begun)

    def loader(self, files: Sequence[bytes]) -> float:
        """Pictures per second of a second pass, when the workers have already started."""
        pictures: Any = _Prepared(files, self._prepare)  # a DataLoader only needs len() and [number]
        loader: Any = self._torch.utils.data.DataLoader(
            pictures,
            batch_size=LOADED,
            num_workers=len(os.sched_getaffinity(0)),
            prefetch_factor=2,
            persistent_workers=True,
            # The default on Linux. This process was spawned, and spawned workers would import torch.
            multiprocessing_context="fork",
        )
        for _ in loader:
            break  # the workers have started
        begun = time.perf_counter()
        with self._torch.inference_mode():
            for batch in loader:
                vectors = self._model.encode_image(batch)
                vectors /= vectors.norm(dim=-1, keepdim=True)
                vectors.to(self._torch.float16).numpy()
        return len(files) / (time.perf_counter() - begun)


class _Prepared:
    """A dataset for torch: pictures prepared for the model."""

    def __init__(self, files: Sequence[bytes], prepare: Callable[[Pillow.Image], Any]) -> None:
        self._files = files
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> Any:
        return self._prepare(Pillow.open(io.BytesIO(self._files[number])))


class Ours:
    """The service's parts, as its judge uses them: some pictures at a time, on a worker for each core."""

    def __init__(self, configured: Configured) -> None:
        encoders = Encoders({"measured": configured}, "measured")
        self.encoder = encoders.get()
        self.workers = Workers()
        rules = FetchRules(MAX_BYTES, (), (), allow_http=False, timeout_s=1)
        self._decoders = Decoders(self.workers.threads)
        self._embedder = Embedder(
            encoders,
            Fetcher(rules),
            self._decoders,
            max_pixels=MAX_PIXELS,
            max_views=12,
            reduce=True,
            recent_bytes=RECENT_BYTES,
        )
        self._demand = Demand(frozenset({self.encoder.fingerprint}), keypoints=self.encoder.name == "words")
        self._wanted = Wanted(self.encoder.needs, MAX_PIXELS, 12)

    def both(self, files: Sequence[bytes]) -> float:
        """Pictures per second, from bytes to vectors; all digests differ."""
        images = [Image(str(number), "", Inline(data)) for number, data in enumerate(files)]
        embedded: list[list[Embedded]] = []
        embed = partial(self._embedder.embed, demand=self._demand, clock=Clock())
        seconds = self._timed(lambda part: embedded.append(embed(part)), images)
        if wrong := [one.problem for part in embedded for one in part if not one.looks or one.duplicate]:
            raise SystemExit(f"{len(wrong)} of {len(images)} pictures were not embedded: {wrong[0]}")
        return len(files) / seconds

    def decode(self, files: Sequence[bytes]) -> float:
        """Pictures per second, from bytes to what the encoder needs of them, in processes of their own."""
        return len(files) / self._timed(self._decode, files)

    def embed(self, files: Sequence[bytes]) -> float:
        """Pictures per second, from what the encoder needs to vectors."""
        few: list[Prepared] = []
        for data in files:
            few.append(self._decoded(data))
            if sum(0 if each.pixels is None else each.pixels.size // 3 for each in few) > DECODED:
                break
        pictures = [few[number % len(few)] for number in range(len(files))]
        return len(files) / self._timed(self._encode, pictures)

    def _encode(self, part: Sequence[Prepared]) -> None:
        self.encoder.encode(part)

    def _decode(self, part: Sequence[bytes]) -> None:
        for data in part:
            self._decoded(data)  # not kept: memory for all pictures would cost more time than decoding them

    def _decoded(self, data: bytes) -> Prepared:
        found = self._decoders.look_into(data, self._wanted)
        if not isinstance(found, Looked):
            raise SystemExit(f"a picture of the benchmark cannot be decoded: {found.detail}")
        return found.views[0].own

    def _timed(self, work: Callable[[Any], Any], items: Sequence[Any]) -> float:
        """Seconds for all items, in parts on the workers."""
        size = self.encoder.batch_size
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        begun = time.perf_counter()
        self.workers.spread(0, work, parts)
        return time.perf_counter() - begun


def soak(pipe: Connection, kind: str, weights: Path, files: Sequence[bytes], count: int) -> None:
    """Decode and embed `count` pictures; sends (pictures, bytes of memory) after 1,000, then ten more times.

    Memory goes up and down, so it is the median of four readings in the last 1,000 pictures.
    """
    import psutil  # noqa: PLC0415 (needed here only)

    ours, stream, done = Ours(configured(kind, weights)), endless(files), 0
    marks = np.linspace(1000, count, 11).round().astype(int).tolist()
    readings: deque[int] = deque(maxlen=4)
    for mark in marks:
        while done < mark:
            part = list(islice(stream, min(250, mark - done)))
            ours.both(part)
            done += len(part)
            readings.append(psutil.Process().memory_info().rss)
        pipe.send((done, round(statistics.median(readings))))
