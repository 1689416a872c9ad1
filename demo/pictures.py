"""The demo's photographs, which are files in scikit-image's wheel, and the role of each.

Nothing is downloaded (scikit-image downloads its larger pictures on demand; those are not used). Only pictures whose
licence is named in scikit-image's own documentation are used: CC0, public domain, or "no known copyright restrictions".
No picture of a person stands for a known harmful one.
"""

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont


class DemoError(Exception):
    """The demo cannot go on; the message is one sentence that names the fix."""


class Role(StrEnum):
    """What a picture stands for in the demo."""

    KNOWN = "known"  # in the set of kind harmful from the start
    REPORTED = "reported"  # added to that set while the service runs
    CLEARED = "cleared"  # in the allow set; the harmful set has it with a stamp
    ARCHIVE = "archive"  # in the set of kind reference
    RELATIVE = "relative"  # one half of it is in the set of relatives; the other half, without a common pixel, comes in
    INNOCENT = "innocent"  # in no set


@dataclass(frozen=True, slots=True)
class Sample:
    """A photograph.

    Attributes:
        file: its name in the folder skimage/data.
        role: what it stands for.
        title: what it shows.
        licence: according to scikit-image's documentation.
        credit: its author or source.
    """

    file: str
    role: Role
    title: str
    licence: str
    credit: str

    @property
    def label(self) -> str:
        """Its name in the sets."""
        return self.file.rpartition(".")[0]

    @property
    def path(self) -> Path:
        """Its file."""
        return folder() / self.file


SAMPLES = (
    Sample("chelsea.png", Role.KNOWN, "a cat", "CC0", "Stefan van der Walt"),
    Sample("coffee.png", Role.KNOWN, "a cup of coffee", "CC0", "Rachel Michetti, Pikolo Espresso Bar"),
    Sample("rocket.jpg", Role.KNOWN, "a rocket at night", "public domain", "SpaceX"),
    Sample("coins.png", Role.KNOWN, "Greek coins", "no known copyright restrictions", "Brooklyn Museum"),
    Sample("horse.png", Role.REPORTED, "silhouette of a horse", "CC0", "Andreas Preuss, openclipart"),
    Sample("retina.jpg", Role.CLEARED, "the retina of an eye", "CC0 1.0", "Mikael Häggström, Wikimedia"),
    Sample("astronaut.png", Role.ARCHIVE, "the astronaut Eileen Collins", "public domain", "NASA"),
    Sample("hubble_deep_field.jpg", Role.ARCHIVE, "Hubble eXtreme Deep Field", "public domain", "NASA, HubbleSite"),
    Sample("camera.png", Role.INNOCENT, "a cameraman", "CC0", "Lav Varshney"),
    Sample("brick.png", Role.RELATIVE, "a brick wall", "CC0", "CC0Textures"),
    Sample("grass.png", Role.INNOCENT, "grass", "CC0", "linolafett, DeviantArt"),
    Sample("gravel.png", Role.INNOCENT, "gravel", "CC0", "CC0Textures"),
    Sample("ihc.png", Role.INNOCENT, "stained tissue", "no known copyright restrictions", "CMMI"),
    Sample("cell.png", Role.INNOCENT, "a cell in saline", "CC0", "Paul Müller and others"),
    Sample("text.png", Role.INNOCENT, "handwritten formulas", "public domain", "Wikipedia"),
    Sample(
        "clock_motion.png", Role.INNOCENT, "a wall clock, blurred by motion", "public domain", "Stefan van der Walt"
    ),
)


def folder() -> Path:
    """Returns the folder in scikit-image's wheel with the photographs; scikit-image itself is not imported.

    Raises:
        DemoError: when scikit-image is not installed.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DemoError("The demo's photographs come with scikit-image: pip install 'vigilens[demo]'")
    return Path(spec.origin).with_name("data")


def of(*roles: Role) -> tuple[Sample, ...]:
    """Returns the samples with one of these roles."""
    return tuple(each for each in SAMPLES if each.role in roles)


def load(sample: Sample) -> Image.Image:
    """Returns the photograph in RGB; transparent parts become white."""
    with Image.open(sample.path) as picture:
        if picture.mode != "RGBA":
            return picture.convert("RGB")
        page = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(page, picture).convert("RGB")


def half(picture: Image.Image, *, left: bool) -> Image.Image:
    """Returns the left or the right half of a picture."""
    middle = picture.width // 2
    return picture.crop((0, 0, middle, picture.height) if left else (middle, 0, picture.width, picture.height))


def stamped(picture: Image.Image) -> Image.Image:
    """Returns the picture with a stamp of a tenth of its width in the upper left."""
    made, side = picture.copy(), picture.width // 10
    draw = ImageDraw.Draw(made)
    draw.rectangle((side, side, 2 * side, 2 * side), fill="black", outline="white", width=max(1, side // 12))
    draw.text((1.5 * side, 1.5 * side), "X", fill="yellow", font=ImageFont.load_default(0.8 * side), anchor="mm")
    return made
