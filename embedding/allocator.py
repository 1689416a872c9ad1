"""Memory that is free, and that the C library keeps for later."""

import ctypes


def give_back() -> None:
    """Give it to the system. Takes 5 to 8 ms; only glibc has a call for it.

    After the start, when the weights of a network were there in several forms: of ViT-B-32's 470 MB that is 250. And
    every few hundred pictures: what was freed between blocks in use would stay, and grow.

    What pictures take is left to glibc otherwise, which learns their sizes by itself up to 32 MB. Keeping larger blocks
    too (mallopt) made decoding whole pictures of 12 MP a fifth faster, kept 0.9 GB, and saved nothing with smaller.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
