"""Makes the demo's events: which picture, with which edit and wire format, in an order set by a seed."""

import base64
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from random import Random

from cloudevents.core.bindings.kafka import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from PIL import Image, ImageOps

from demo.bad_inputs import BadInput, bad_inputs
from demo.edits import BY_NAME, EDITS, LIGHT, OTHER_HALF, OTHERS
from demo.pictures import Role, Sample, load, of
from embedding.image import Reason
from harness.edits import Edit

LONGEST = 640  # pixels of the longer side of a picture in the stream
FEWEST = 44  # events; with fewer, some edit or role would not occur
# Shares of the stream; the rest are edits of known pictures.
CLEARED, ARCHIVE, RELATIVE, INNOCENT = 0.06, 0.08, 0.03, 0.2


class Wire(StrEnum):
    """How a record carries an image."""

    BYTES = "bytes"
    JSON_DATA = "JSON, base64"
    JSON_PATH = "JSON, path"
    STRUCTURED = "CloudEvent, structured"
    BINARY = "CloudEvent, binary"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event of the stream, and the truth about it, which the service does not know.

    Attributes:
        number: 1, 2, … in the order of sending.
        sample: the photograph; None for a bad value.
        edit: what was done to it, or what is wrong with the value.
        wire: how the record carries it; None for a bad value.
        value, headers: value and headers of the record; its key is `image-` and the number.
        picture: the image's bytes, for the report; None for a bad value.
        reason: the reason that the verdict on a bad value should give.
    """

    number: int
    sample: Sample | None
    edit: str
    wire: Wire | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    picture: bytes | None = None
    reason: Reason | None = None

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"image-{self.number:04d}".encode()


def stream(first_number: int, count: int, seed: int, inbox: Path) -> Iterator[Incoming]:
    """Yields the events between the two times when the reported picture is sent.

    Args:
        first_number: number of the first event.
        count: number of events, at least FEWEST.
        seed: seed of all random choices.
        inbox: folder for the pictures that events name by path.
    """
    rng = Random(seed)
    bad = bad_inputs(_encoded(load(of(Role.INNOCENT)[0]), "JPEG", rng))
    places: list[BadInput | tuple[Sample, Edit]] = [*bad, *_chosen(count - len(bad))]
    rng.shuffle(places)
    for number, place in enumerate(places, first_number):
        if isinstance(place, BadInput):
            yield Incoming(number, None, place.name, None, place.value, reason=place.reason)
        else:
            yield _incoming(number, *place, rng, inbox)


def reported(first_number: int, seed: int, inbox: Path) -> tuple[Incoming, ...]:
    """Returns events with the picture that is reported while the service runs, after three light edits.

    Any encoder should find it despite these.
    """
    rng = Random(seed)
    (sample,) = of(Role.REPORTED)
    edits = (BY_NAME["plain copy"], BY_NAME["recompressed"], BY_NAME["resized"])
    return tuple(_incoming(first_number + n, sample, edit, rng, inbox) for n, edit in enumerate(edits))


def _chosen(count: int) -> Iterator[tuple[Sample, Edit]]:
    """Yields `count` pairs of photograph and edit. Edits take turns, and so do the photographs of each role."""
    shares: tuple[tuple[Role, float, Sequence[Edit]], ...] = (
        (Role.CLEARED, CLEARED, LIGHT),
        (Role.ARCHIVE, ARCHIVE, LIGHT),
        (Role.RELATIVE, RELATIVE, [OTHER_HALF]),
        (Role.INNOCENT, INNOCENT, LIGHT),
    )
    left = count
    for role, share, edits in shares:
        amount = round(count * share)
        left -= amount
        yield from _in_turn(of(role), edits, amount)
    yield from _in_turn(of(Role.KNOWN), EDITS, left)


def _in_turn(samples: Sequence[Sample], edits: Sequence[Edit], amount: int) -> Iterator[tuple[Sample, Edit]]:
    for n in range(amount):
        # The second term grows by one after each round of edits, so that every edit meets every photograph.
        yield samples[(n + n // len(edits)) % len(samples)], edits[n % len(edits)]


def _incoming(number: int, sample: Sample, edit: Edit, rng: Random, inbox: Path) -> Incoming:
    others = map(_original, rng.sample(of(Role.INNOCENT), OTHERS))  # in no set
    edited = edit.apply(_original(sample), rng.getrandbits(32), *others)
    form = rng.choice(("JPEG", "JPEG", "PNG", "WEBP"))
    picture = _encoded(edited, form, rng)
    wire = rng.choice(tuple(Wire))
    attributes = {"channel": "demo", "uploader": f"user-{rng.randint(1, 40)}"}
    value, headers = _wrapped(picture, form, wire, attributes, inbox / f"image-{number:04d}.{form.lower()}")
    return Incoming(number, sample, edit.name, wire, value, headers, picture)


@functools.cache
def _original(sample: Sample) -> Image.Image:
    """Returns the photograph in the size of the stream. Edits do not modify it."""
    return ImageOps.contain(load(sample), (LONGEST, LONGEST))


def _encoded(picture: Image.Image, form: str, rng: Random) -> bytes:
    file = BytesIO()
    picture.save(file, form, **({} if form == "PNG" else {"quality": rng.randint(75, 92)}))
    return file.getvalue()


def _wrapped(
    picture: bytes, form: str, wire: Wire, attributes: dict[str, str], file: Path
) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """Returns value and headers of the record. The picture is written to `file` if the event gives a path."""
    name = file.stem
    match wire:
        case Wire.BYTES:
            return picture, ()
        case Wire.JSON_DATA:
            return _json(id=name, data=base64.b64encode(picture).decode(), attributes=attributes), ()
        case Wire.JSON_PATH:
            file.write_bytes(picture)
            return _json(id=name, path=str(file), attributes=attributes), ()
    event = CloudEvent(
        {
            "id": name,
            "source": "/vigilens/demo",
            "type": "dev.vigilens.demo.image",
            "subject": name,
            "datacontenttype": f"image/{form.lower()}",
            **attributes,
        },
        picture,
    )
    message = (to_structured if wire is Wire.STRUCTURED else to_binary)(event, JSONFormat())
    return message.value, tuple(message.headers.items())


def _json(**content: object) -> bytes:
    return json.dumps(content).encode()
