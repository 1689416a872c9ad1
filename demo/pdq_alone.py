"""Finds which of the same copies a perceptual hash alone finds, without corners: measured on this run's pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from demo.pictures import Sample, load
from demo.summary import HARMFUL, Result
from demo.thumbnails import pixels_of
from embedding.look import encode_pictures
from embedding.pdq import Pdq
from embedding.picture import Pixels
from reference_sets.defaults import PDQ_REVIEW


def found_by_pdq(results: Iterable[Result]) -> frozenset[int]:
    """Returns the numbers of the events whose known picture PDQ finds, at its default review threshold."""
    references: dict[Sample, NDArray[np.float32]] = {}
    found = set()
    for each in results:
        sample, picture = each.incoming.sample, each.incoming.picture
        if sample is None or picture is None or sample.role not in HARMFUL:
            continue
        if sample not in references:
            references[sample] = _hashes([np.asarray(load(sample))])[0]
        if references[sample] @ _hashes([pixels_of(picture)])[0] >= PDQ_REVIEW:
            found.add(each.incoming.number)
    return frozenset(found)


def _hashes(pictures: Sequence[Pixels]) -> NDArray[np.float32]:
    """Returns one row per picture. A picture with too little detail gives zeros, which are near to nothing."""
    return encode_pictures(Pdq(), pictures).vectors
