"""Returns free memory, which the C library keeps for later, to the system."""

import ctypes


def release_free_memory() -> None:
    """Return free memory to the system. Takes 5 to 8 ms; only glibc has a call for it, elsewhere nothing happens.

    Called after the start, when a network's weights have existed in several forms: for ViT-B-32 that returns 250 of
    470 MB. Called again every few hundred pictures, because memory that is freed between blocks in use would add up.

    Otherwise glibc manages the memory of pictures: it adapts to their sizes up to 32 MB. Keeping larger blocks
    too (mallopt) made decoding whole pictures of 12 MP a fifth faster, but kept 0.9 GB, and did not help smaller ones.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
