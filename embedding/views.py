"""An untrusted file → the views of it, each prepared for encoders and checks. Runs in processes of its own.

frames     a sample: first, last, longest shown, and spread; plain ones and those like another are left out
windows    of long pictures, beside the whole
readings   other ways in which viewers show the same values, where they show more
second     looks at the first frame: pictures in it, unstretched, negative (second_looks.py); of long ones no parts

All together are at most `max_views`, and each is compared by itself.
"""

import time
from dataclasses import replace

from PIL import Image

from embedding.decode.compare import Small, is_plain, same, small
from embedding.decode.decoder import File, Shown, opened, sentence
from embedding.decode.formats import signature
from embedding.decode.limits import Limits
from embedding.decode.svg import embedded_pictures
from embedding.image import Reason, Unreadable
from embedding.local.keypoints import DECODED_SIDE, Detected, working_copy
from embedding.picture import WHOLE, Box, Looked, Seen, Wanted
from embedding.prepare import prepare_both
from embedding.second_looks import cropped, second_looks
from embedding.windows import boxes

# Seconds of processor time after which no further picture in a drawing is looked at: each can take as long as a file.
_DRAWING_S = 3.0
_TRIED = 12  # frames, for a reference: the first of them that is not plain


def look_into(data: bytes, wanted: Wanted) -> Looked | Unreadable:
    """The views of the file in `data`, or why there are none.

    A file that is damaged is decoded once more, as far as possible; then `Looked.partly` says so.

    Raises:
        MemoryError: there is not enough memory.
    """
    if signature(data) == "SVG":
        return _in_drawing(data, wanted)
    try:
        return _looked(data, wanted, damaged=False)
    except Image.DecompressionBombError:
        return Unreadable(Reason.TOO_MANY_PIXELS, "the file claims more than 2,000 million pixels")
    except Exception as error:  # noqa: BLE001 (untrusted input: decoders raise all kinds of errors)
        _raise_if_memory(error)
        why = sentence(error)
    try:
        found = _looked(data, wanted, damaged=True)
    except Exception as error:  # noqa: BLE001 (see above)
        _raise_if_memory(error)
        return Unreadable(Reason.CORRUPT, why)
    return found if isinstance(found, Looked) else Unreadable(Reason.CORRUPT, why)


def _in_drawing(data: bytes, wanted: Wanted) -> Looked | Unreadable:
    """The pictures that an SVG embeds. The drawing itself is not looked at."""
    found: list[Looked] = []
    views: list[Seen] = []
    again: list[Seen] = []  # second looks, which never take the place of another picture
    pictures, started = embedded_pictures(data), time.process_time()
    for number, picture in enumerate(pictures):
        if time.process_time() - started > _DRAWING_S:
            break
        left = wanted.max_views - len(views)
        one = look_into(picture, replace(wanted, max_views=left)) if left > 0 and signature(picture) != "SVG" else None
        if isinstance(one, Looked):
            for seen in one.views:
                (again if seen.second else views).append(replace(seen, frame=number))
            del again[wanted.max_views :]
            found.append(one)
    if not views:
        return Unreadable(Reason.UNSUPPORTED_FORMAT, "an SVG is a drawing, and this one embeds no readable picture")
    what = f"an SVG is a drawing: only {len(found)} of the {len(pictures)} pictures in it were looked at"
    judged = tuple(sorted({seen.frame for seen in views}))
    partly = Unreadable(Reason.UNSUPPORTED_FORMAT, what)
    shown = (*views, *again)[: wanted.max_views]
    return Looked("SVG", found[0].size, len(pictures), shown, judged, partly=partly)


def _raise_if_memory(error: Exception) -> None:
    """Raise MemoryError, for all forms that it takes in decoders."""
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "insufficient memory" in text:
        raise MemoryError from error


