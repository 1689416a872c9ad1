"""Edits that put the picture into another one: a caption, a border, a screenshot of a phone, a collage."""

from random import Random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from demo.pictures import Role, load, of

Picture = Image.Image
_GREY = (128, 134, 143)
_LIGHT = (226, 229, 234)


def captioned(picture: Picture, rng: Random) -> Picture:
    """White bars with text above and below, as in memes."""
    width, height = picture.size
    bar = round(height * rng.uniform(0.14, 0.2))
    page = Image.new("RGB", (width, height + 2 * bar), "white")
    page.paste(picture, (0, bar))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(min(bar * 0.6, width * 0.07))
    above, below = rng.choice((("WHEN YOU SEE IT", "..."), ("NOBODY", "MY WEEKEND"), ("BEFORE", "AND AFTER")))
    draw.text((width / 2, bar / 2), above, "black", font, anchor="mm")
    draw.text((width / 2, height + 1.5 * bar), below, "black", font, anchor="mm")
    return page


def framed(picture: Picture, rng: Random) -> Picture:
    """A border of one colour, 8 to 16 % of the size on each side."""
    width, height = picture.size
    border = round(max(width, height) * rng.uniform(0.08, 0.16))
    colour = rng.choice(((20, 20, 24), (245, 245, 240), (196, 60, 48), (34, 92, 160)))
    page = Image.new("RGB", (width + 2 * border, height + 2 * border), colour)
    page.paste(picture, (border, border))
    return page


def screenshot(picture: Picture, rng: Random) -> Picture:
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


def collage(picture: Picture, rng: Random) -> Picture:
    """One of four pictures on a page; the others are in no set."""
    cell, gap = 300, 12
    page = Image.new("RGB", (2 * cell + 3 * gap, 2 * cell + 3 * gap), "white")
    pictures = [picture, *map(load, rng.sample(of(Role.INNOCENT), 3))]
    rng.shuffle(pictures)
    for place, each in enumerate(pictures):
        small = ImageOps.contain(each, (cell, cell), Image.Resampling.LANCZOS)
        left, top = (gap + n * (cell + gap) for n in (place % 2, place // 2))
        page.paste(small, (left + (cell - small.width) // 2, top + (cell - small.height) // 2))
    return page
