"""Memory that is free, and that the C library keeps for later. Only glibc has calls for it."""

import ctypes
import os

_M_ARENA_MAX = -8  # glibc's malloc.h


def one_arena() -> None:
    """Let all threads take memory from one place; to be called before there are any.

    glibc gives threads arenas of their own, each with its own holes: after 20,000 pictures of many sizes two workers
    with `words` held 1.1 GB, and 1.0 GB in one arena, in the same time. Whoever has set MALLOC_ARENA_MAX has chosen.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None and "MALLOC_ARENA_MAX" not in os.environ:
        choose(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give it to the system: after the start, when the weights of a network were there in several forms.

    ViT-B-32: 250 of 470 MB. What pictures take is left to glibc, which learns their sizes by itself up to 32 MB;
    keeping larger blocks too (mallopt) made decoding whole pictures of 12 MP a fifth faster, and kept 0.9 GB, and saved
    nothing with smaller ones.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
