"""What `openclip` and `timm` share, on networks of one layer."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import functional

from embedding.encoder_error import EncoderError
from embedding.network import Network
from embedding.probe import probe_vector


class Rounded(nn.Module):
    """Overflows float16, and has a buffer that no state_dict holds, as position embeddings often are."""

    def __init__(self):
        super().__init__()
        self.register_buffer("places", torch.tensor([0.1, 0.2, 0.3]), persistent=False)

    def forward(self, pictures):
        return pictures.mean(dim=(2, 3)) * 1e6 * (1 + self.places)


def prepared(picture):
    return functional.to_tensor(picture.resize((8, 8)))


def network(tower, precision):
    return Network("tiny", tower, prepared, aspect=None, depends_on={}, device="cpu", precision=precision)


def test_back_from_a_type_that_is_not_right_every_number_is_as_before(monkeypatch):
    monkeypatch.setattr("embedding.network.fastest", lambda _device: torch.float16)
    fallen, right = network(Rounded(), "auto"), network(Rounded(), "float32")
    assert fallen.fingerprint == right.fingerprint
    assert np.array_equal(probe_vector(fallen), probe_vector(right))


def test_a_network_that_does_not_pool_is_refused():
    with pytest.raises(EncoderError, match="a map of features"):
        network(nn.Identity(), "float32")
