"""Benchmarks can measure any network: its random weights, and the settings that name them."""

import pytest

from benchmarks.weights import checkpoint, settings
from embedding.choose import choose
from embedding.probe import probe_picture


@pytest.mark.parametrize("network", ["timm:test_vit", "ViT-S-32-alt"])
def test_the_settings_name_the_weights_that_were_made_and_the_service_takes_them(tmp_path, network):
    checkpoint(tmp_path, network)
    encoder = choose(**settings(tmp_path, network))
    assert encoder.name == ("timm" if network.startswith("timm:") else "openclip")
    assert encoder.encode([probe_picture()]).vectors.shape == (1, encoder.dimension)
