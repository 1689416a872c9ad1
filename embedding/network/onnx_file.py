"""An ONNX file → its digest and a session of ONNX Runtime. The file is not trusted to stay in its folder.

The packages `onnx` (reads the file, for the digest) and `onnxruntime` (computes it) are the extra `onnx`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedding.encoder import EncoderError
from embedding.network.weights import sha256

_MISSING = (
    "encoders of kind onnx need packages of their own: pip install 'vigilens[onnx]', or on a machine with a GPU "
    "pip install onnx onnxruntime-gpu"
)
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_NUMBERS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the network.

    Attributes:
        name: in the file.
        shape: a length for each axis; None where it is not fixed.
        type: numpy's name of its numeric type; ONNX Runtime's own if pictures cannot have it.
    """

    name: str
    shape: tuple[int | None, ...]
    type: str

    def __str__(self) -> str:
        """For people: `image (n x 3 x 224 x 224)`."""
        return f"{self.name} ({' x '.join('n' if side is None else str(side) for side in self.shape)})"


def digest(checkpoint: Path) -> str:
    """SHA-256 of the file and of the files beside it that hold its weights, in hexadecimal.

    Raises:
        EncoderError: it cannot be read, or it names a file outside its folder.
    """
    if not checkpoint.is_file():
        raise EncoderError(f"there is no ONNX file at {checkpoint}: set checkpoint to one")
    own = sha256(checkpoint)
    others = sorted(_locations(checkpoint))
    if not others:
        return own
    parts = [own, *(f"{location}={sha256(_inside(checkpoint, location))}" for location in others)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def session(checkpoint: Path, device: str) -> tuple[Any, str]:
    """A session of ONNX Runtime that several threads may use, and the device it computes on: "cpu" or "cuda".

    Args:
        checkpoint: the file, after `digest` has accepted it.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".

    Raises:
        EncoderError: it cannot be computed here.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
    except ImportError:
        raise EncoderError(_MISSING) from None
    options = onnxruntime.SessionOptions()
    # Workers are threads, one per core, and each calls the session. Threads of its own would compete with them.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they are raised too
    gpu = device != "cpu" and _CUDA in onnxruntime.get_available_providers()
    try:
        opened = onnxruntime.InferenceSession(checkpoint, options, providers=[_CUDA, _CPU] if gpu else [_CPU])
    except Exception as error:  # noqa: BLE001 (its errors have no class in common)
        raise EncoderError(
            f"ONNX Runtime cannot compute {checkpoint} ({_first_line(error)}): export the model again"
        ) from None
    on_gpu = _CUDA in opened.get_providers()  # without CUDA's libraries it silently leaves the GPU out
    if device == "cuda" and not on_gpu:
        raise EncoderError(
            'device is "cuda", but ONNX Runtime finds no GPU: pip install onnxruntime-gpu in place of onnxruntime, or '
            'set it to "auto" or "cpu"'
        )
    return opened, "cuda" if on_gpu else "cpu"


def ports(found: Any) -> list[Port]:
    """The inputs, or the outputs, that a session has."""
    return [
        Port(
            each.name,
            tuple(side if isinstance(side, int) and side > 0 else None for side in each.shape),
            _NUMBERS.get(each.type, each.type),
        )
        for each in found
    ]


def chosen(checkpoint: Path, what: str, there: list[Port], wanted: str) -> Port:
    """The input or output of this name, or the only one if no name is given.

    Raises:
        EncoderError: there is none of this name, or several and no name; the sentence lists them with their shapes.
    """
    found = [port for port in there if port.name == wanted] if wanted else there
    if len(found) == 1:
        return found[0]
    has = ", ".join(str(port) for port in there)
    which = f"no {what} {wanted!r}" if wanted else f"{len(there)} {what}s"
    raise EncoderError(f"{checkpoint} has {which}: set {what} to one of {has}")


def _locations(checkpoint: Path) -> set[str]:
    """Names of the other files that hold weights, as the file gives them."""
    try:
        import onnx  # noqa: PLC0415 (an extra)
        from google.protobuf.message import DecodeError  # noqa: PLC0415 (comes with it)
    except ImportError:
        raise EncoderError(_MISSING) from None
    try:
        model = onnx.load(checkpoint, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise EncoderError(
            f"{checkpoint} cannot be read as ONNX ({type(error).__name__}): use an undamaged file"
        ) from None
    return {
        entry.value
        for tensor in _tensors(model, onnx.TensorProto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """All tensors below a message of the file, wherever they are: weights, constants, subgraphs, functions."""
    if isinstance(message, kind):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                yield from _tensors(each, kind)


def _inside(checkpoint: Path, location: str) -> Path:
    """The path of a file with weights, which must lie in the model's folder: the file could name any other one."""
    folder = checkpoint.parent.resolve()
    path = (folder / location).resolve()
    if Path(location).is_absolute() or not path.is_relative_to(folder):
        raise EncoderError(
            f"{checkpoint} names weights outside its folder ({location}): put both files into one folder, not links to "
            "them, and export the model again if it names a path"
        )
    if not path.is_file():
        raise EncoderError(f"{checkpoint} needs the file {location} with its weights: put it into the same folder")
    return path


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
