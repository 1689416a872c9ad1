"""What a perceptual hash alone finds of the same copies: measured on this run's pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from demo.pictures import Sample, load
from demo.summary import HARMFUL, Seen
from demo.thumbnails import pixels_of
from embedding.pdq import Pdq
from embedding.picture import Pixels
from reference_sets.defaults import PDQ_REVIEW


def found_by_pdq(all_seen: Iterable[Seen]) -> frozenset[int]:
    """Numbers of the events whose known picture PDQ takes for its reference, by the default threshold of review."""
    references: dict[Sample, NDArray[np.float32]] = {}
    found = set()
    for each in all_seen:
        sample, picture = each.incoming.sample, each.incoming.picture
        if sample is None or picture is None or sample.role not in HARMFUL:
            continue
        if sample not in references:
            references[sample] = _hashes([np.asarray(load(sample))])[0]
        if references[sample] @ _hashes([pixels_of(picture)])[0] >= PDQ_REVIEW:
            found.add(each.incoming.number)
    return frozenset(found)


def _hashes(pictures: Sequence[Pixels]) -> NDArray[np.float32]:
    """One row each; zeros, which are near nothing, where PDQ sees too little."""
    return Pdq().encode(pictures).vectors
