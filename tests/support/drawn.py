"""Benign pictures, drawn from a seed: soft blobs of colour that a perceptual hash can distinguish."""

import io

import numpy as np
from PIL import Image


def drawn(seed, width=320, height=240):
    """A different picture for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture, form="JPEG", **options):
    """The picture's bytes in a format."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()
