"""What `openclip` and `timm` share, tested on networks of one layer."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor, functional

from embedding.encoder import EncoderError
from embedding.look import encode_pictures
from embedding.network import gpu
from embedding.network.network import Network
from embedding.network.preprocess import preparation
from embedding.probe import probe_picture, probe_vector

SEED = 20_29


class Rounded(nn.Module):
    """Overflows float16, and has a buffer that is not in its state_dict, like many position embeddings."""

    def __init__(self):
        super().__init__()
        self.register_buffer("places", torch.tensor([0.1, 0.2, 0.3]), persistent=False)

    def forward(self, pictures):
        return pictures.mean(dim=(2, 3)) * 1e6 * (1 + self.places)


def prepared(picture):
    return functional.to_tensor(picture.resize((8, 8)))


USUAL = Compose(
    [
        Resize(16, InterpolationMode.BICUBIC),
        CenterCrop((16, 16)),
        ToTensor(),
        Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)),
    ]
)


class Moments(nn.Module):
    """Mean and deviation of each channel in the four quarters of the picture."""

    def forward(self, pictures):
        quarters = pictures.unflatten(3, (2, -1)).unflatten(2, (2, -1))
        return torch.cat([quarters.mean((3, 5)).flatten(1), quarters.std((3, 5)).flatten(1)], dim=1)


def network(tower, precision, transform=None):
    transform = transform or Compose([prepared])
    return Network("tiny", tower, transform, vit=None, aspect=None, depends_on={}, device="cpu", precision=precision)


def test_after_an_inaccurate_type_was_tried_float32_gives_exactly_the_same_numbers(monkeypatch):
    monkeypatch.setattr("embedding.network.network.types_to_try", lambda _device: [torch.float16])
    fallen, right = network(Rounded(), "auto"), network(Rounded(), "float32")
    assert fallen.fingerprint == right.fingerprint
    assert np.array_equal(probe_vector(fallen), probe_vector(right))


def test_a_network_that_does_not_pool_is_refused():
    with pytest.raises(EncoderError, match="a map of features"):
        network(nn.Identity(), "float32")


def test_an_unknown_transform_is_left_to_pillow_and_reported(caplog):
    by_pillow, ours = network(Moments(), "float32"), network(Moments(), "float32", USUAL)
    assert by_pillow.backend == "float32 on the CPU, plain model, pictures resized by Pillow"
    assert "Pillow" in caplog.text
    assert ours.backend == "float32 on the CPU, plain model"
    assert (by_pillow.needs.least_side, ours.needs.least_side) == (None, 2 * 16)


@pytest.mark.parametrize(("precision", "least"), [("float32", 1), ("bfloat16", 2)])
def test_two_pictures_stay_on_one_worker_only_where_the_second_costs_little(precision, least):
    assert network(Moments(), precision).min_batch_size == least


def test_vectors_are_those_of_the_transform_and_the_tower():
    picture = probe_picture()
    with torch.inference_mode():
        theirs = Moments()(USUAL(Image.fromarray(picture))[None])[0].numpy()
    ours = probe_vector(network(Moments(), "float32", USUAL))
    assert float(theirs @ ours) / np.linalg.norm(theirs) > 1 - 2e-6


def test_a_reduced_picture_is_resized_by_its_full_size():
    encoder, picture = network(Moments(), "float32", USUAL), probe_picture().repeat(4, axis=0).repeat(4, axis=1)
    whole = encode_pictures(encoder, [picture]).vectors[0]
    size = (picture.shape[0] - 4, picture.shape[1])  # 1/8 of it is rounded up
    with_size, without_size = (
        encode_pictures(encoder, [picture[::8, ::8]], [size]).vectors[0],
        encode_pictures(encoder, [picture[::8, ::8]]).vectors[0],
    )
    assert not np.array_equal(with_size, without_size)
    assert float(whole @ with_size) > 1 - 1e-2


def test_any_number_of_pictures_is_accepted():
    encoder = network(Moments(), "float32", USUAL)
    pictures = [probe_picture()[at:] for at in range(2 * encoder.batch_size + 3)]
    alone = np.concatenate([encode_pictures(encoder, [each]).vectors for each in pictures])
    sizes = [each.shape[:2] for each in pictures]
    for together in (encode_pictures(encoder, pictures), encode_pictures(encoder, pictures, sizes)):
        assert np.abs(together.vectors - alone).max() < 1e-6


@pytest.mark.parametrize("shape", [(50, 70), (16, 16), (9, 40), (300, 301)])
def test_the_resize_for_gpus_is_within_one_grey_level(shape):
    pixels = np.random.default_rng(SEED).integers(0, 256, (*shape, 3), dtype=np.uint8)
    known = preparation(USUAL)
    here, there = (each(pixels, shape).int() for each in (known, gpu.resizing_on("cpu", known)))
    assert here.shape == there.shape == (3, 16, 16)
    assert (here - there).abs().max() <= 1


def test_the_resize_for_gpus_handles_reduced_pictures():
    pixels = np.random.default_rng(SEED).integers(0, 256, (38, 45, 3), dtype=np.uint8)
    known = preparation(USUAL)
    here, there = (each(pixels, (297, 353)).int() for each in (known, gpu.resizing_on("cpu", known)))
    assert (here - there).abs().max() <= 1


@pytest.mark.parametrize(("count", "wanted"), [(1, 1), (2, 2), (3, 4), (5, 8), (33, 48), (48, 48)])
def test_a_gpu_gets_batches_of_few_sizes(count, wanted):
    batch = torch.arange(count)[:, None, None, None].expand(count, 3, 2, 2)
    filled = gpu.filled_up(batch, 48)
    assert len(filled) == wanted
    assert torch.equal(filled[:count], batch)
    assert bool((filled[count:] == count - 1).all())


def test_the_cpu_has_no_streams():
    with gpu.Streams("cpu")():
        assert torch.equal(gpu.uploaded(torch.ones(2), "cpu"), torch.ones(2))
