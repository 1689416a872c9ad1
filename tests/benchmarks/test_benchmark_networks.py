"""Benchmarks can measure any network: random weights, and the settings for them."""

import pytest

from benchmarks.weights import checkpoint, settings
from embedding.choose import Configured, choose
from embedding.look import encode_pictures
from embedding.probe import probe_picture


@pytest.mark.parametrize("network", ["timm:test_vit", "ViT-S-32-alt"])
def test_the_service_can_use_the_settings_and_the_weights(tmp_path, network):
    checkpoint(tmp_path, network)
    encoder = choose(Configured(**settings(tmp_path, network)))
    assert encoder.name == ("timm" if network.startswith("timm:") else "openclip")
    assert encode_pictures(encoder, [probe_picture()]).vectors.shape == (1, encoder.dimension)


@pytest.mark.parametrize(
    ("network", "said"), [("timm:nothing", "timm has no model"), ("ViT-Z", "OpenCLIP has no model")]
)
def test_an_unknown_network_is_refused_with_one_sentence(tmp_path, network, said):
    with pytest.raises(SystemExit, match=f"{said} .*: --network takes"):
        checkpoint(tmp_path, network)