def _looked(data: bytes, wanted: Wanted, *, damaged: bool) -> Looked | Unreadable:
    needs = wanted.needs
    every_pixel = needs.keypoints or needs.hash or not wanted.reduce
    corners_alone = needs.keypoints and not (needs.hash or needs.pixels) and wanted.reduce
    least, corners_side = None if every_pixel else needs.least_side, DECODED_SIDE if corners_alone else None
    limits = Limits(wanted.max_pixels, least, corners_side)
    with opened(data, limits, damaged=damaged) as file:
        if isinstance(file, Unreadable):
            return file
        found = _Views(file, wanted, damaged=damaged)
        found.find()
        if damaged and found.only_plain:
            return Unreadable(Reason.CORRUPT, "nothing is left of the picture")
        partly = Unreadable(Reason.DAMAGED, "the file is damaged, so only a part of it was looked at")
        return Looked(
            format=file.format,
            size=file.size,
            frames=file.frames.count,
            views=tuple(found.views),
            frames_judged=tuple(found.judged),
            unseen_windows=found.unseen_windows,
            partly=partly if damaged else None,
        )


class _Views:
    """The views of one file.

    Attributes:
        views: found so far.
        judged: frames that were looked at.
        unseen_windows: windows of each frame that are left out, and views of the last frame for which no room was left.
        only_plain: nothing is to be seen in any view.
    """

    def __init__(self, file: File, wanted: Wanted, *, damaged: bool) -> None:
        self._file, self._wanted, self._damaged = file, wanted, damaged
        self._boxes, self.unseen_windows = boxes(file.size, wanted.max_views)
        self._kept: list[Small] = []
        self._whole: tuple[int, Shown, Detected] | None = None  # of the first view, if corners are needed
        self.views: list[Seen] = []
        self.judged: list[int] = []
        self.only_plain = True

    def find(self) -> None:
        """Look at the frames, in the order of the file."""
        order = self._order()
        number = len(order)
        for frame in sorted(order):
            if frame not in order[:number]:
                continue
            try:
                readings = self._look_at(frame)
            except Exception:
                if self._damaged and self.views:
                    return  # what comes after the damage cannot be seen
                raise
            if self._done():
                return
            if self._wanted.max_views > 1:  # otherwise all of them are tried until one is not plain
                number = max(1, self._wanted.max_views // (len(self._boxes) * max(1, readings)))
        self._look_again()

    def _order(self) -> list[int]:
        """The frames to look at, the most important first."""
        frames, most = self._file.frames, self._wanted.max_views
        if most > 1:
            return frames.sample(max(1, most // len(self._boxes)))
        return [frame for frame in frames.sample(_TRIED) if frame >= frames.first]

    def _look_again(self) -> None:
        """Add second looks at the first frame, as far as there is room."""
        if self._whole is None or self._wanted.max_views == 1:
            return
        frame, shown, detected = self._whole
        parts = len(self._boxes) == 1  # otherwise windows show them
        needs, closer = self._wanted.needs, self._file.grey if frame == 0 else None
        for seen in second_looks(shown.pixels, shown.size, needs, detected, parts=parts, closer=closer):
            if len(self.views) == self._wanted.max_views:
                return
            self.views.append(replace(seen, frame=frame))

    def _done(self) -> bool:
        return len(self.views) >= self._wanted.max_views and not self.only_plain

    def _look_at(self, frame: int) -> int:
        """Add the views of one frame, and return its number of readings."""
        readings = 0
        for shown in self._file.show(frame):
            readings += 1
            for box in self._boxes:
                self._add(frame, box, shown)
        self.judged.append(frame)
        return readings

    def _add(self, frame: int, box: Box, shown: Shown) -> None:
        """Add a view, unless it shows nothing new. A plain one stays only as long as there is no other."""
        pixels, size = cropped(shown.pixels, shown.size, box)
        if self._damaged or self._file.frames.count > 1 or box != WHOLE or self.views:
            grey = small(pixels)
            if self.views and (is_plain(grey) or any(same(grey, other) for other in self._kept)):
                return
            plain = is_plain(grey)
            self._kept.append(grey)
        else:
            plain = False
        if self.only_plain:
            self.views.clear()
        if len(self.views) >= self._wanted.max_views:
            self.unseen_windows += 1
            return
        self.only_plain = plain
        detected = Detected(working_copy(pixels)) if self._wanted.needs.keypoints else None
        if detected and not self.views:
            self._whole = frame, shown, detected
        own, mirror = prepare_both(pixels, size, self._wanted.needs, detected)
        self.views.append(Seen(frame, box, shown.reading, own, mirror))
