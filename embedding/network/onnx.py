"""Any image encoder that was exported to ONNX: SSCD, DINOv2, SigLIP, a model of your own. Nothing is downloaded.

ONNX Runtime computes it. Pictures are prepared as `OnnxInput` describes, with the same resize as for other networks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedding.encoder import Encoded, EncoderError, fingerprint
from embedding.network.onnx_file import Port, chosen, digest, ports, session
from embedding.network.onnx_input import Layout, OnnxInput, input_of
from embedding.network.precision import same_vectors
from embedding.picture import Needs, Pixels, Prepared, Size
from embedding.probe import probe_picture

_VERSION = 1  # of this file's own steps between the file and the vector
_UNIT = 1e-3  # how far from 1 the length of a vector may be
_BATCH_SIZES = {"cpu": 8, "cuda": 64}  # pictures per call, as for other networks
_CHANNELS = 3


class Onnx:
    """The encoder "onnx". Safe to call from several threads: one session serves all, each call on its own thread.

    Pictures are computed one at a time if the vector of a picture depends on what else is in the batch, as with int8
    models whose ranges are computed from the batch.

    Args:
        checkpoint: the ONNX file; files with its weights lie in the same folder.
        described: keys of `OnnxInput`; None or empty: the JSON file beside the model has them.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the fix.
    """

    name = "onnx"
    min_batch_size = 1

    def __init__(self, checkpoint: Path, described: Mapping[str, Any] | None = None, *, device: str = "auto") -> None:
        torch.set_num_threads(1)  # for the resize: batches run in parallel, so each gets one thread
        weights = digest(checkpoint)
        self._file, self._input = checkpoint, input_of(checkpoint, dict(described or {}))
        self._session, on = session(checkpoint, device)
        self._in = chosen(checkpoint, "input", ports(self._session.get_inputs()), self._input.input)
        self._out = chosen(checkpoint, "output", ports(self._session.get_outputs()), self._input.output)
        self._refuse_other_inputs()
        layout = _layout(checkpoint, self._input, self._in)
        size = _size(checkpoint, self._input, self._in, layout)
        self._input = self._input.resolved(size, layout, self._in.name, self._out.name)
        self._type = _type(checkpoint, self._input, self._in)
        self._prepare = self._input.preparation(size)
        self.needs = Needs(pixels=True, least_side=self._prepare.least_side)
        fixed = self._in.shape[0]
        self.batch_size = fixed or _BATCH_SIZES[on]
        alone = self._tried()
        self.dimension: int = alone.shape[1]
        one_by_one = self.batch_size == 1 and not fixed
        self.backend = (
            f"{self._type} on the {'GPU' if on == 'cuda' else 'CPU'}, ONNX Runtime{', one by one' * one_by_one}"
        )
        self.fingerprint = fingerprint(
            self.name,
            {
                "weights": weights,
                "input": self._input.canonical(),
                "type": self._type,
                "dimension": self.dimension,
                "version": _VERSION,
            },
        )

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        """Vectors of n views, n ≥ 1, in their order. One whose vector is not of finite numbers is featureless."""
        pictures = [one.pixels for one in prepared if one.pixels is not None]
        found = self._vectors(pictures, [one.size for one in prepared])
        broken = ~(np.abs(np.linalg.norm(found, axis=1) - 1) < _UNIT)  # NaN is not within any distance of 1
        found[broken] = 0
        return Encoded(found, broken)

    def _vectors(self, pictures: Sequence[Pixels], sizes: Sequence[Size] | None = None) -> NDArray[np.float32]:
        """Unit vectors (n, dimension), or what cannot be made one: NaN."""
        sizes = sizes or [(pixels.shape[0], pixels.shape[1]) for pixels in pictures]
        parts = []
        for at in range(0, len(pictures), self.batch_size):
            some = slice(at, at + self.batch_size)
            parts.append(self._run(self._batch(pictures[some], sizes[some])))
        found = np.concatenate(parts)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            unit: NDArray[np.float32] = found / np.linalg.norm(found.astype(np.float64), axis=1, keepdims=True)
        return unit.astype(np.float32)

    def _batch(self, pictures: Sequence[Pixels], sizes: Sequence[Size]) -> NDArray[Any]:
        """The network's input for these pictures."""
        tensors = [self._prepare(pixels, size) for pixels, size in zip(pictures, sizes, strict=True)]
        batch = torch.stack(tensors).numpy()
        if self._type != "uint8":
            # In float32, whatever the network computes with: half precision would lose grey levels.
            mean, std = (np.array(each, np.float32)[:, None, None] for each in (self._prepare.mean, self._prepare.std))
            batch = (batch.astype(np.float32) / 255 - mean) / std
        if self._input.channels == "BGR":
            batch = batch[:, ::-1]
        if self._input.layout == "NHWC":
            batch = batch.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(batch, self._type)

    def _run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """The output (n, dimension) for an input of n pictures, at most as many as a fixed batch has."""
        number, fixed = len(batch), self._in.shape[0]
        if fixed and number < fixed:
            batch = np.concatenate([batch, np.repeat(batch[-1:], fixed - number, axis=0)])
        output = np.asarray(self._session.run([self._out.name], {self._in.name: batch})[0])
        return self._pooled(output, len(batch))[:number]

    def _pooled(self, output: NDArray[Any], number: int) -> NDArray[np.float32]:
        """(n, dimension) float32 of an output (n, d), (n, d, 1, 1) or, with `pool`, (n, tokens, d)."""
        shape, pool = output.shape, self._input.pool
        if not shape or shape[0] != number:
            raise EncoderError(
                f"{self._of()} gives {shape} for {number} pictures: choose an output with one row for each"
            )
        if not np.issubdtype(output.dtype, np.number):
            raise EncoderError(f"{self._of()} gives {output.dtype}, not numbers: choose another output")
        found = output.astype(np.float32)
        if pool != "none":
            if found.ndim != 3:  # noqa: PLR2004 (pictures, tokens, values)
                raise EncoderError(f'{self._of()} gives {shape}, which has no tokens: set pool to "none"')
            return np.asarray(found[:, 0] if pool == "class" else found.mean(axis=1))
        if int(np.prod(shape[1:])) != max(shape[1:], default=0):
            raise EncoderError(
                f'{self._of()} gives {shape}, not a vector: choose an output that is pooled, or set pool to "class" or '
                f'"mean" if it has one vector for each token'
            )
        return found.reshape(number, -1)

    def _tried(self) -> NDArray[np.float32]:
        """Vectors of pictures that are known, after the network has shown that it can be used."""
        probe = probe_picture()
        pictures = [probe, np.ascontiguousarray(probe[::-1]), 255 - probe]
        alone = np.concatenate([self._first(picture) for picture in pictures])
        if not np.isfinite(alone).all():
            raise EncoderError(f"{self._of()} gives vectors that are not finite numbers: export the model again")
        if np.array_equal(alone[0], alone[1]) and np.array_equal(alone[0], alone[2]):
            raise EncoderError(f"{self._of()} gives the same vector for every picture: choose another output")
        if self.batch_size > 1 and not self._same_together(pictures, alone):
            if self._in.shape[0]:
                raise EncoderError(
                    f"{self._of()} mixes the pictures of a batch: export the model for one picture at a time"
                )
            self.batch_size = 1
        return alone

    def _first(self, picture: Pixels) -> NDArray[np.float32]:
        try:
            return self._vectors([picture])
        except EncoderError:
            raise
        except Exception as error:  # noqa: BLE001 (ONNX Runtime's errors have no class in common)
            what = str(error).strip().partition("\n")[0][:200]
            raise EncoderError(
                f"{self._file} fails on a picture ({what}): correct size and layout, or export the model again"
            ) from None

    def _same_together(self, pictures: Sequence[Pixels], alone: NDArray[np.float32]) -> bool:
        try:
            return same_vectors(alone, self._vectors(pictures))
        except Exception:  # noqa: BLE001 (as above: some models can only compute one picture, whatever they declare)
            return False

    def _refuse_other_inputs(self) -> None:
        others = [port for port in ports(self._session.get_inputs()) if port.name != self._in.name]
        if others:
            has = ", ".join(str(port) for port in others)
            raise EncoderError(f"{self._file} needs {has} too: export the image tower alone")

    def _of(self) -> str:
        return f"the output {self._out.name} of {self._file}"


