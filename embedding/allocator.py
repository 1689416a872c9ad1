"""Memory that is free, and that the C library keeps for later."""

import ctypes


def give_back() -> None:
    """Give it to the system: after the start, when the weights of a network were there in several forms.

    Only glibc has a call for it. ViT-B-32: 250 of 470 MB. What pictures take is left to glibc, which learns their sizes
    by itself up to 32 MB; keeping larger blocks too (mallopt) made decoding whole pictures of 12 MP a fifth faster, and
    kept 0.9 GB, and saved nothing with smaller ones.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
