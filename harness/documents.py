"""Pictures that are no photographs, drawn from a number: chats of one app, letters and forms, logos, drawings.

All chats share the app's look, all letters the letterhead, all forms the printed lines: another one of the same kind is
no copy, although a large part of it is equal. `others` of the same kind must not be found.
"""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageFont

from harness.changes import Picture, any_colour

Maker = Callable[[int], Picture]  # number → picture: the same number gives the same picture

_WORDS = (
    *("we", "will", "send", "the", "parcel", "on", "monday", "but", "nobody", "was", "at", "home", "so", "please"),
    *("tell", "your", "sister", "that", "key", "is", "under", "a", "stone", "near", "our", "garden", "door", "and"),
    *("ask", "her", "if", "she", "has", "seen", "my", "green", "umbrella", "since", "last", "week", "it", "may"),
    *("be", "in", "car", "because", "they", "went", "to", "town", "after", "lunch", "for", "some", "bread", "two"),
    *("lamps", "new", "paint", "which", "cost", "more", "than", "any", "of", "us", "had", "expected", "quietly"),
)
_INK, _GREY = (30, 32, 36), (128, 134, 143)


def _rng(kind: str, number: int) -> Random:
    return Random(f"{kind} {number}")  # noqa: S311 (nothing secret)


def sentence(rng: Random, words: int) -> str:
    """So many random words."""
    return " ".join(rng.choice(_WORDS) for _ in range(words))


def chat(number: int) -> Picture:
    """A conversation in an app on a phone."""
    rng = _rng("chat", number)
    width, height = 640, 1200
    page = Image.new("RGB", (width, height), "#e8eef2")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, width, 96), fill="#2f6f9f")
    draw.ellipse((20, 16, 84, 80), fill=any_colour(rng))
    draw.text((104, 20), rng.choice(("Ines", "Tom", "Yusuf", "Marta", "Li")), "white", ImageFont.load_default(30))
    draw.text((104, 58), f"last seen {rng.randint(1, 59)} min ago", "#d5e4ee", ImageFont.load_default(20))
    draw.rectangle((0, height - 84, width, height), fill="white")
    draw.rounded_rectangle((24, height - 66, width - 96, height - 18), 24, outline=_GREY, width=2)
    draw.text((48, height - 56), "Write a message", _GREY, ImageFont.load_default(24))
    draw.regular_polygon((width - 48, height - 42, 26), 3, rotation=270, fill="#2f6f9f")
    top = 120
    while (bottom := _bubble(draw, rng, top, width)) < height - 230:
        top = bottom + rng.randint(12, 30)
    return page


def _bubble(draw: ImageDraw.ImageDraw, rng: Random, top: int, width: int) -> int:
    """Draw one message; returns where it ends."""
    font, own = ImageFont.load_default(26), rng.random() < 0.5  # noqa: PLR2004 (a coin)
    lines = [sentence(rng, rng.randint(2, 5)) for _ in range(rng.randint(1, 3))]
    across = round(max(font.getlength(line) for line in lines)) + 36
    left, bottom = (width - across - 20 if own else 20), top + 34 * len(lines) + 40
    draw.rounded_rectangle((left, top, left + across, bottom), 16, fill="#cfe9d6" if own else "white")
    for row, line in enumerate(lines):
        draw.text((left + 18, top + 10 + 34 * row), line, _INK, font)
    time = f"{rng.randint(6, 23):02}:{rng.randint(0, 59):02}"
    draw.text((left + across - 64, bottom - 26), time, _GREY, ImageFont.load_default(17))
    return bottom


