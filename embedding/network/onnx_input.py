"""What the network in an ONNX file expects of a picture, as settings or a JSON file say it.

An ONNX file says which shape it takes, and sometimes not even that. It never says how pictures were prepared in
training, so somebody who knows the model has to.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from embedding.encoder import EncoderError
from embedding.network.preprocess import (
    FILTERS,
    LONGEST_ASPECT,
    REDUCED_TO,
    SHORTEST_ASPECT,
    Preparation,
    by_shorter,
    keeping_ratio,
)
from embedding.picture import Size

Three = tuple[float, float, float]
Side = Annotated[int, Field(ge=1, le=4096)]
Layout = Literal["NCHW", "NHWC"]
Level = Annotated[int, Field(ge=0, le=255)]

_MAX_BYTES = 1 << 16  # of a description: far more than one needs
EXAMPLE = '{"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "resize": "shorter"}'


class OnnxInput(BaseModel):
    """How pictures are prepared for the network, and which of its inputs and outputs are used. Frozen.

    What has no default cannot be guessed: with another value the vectors would be worse, and nothing would say so.

    Attributes:
        mean: of red, green and blue, which is subtracted from the values.
        std: what they are divided by afterwards.
        resize: "squash": to exactly `size`, whatever the proportions; "shorter": the shorter side to `resize_to`, then
            the middle of `size`; "pad": as large as it fits into `size`, in the middle, with `fill` around it.
        size: height and width that the network takes; one number: a square; None: as the file says.
        resize_to: for "shorter"; None: the longer side of `size`, so that no margin is cut from a square picture.
        interpolation: of the resize, which is always antialiased.
        fill: red, green and blue from 0 to 255, for "pad".
        scale: largest value before mean and std: 1 or 255.
        channels: order of the colours in the network's input; `mean` and `std` are in the order red, green, blue.
        layout: order of the input's axes; None: as the file says.
        input: name of the input; empty: the only one.
        output: name of the output; empty: the only one.
        pool: which vector to use of an output that has one for each token: "class", the first; "mean", their mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    mean: Three
    std: Three
    resize: Literal["squash", "shorter", "pad"]
    size: tuple[Side, Side] | None = None
    resize_to: Side | None = None
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fill: tuple[Level, Level, Level] = (0, 0, 0)
    scale: Literal[1, 255] = 1
    channels: Literal["RGB", "BGR"] = "RGB"
    layout: Layout | None = None
    input: str = ""
    output: str = ""
    pool: Literal["none", "class", "mean"] = "none"

    @model_validator(mode="before")
    @classmethod
    def _square(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("size"), int):
            return {**given, "size": (given["size"], given["size"])}
        return given

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        if self.resize_to is not None and self.resize != "shorter":
            raise ValueError('resize_to is for resize = "shorter": leave it out')
        return self

    def resolved(self, size: Size, layout: Layout, input_: str, output: str) -> Self:
        """The same with what the file says in place of what was left out."""
        to = self.resize_to or (max(size) if self.resize == "shorter" else None)
        return self.model_copy(
            update={"size": size, "layout": layout, "input": input_, "output": output, "resize_to": to}
        )

    def canonical(self) -> str:
        """For the fingerprint: a key that is left out is the same as its default, also of keys that come later."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)

    def preparation(self, size: Size) -> Preparation:
        """The resize to the network's height and width."""
        colours = [tuple(value / self.scale for value in values) for values in (self.mean, self.std)]
        known: dict[str, Any] = {"mean": colours[0], "std": colours[1], "filter": FILTERS[self.interpolation]}
        if self.resize == "squash":
            return Preparation(**known, least_side=REDUCED_TO * max(size), aspect=None, resized=lambda _: size)
        if self.resize == "pad":
            return Preparation(
                **known,
                least_side=REDUCED_TO * max(size),
                aspect=LONGEST_ASPECT,
                resized=lambda whole: keeping_ratio(whole, size, 1.0),
                crop=size,
                fill=self.fill,
            )
        shorter = self.resize_to or max(size)
        return Preparation(
            **known,
            least_side=REDUCED_TO * shorter,
            aspect=SHORTEST_ASPECT,
            resized=lambda whole: by_shorter(whole, shorter),
            crop=size,
            fill=self.fill,
        )


def input_of(model: Path, given: dict[str, Any] | None) -> OnnxInput:
    """The description of a model's input: the given values, else those of the JSON file beside the model.

    Args:
        model: the ONNX file; for model.onnx the description is model.json.
        given: keys of `OnnxInput`, from the settings; None or empty: none are given.

    Raises:
        EncoderError: there is no description, or it is wrong; one sentence that names the fix.
    """
    beside = model.with_suffix(".json")
    named = "the settings of this encoder" if given else str(beside)
    try:
        return OnnxInput.model_validate(given or _read(beside, model))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        unknown = f"there is no such key; the keys are {', '.join(OnnxInput.model_fields)}"
        what = unknown if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        what = what[0].lower() + what[1:]
        raise EncoderError(
            f"{named} does not describe the model's input ({f'{key}: ' if key else ''}{what}): write it like {EXAMPLE}"
        ) from None


def _read(file: Path, model: Path) -> Any:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise EncoderError(
            f"an ONNX file does not say how pictures are prepared: describe {model} in {file}, like {EXAMPLE}"
        ) from None
    except OSError as error:
        raise EncoderError(f"{file} cannot be read ({error.strerror}): correct its permissions") from None
    if len(content) > _MAX_BYTES:
        raise EncoderError(f"{file} is longer than {_MAX_BYTES} bytes: write only what {EXAMPLE} shows")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8, and brackets in brackets
        raise EncoderError(f"{file} is not JSON: write it like {EXAMPLE}") from None
    if not isinstance(found, dict):
        raise EncoderError(f"{file} is not a JSON object: write it like {EXAMPLE}")
    return found
