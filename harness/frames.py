"""Edits that put the picture into another one, or another one over it: captions, margins, screenshots, collages.

All of them take the picture, a random generator, and other pictures; `harness.edits` uses them.
"""

from random import Random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from harness.changes import Change, Picture, Range, any_colour

_GREY, _LIGHT = (128, 134, 143), (226, 229, 234)


def captioned(picture: Picture, rng: Random, *_: Picture) -> Picture:
    """White bars with words above and below, as in memes."""
    width, height = picture.size
    bar = round(height * rng.uniform(0.14, 0.2))
    page = Image.new("RGB", (width, height + 2 * bar), "white")
    page.paste(picture, (0, bar))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(min(bar * 0.6, width * 0.07))
    above, below = rng.choice((("WHEN YOU SEE IT", "..."), ("NOBODY", "MY WEEKEND"), ("BEFORE", "AND AFTER")))
    draw.text((width / 2, bar / 2), above, "black", font, anchor="mm")
    draw.text((width / 2, height + 1.5 * bar), below, "black", font, anchor="mm")
    return page


def padded(margins: Range) -> Change:
    """A margin of one colour; each side's width is another share of the longest side."""

    def pad(picture: Picture, rng: Random, *_: Picture) -> Picture:
        left, top, right, bottom = (round(max(picture.size) * rng.uniform(*margins)) for _side in range(4))
        page = Image.new("RGB", (left + picture.width + right, top + picture.height + bottom), any_colour(rng))
        page.paste(picture, (left, top))
        return page

    return pad


def pasted_in(area: Range, page: tuple[int, int]) -> Change:
    """The picture on a share of another picture, which has the size `page`."""

    def paste(picture: Picture, rng: Random, other: Picture, *_: Picture) -> Picture:
        below = other.resize(page, Image.Resampling.BICUBIC)
        inset = of_area(picture, rng.uniform(*area) * page[0] * page[1], (page[0] - 20, page[1] - 20))
        below.paste(inset, (rng.randint(0, page[0] - inset.width), rng.randint(0, page[1] - inset.height)))
        return below

    return paste


def sticker(area: Range) -> Change:
    """Another picture pasted over a share of its area from the range."""

    def stick(picture: Picture, rng: Random, other: Picture, *_: Picture) -> Picture:
        page = picture.copy()
        inset = of_area(other, rng.uniform(*area) * page.width * page.height, page.size)
        page.paste(inset, (rng.randint(0, page.width - inset.width), rng.randint(0, page.height - inset.height)))
        return page

    return stick


def screenshot(picture: Picture, rng: Random, *_: Picture) -> Picture:
    """A post in an app on a phone: status line, name, the picture, buttons, comments."""
    width = 540
    picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (width, picture.height + 400), "white")
    draw = ImageDraw.Draw(page)
    small, large = ImageFont.load_default(18), ImageFont.load_default(22)
    draw.text((24, 12), f"{rng.randint(8, 22)}:{rng.randint(10, 59)}", "black", large)
    draw.rounded_rectangle((476, 14, 516, 34), 5, outline="black", width=2)
    draw.rectangle((480, 18, 480 + rng.randint(8, 32), 30), fill="black")
    draw.ellipse((20, 64, 68, 112), fill=rng.choice(((110, 160, 220), (220, 140, 110), (140, 190, 130))))
    draw.text((82, 66), rng.choice(("sunny_side", "the.neighbour", "no_name_42")), "black", large)
    draw.text((82, 92), f"{rng.randint(2, 59)} minutes ago", _GREY, small)
    page.paste(picture, (0, 130))
    bottom = 130 + picture.height
    for column in range(3):
        draw.ellipse((20 + 52 * column, bottom + 16, 52 + 52 * column, bottom + 48), outline=(40, 40, 44), width=3)
    draw.text((20, bottom + 62), f"{rng.randint(12, 900)} people like this", "black", small)
    for line in range(3):
        top = bottom + 104 + 46 * line
        draw.rounded_rectangle((20, top, 20 + rng.randint(220, 480), top + 26), 12, fill=_LIGHT)
    return page


def collage(rows: int, cell: int, *, cut: bool) -> Change:
    """One of rows x rows pictures on a page.

    Args:
        rows: of the page.
        cell: side of a picture's place, in pixels.
        cut: the pictures are cut to squares; otherwise they are shown whole.
    """

    def arrange(picture: Picture, rng: Random, *others: Picture) -> Picture:
        gap = cell // 25
        page = Image.new("RGB", (rows * (cell + gap) + gap,) * 2, "white")
        pictures = [picture, *others[: rows**2 - 1]]
        rng.shuffle(pictures)
        fit = ImageOps.fit if cut else ImageOps.contain
        for place, each in enumerate(pictures):
            small = fit(each, (cell, cell), Image.Resampling.LANCZOS)
            left, top = (gap + n * (cell + gap) for n in (place % rows, place // rows))
            page.paste(small, (left + (cell - small.width) // 2, top + (cell - small.height) // 2))
        return page

    return arrange


def of_area(picture: Picture, pixels: float, most: tuple[int, int]) -> Picture:
    """Scaled to an area of `pixels`, no side longer than in `most`."""
    factor = min((pixels / (picture.width * picture.height)) ** 0.5, most[0] / picture.width, most[1] / picture.height)
    size = max(1, int(picture.width * factor)), max(1, int(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)
