"""The benchmark of approximate indexes measures them, and a sabotaged one is noticed."""

import argparse

from benchmarks.indexes import measure, show, vectors_of
from benchmarks.search_places import Lite


def test_an_index_is_measured_and_its_sabotage_is_noticed(tmp_path, capsys):
    vectors = vectors_of(argparse.Namespace(vectors=None, references=1500))
    place = Lite(tmp_path)
    (row,) = measure(place, vectors, ["ivf_flat"])
    place.stop()
    assert row.recall >= 0.995
    assert row.sabotaged < 0.9 < row.canary
    assert 3 <= row.noticed_after <= 5
    show([row])
    assert "ivf_flat nlist 128 nprobe" in capsys.readouterr().out