def _layout(file: Path, wanted: OnnxInput, port: Port) -> Layout:
    """NCHW or NHWC: as described, else as the file says."""
    if len(port.shape) != 4:  # noqa: PLR2004 (pictures, channels, height, width)
        raise EncoderError(f"the input {port} of {file} is no batch of pictures: set input to the one that is")
    channels: dict[Layout, int | None] = {"NCHW": port.shape[1], "NHWC": port.shape[3]}
    possible = [layout for layout, number in channels.items() if number in {None, _CHANNELS}]
    fixed = [layout for layout in possible if channels[layout] == _CHANNELS]
    layout = wanted.layout or (fixed[0] if fixed else "NCHW")
    if layout not in possible:
        fix = f"set layout to {possible[0]}" if possible else "use a model for colour pictures"
        raise EncoderError(f"the input {port} of {file} does not have 3 channels as {layout}: {fix}")
    return layout


def _size(file: Path, wanted: OnnxInput, port: Port, layout: str) -> Size:
    """Height and width of the network's input."""
    height, width = port.shape[2:] if layout == "NCHW" else port.shape[1:3]
    if wanted.size is None:
        if height is None or width is None:
            raise EncoderError(f"{file} takes pictures of any size: set size to the one that it was trained with")
        return height, width
    for fixed, given in zip((height, width), wanted.size, strict=True):
        if fixed not in {None, given}:
            raise EncoderError(
                f"the input {port} of {file} is not {wanted.size[0]} x {wanted.size[1]}: leave size out, or export the "
                "model with that size"
            )
    return wanted.size


def _type(file: Path, wanted: OnnxInput, port: Port) -> str:
    if port.type not in {"float32", "float16", "uint8"}:
        raise EncoderError(f"the input {port.name} of {file} is {port.type}: export the model with floats or uint8")
    neutral = (wanted.mean, wanted.std, wanted.scale) == ((0, 0, 0), (1, 1, 1), 255)
    if port.type == "uint8" and not neutral:
        raise EncoderError(
            f"the input {port.name} of {file} takes bytes, so it normalises them itself: set mean to 0, std to 1 and "
            "scale to 255"
        )
    return port.type
