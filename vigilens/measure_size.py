"""Measures in seconds what one image takes on this machine: judges pictures that it draws, against a set of its own."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vigilens.sizing_costs import Costs, PerImage

if TYPE_CHECKING:
    from config.settings import Settings
    from embedding.image import Image
    from matcher.judge import Judge

KNOWN, NEW, ROUNDS = 8, 24, 3  # pictures in the set, pictures that are judged, how often
STEPS = KNOWN + NEW * ROUNDS
_ENCODERS = {"words", "pdq"}  # those with costs of their own; others are networks


def measured(settings: "Settings", encoder: str, costs: Costs, advance: Callable[[int], None]) -> Costs:
    """Return the costs with what an image takes here, under the encoder's name.

    One worker judges the pictures; of each stage the fastest round counts, because other programs may be running.

    Args:
        settings: name the encoder. Nothing is read from or written to their Milvus.
        encoder: its name.
        costs: what is not measured, as it was.
        advance: is called with the number of pictures that are done, `STEPS` in all.

    Raises:
        embedding.encoder.EncoderError: there is no such encoder, or it cannot be loaded.
    """
    from embedding.draw_sample import jpeg  # noqa: PLC0415 (Pillow)

    kind = encoder if encoder in _ENCODERS else "network"
    with tempfile.TemporaryDirectory(prefix="vigilens-size-") as folder:
        known = [Path(folder, f"{seed}.jpg") for seed in range(KNOWN)]
        for seed, file in enumerate(known):
            file.write_bytes(jpeg(seed))
        new = [jpeg(KNOWN + seed) for seed in range(NEW)]
        stages = _stages(_here(settings, Path(folder)), encoder, known, new, advance)
    image = PerImage(
        decode=stages["decode"],
        encode=stages["encode"],
        search=stages["search"],
        check=stages["check"],
        queries=costs.encoders[kind].queries,
        candidates=costs.encoders[kind].candidates,
    )
    return replace(
        costs,
        encoders={**costs.encoders, encoder: image},
        references={**costs.references, encoder: costs.references[kind]},
    )


def _here(settings: "Settings", folder: Path) -> "Settings":
    return settings.model_copy(
        update={
            "milvus": settings.milvus.model_copy(update={"uri": str(folder / "size.db")}),
            "batch": settings.batch.model_copy(update={"workers": 1}),
            "images": settings.images.model_copy(update={"recent_bytes": 0}),
            "sets": settings.sets.model_copy(update={"use": ()}),
        }
    )


def _stages(
    settings: "Settings", encoder: str, known: Sequence[Path], new: Sequence[bytes], advance: Callable[[int], None]
) -> dict[str, float]:
    """Return the milliseconds of each stage for one image."""
    from embedding.image import Image, Inline  # noqa: PLC0415 (late, as below: numpy, Milvus, the encoder)
    from reference_sets.add import gather  # noqa: PLC0415
    from reference_sets.defaults import new_set  # noqa: PLC0415
    from reference_sets.files import find  # noqa: PLC0415
    from reference_sets.opened import Limits  # noqa: PLC0415
    from vigilens import wiring  # noqa: PLC0415

    images = settings.images
    encoders = wiring.encoders(settings)
    loaded = encoders.get(encoder)
    with wiring.store(settings) as store, wiring.decoders(settings) as decoders:
        store.create(new_set(loaded, "size"))
        limits = Limits(images.max_bytes, images.max_pixels, images.reduce_jpegs)
        files = list(find(known, ""))
        gather(store, {"size": loaded}, files, decoders=decoders, limits=limits, progress=advance)
        in_force = wiring.sets_in_force(settings, store, encoders)
        in_force.read()
        with closing(wiring.judge(settings, encoders, store, in_force)) as judge:
            batch = [Image(str(number), str(number), Inline(data)) for number, data in enumerate(new)]
            rounds = [_round(judge, batch, advance) for _ in range(ROUNDS)]
    return {stage: round(min(each[stage] for each in rounds), 2) for stage in rounds[0]}


def _round(judge: "Judge", batch: "Sequence[Image]", advance: Callable[[int], None]) -> dict[str, float]:
    seconds = judge.judge(batch).seconds
    advance(len(batch))
    return {stage: 1000 * seconds.get(stage, 0.0) / len(batch) for stage in ("decode", "encode", "search", "check")}