def letter(number: int) -> Picture:
    """A page of text below a letterhead."""
    rng = _rng("letter", number)
    page = Image.new("RGB", (900, 1270), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(22)
    _letterhead(draw)
    draw.text((80, 200), f"{rng.randint(1, 28)} / {rng.randint(1, 12)} / {rng.randint(2001, 2026)}", _INK, font)
    top = 260
    while top < 1060:  # noqa: PLR2004 (pixels, where the last paragraph may begin)
        for _line in range(rng.randint(2, 6)):
            text = sentence(rng, 18)
            while font.getlength(text) > 740:  # noqa: PLR2004 (pixels between the margins)
                text = text.rpartition(" ")[0]
            draw.text((80, top), text, _INK, font)
            top += 32
        top += 30
    draw.text((80, 1200), f"Page {rng.randint(1, 9)} of {rng.randint(10, 20)}", _GREY, ImageFont.load_default(18))
    return page


def _letterhead(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((80, 50, 160, 130), outline="#7a1f2b", width=8)
    draw.line((92, 110, 148, 70), fill="#7a1f2b", width=8)
    draw.text((184, 58), "Harbour & Sons Insurance", "#7a1f2b", ImageFont.load_default(38))
    draw.text((184, 108), "14 Quay Street, Port Ellen - office@harbour.example", _GREY, ImageFont.load_default(18))
    draw.line((80, 156, 820, 156), fill="#7a1f2b", width=3)


def form(number: int) -> Picture:
    """A printed form with entries."""
    rng = _rng("form", number)
    page = Image.new("RGB", (900, 1100), "white")
    draw, font, hand = ImageDraw.Draw(page), ImageFont.load_default(20), ImageFont.load_default(27)
    _letterhead(draw)
    names = ("Name", "Street", "Town", "Born on", "Policy", "Damage", "Seen by", "Amount", "Account", "Remarks", "Date")
    for row, name in enumerate(names):
        top = 200 + 76 * row
        draw.text((80, top), f"{row + 1}  {name}", _INK, font)
        draw.rectangle((280, top - 8, 820, top + 44), outline=_GREY, width=2)
        entry = str(rng.randint(10**5, 10**9)) if row % 3 else sentence(rng, rng.randint(1, 4))
        draw.text((294 + rng.randint(0, 30), top), entry, "#1d3f8f", hand)
    for column in range(4):
        left = 80 + 190 * column
        draw.rectangle((left, 1040, left + 26, 1066), outline=_INK, width=2)
        draw.text((left + 38, 1042), ("theft", "fire", "water", "other")[column], _INK, font)
        if rng.random() < 0.4:  # noqa: PLR2004 (how often a box is ticked)
            draw.line((left, 1040, left + 26, 1066), fill="#1d3f8f", width=4)
    return page


def logo(number: int) -> Picture:
    """A flat shape or three, and a short word below."""
    rng = _rng("logo", number)
    page = Image.new("RGB", (480, 480), "white")
    draw = ImageDraw.Draw(page)
    first = any_colour(rng)
    for part in range(rng.randint(1, 3)):
        radius = 150 - 45 * part
        place, colour = (240 + rng.randint(-20, 20), 190, radius), any_colour(rng) if part else first
        if rng.random() < 0.3:  # noqa: PLR2004 (how often it is round)
            draw.circle(place[:2], radius, fill=colour)
        else:
            draw.regular_polygon(place, rng.randint(3, 8), rotation=rng.randrange(360), fill=colour)
    word = "".join(rng.choice("ABDEGHKLMNOPRSTUZ") for _ in range(rng.randint(3, 7)))
    draw.text((240, 410), word, first, ImageFont.load_default(70), anchor="mm")
    return page


def drawing(number: int) -> Picture:
    """A cartoon: ground and sky, houses, trees, and a face or two, with outlines."""
    rng = _rng("drawing", number)
    page = Image.new("RGB", (640, 480), any_colour(rng))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, rng.randint(260, 340), 640, 480), fill=any_colour(rng))
    for _part in range(rng.randint(5, 9)):
        left, top, side = rng.randint(-20, 540), rng.randint(20, 340), rng.randint(50, 140)
        rng.choice((_house, _tree, _face))(draw, (left, top, side), rng)
    return page


def _house(draw: ImageDraw.ImageDraw, place: tuple[int, int, int], rng: Random) -> None:
    left, top, side = place
    draw.rectangle((left, top + side // 2, left + side, top + side), any_colour(rng), "black", 4)
    roof = [(left - 8, top + side // 2), (left + side // 2, top), (left + side + 8, top + side // 2)]
    draw.polygon(roof, any_colour(rng), "black", 4)
    draw.rectangle((left + side // 5, top + 2 * side // 3, left + side // 2, top + side), any_colour(rng), "black", 3)


def _tree(draw: ImageDraw.ImageDraw, place: tuple[int, int, int], rng: Random) -> None:
    left, top, side = place
    draw.rectangle((left + 2 * side // 5, top + side // 2, left + 3 * side // 5, top + side), "#7b5534", "black", 3)
    draw.ellipse((left, top, left + side, top + 2 * side // 3), any_colour(rng), "black", 4)


def _face(draw: ImageDraw.ImageDraw, place: tuple[int, int, int], rng: Random) -> None:
    left, top, side = place
    draw.ellipse((left, top, left + side, top + side), any_colour(rng), "black", 4)
    for eye in (0.3, 0.7):
        draw.circle((left + eye * side, top + 0.4 * side), side / rng.randint(9, 16), fill="black")
    mouth = (left + 0.25 * side, top + 0.4 * side, left + 0.75 * side, top + rng.uniform(0.65, 0.9) * side)
    draw.arc(mouth, 20, 160, "black", 4)
