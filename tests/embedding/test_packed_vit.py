"""Packed vision transformers give the same vectors as the library's own; unknown ones are not packed."""

import itertools
import threading

import numpy as np
import pytest
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from embedding.network import backends, openclip_tower
from embedding.network import timm as timm_encoder
from embedding.network.backends import Plain, fastest_backend, vectors
from embedding.network.packed_vit import Packed
from embedding.network.precision import LEAST_COSINE

SEED = 20_28
SIDE = 64
COLOURS = ((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
SAME = 2e-6  # of 1 - cosine, in float32


def has_packed_bfloat16():
    """Whether torch has packed bfloat16 layers for this processor; on x86 they need AVX-512."""
    try:
        torch.ops.mkldnn._reorder_linear_weight(torch.ones(16, 16, dtype=torch.bfloat16), 8)
    except RuntimeError:
        return False
    return True


HALF = torch.bfloat16 if has_packed_bfloat16() else torch.float32
SMALL = {"image_size": SIDE, "patch_size": 16, "width": 64, "head_width": 16, "layers": 3}
SMALL_TIMM = {"img_size": SIDE, "patch_size": 16, "embed_dim": 64, "depth": 3, "num_heads": 4, "num_classes": 0}


def openclip(*, quick_gelu=False, **changes):
    return trained(_build_vision_tower(32, CLIPVisionCfg(**{**SMALL, **changes}), quick_gelu))


def of_timm(**changes):
    return trained(VisionTransformer(**{**SMALL_TIMM, **changes}))


def trained(network):
    """The network with random changes, so that no weight is 0 or 1 and each affects the result."""
    torch.manual_seed(SEED)
    print(f"seed {SEED}")  # noqa: T201 (a failed test shows it)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn_like(value) * 0.1)
    return network.eval().requires_grad_(requires_grad=False)


def parts(network):
    return (timm_encoder._vit if isinstance(network, VisionTransformer) else openclip_tower.vit)(network)


def pictures(count=9, height=SIDE, width=SIDE):
    """Dark and bright noise, in the memory order that the preparation gives."""
    random = np.random.default_rng(SEED)
    noise = random.integers(0, 256, (count, height, width, 3)) * random.random((count, 1, 1, 3))
    return torch.from_numpy(noise.astype(np.uint8)).permute(0, 3, 1, 2)


def packed(network, type_=torch.float32):
    return Packed(parts(network), *COLOURS, type_, 8)


def furthest(some, others):
    return 1 - float((some.astype(np.float64) * others).sum(axis=1).min())


KNOWN = {
    "OpenCLIP's": openclip,
    "with OpenAI's activation": lambda: openclip(quick_gelu=True),
    "with the other GELU": lambda: openclip(act_kwargs={"approximate": "tanh"}),
    "with scaled branches": lambda: openclip(ls_init_value=0.3),
    "without the first normalisation": lambda: openclip(no_ln_pre=True),
    "with another epsilon": lambda: openclip(norm_kwargs={"eps": 0.01}),
    "of one block": lambda: openclip(layers=1),
    "of high pictures": lambda: openclip(image_size=(96, 48)),
    "timm's": of_timm,
    "timm's without biases": lambda: of_timm(qkv_bias=False, proj_bias=False),
    "timm's as DINOv2": lambda: of_timm(init_values=0.2, reg_tokens=4, no_embed_class=True, dynamic_img_size=True),
    "timm's with registers": lambda: of_timm(reg_tokens=2),
    "timm's as CLIP": lambda: of_timm(pre_norm=True),
}


@pytest.mark.parametrize("network", KNOWN)
def test_a_packed_vision_transformer_gives_the_same_vectors(network):
    whole = KNOWN[network]()
    batch = pictures(height=96, width=48) if network == "of high pictures" else pictures()
    right, ours = (vectors(forward, batch) for forward in (Plain(whole, COLOURS, torch.float32), packed(whole)))
    assert furthest(right, ours) <= SAME
    assert furthest(right, right[::-1]) > 100 * SAME  # otherwise the comparison would prove nothing
    assert furthest(right, vectors(packed(whole, HALF), batch)) <= 1 - LEAST_COSINE


UNKNOWN = {
    "attention pools": lambda: openclip(attentional_pool=True),
    "patches are dropped": lambda: openclip(patch_dropout=0.5),
    "the mean is taken": lambda: openclip(pool_type="avg"),
    "tokens are returned too": lambda: openclip(output_tokens=True),
    "queries are normalised": lambda: openclip(qk_norm=True),
    "attention is scaled": lambda: openclip(scale_attn=True),
    "it is a ResNet": lambda: openclip(layers=[1, 1, 1, 1]),
    "timm's mean is taken": lambda: of_timm(global_pool="avg"),
    "timm's attention pools": lambda: of_timm(global_pool="map"),
    "timm's queries are normalised": lambda: of_timm(qk_norm=True),
    "timm's attention is normalised": lambda: of_timm(scale_attn_norm=True),
    "timm's activation is new": lambda: of_timm(act_layer=nn.SiLU),
    "timm's pictures are padded": lambda: of_timm(dynamic_img_pad=True),
    "timm's has no positions": lambda: of_timm(pos_embed="none"),
}


@pytest.mark.parametrize("why", UNKNOWN)
def test_a_network_with_an_unknown_part_is_not_packed(why):
    assert parts(UNKNOWN[why]()) is None


def test_a_vector_does_not_depend_on_the_rest_of_the_batch():
    forward, batch = packed(openclip()), pictures(9)
    together = vectors(forward, batch)
    for count in range(1, 9):
        assert furthest(together[:count], vectors(forward, batch[:count])) <= SAME
    assert np.array_equal(vectors(forward, batch.contiguous()), together)  # in the other memory order


def test_threads_share_packed_layers():
    forward, batch, found = packed(openclip(), HALF), pictures(), []
    right = vectors(forward, batch)
    threads = [threading.Thread(target=lambda: found.append(vectors(forward, batch))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(furthest(each, right) <= SAME for each in found)


# --- which backend is chosen, with a clock that returns given times ---


@pytest.fixture(autouse=True)
def packed_in_an_available_type(monkeypatch):
    """These tests must not depend on the processor: without packed bfloat16, packed layers use float32 inside."""
    monkeypatch.setattr(
        backends,
        "Packed",
        lambda vit, mean, std, type_, batch_size: Packed(
            vit, mean, std, HALF if type_ is torch.bfloat16 else type_, batch_size
        ),
    )


def chosen(*seconds, types=(torch.bfloat16, torch.float32), timed=True, required=False):
    """The backend, when float32, then each half type that is tried, then packed layers take these seconds."""
    readings = itertools.chain.from_iterable((0.0, each) for each in seconds)
    network = openclip()
    clock = lambda: next(readings)  # noqa: E731 (a clock in one line)
    return fastest_backend(
        network, parts(network), COLOURS, pictures(4), types, timed=timed, required=required, batch_size=8, clock=clock
    )


FIRST = 9.0  # time of a first run, which does not count if there is a second one


@pytest.mark.parametrize(
    ("seconds", "type_", "name"),
    [
        ((1.0, FIRST, 0.3, FIRST, 0.2), torch.bfloat16, "packed ViT"),
        ((1.0, FIRST, 0.3, FIRST, 0.4), torch.bfloat16, "plain model (it is not faster with packed layers)"),
        ((1.0, FIRST, 1.1, FIRST, 0.9), torch.float32, "packed ViT"),
        ((1.0, FIRST, 1.1, FIRST, 1.2), torch.float32, "plain model (it is not faster with packed layers)"),
    ],
)
def test_a_backend_that_is_not_faster_is_not_chosen(seconds, type_, name, caplog):
    backend = chosen(*seconds)
    assert (backend.type, backend.name) == (type_, name)
    assert ("is not faster" in caplog.text) == (type_ is torch.float32 or "plain" in name)


def test_a_requested_type_is_chosen_even_if_it_is_slow():
    backend = chosen(1.0, FIRST, FIRST, types=[torch.bfloat16], timed=False, required=True)
    assert (backend.type, backend.name) == (torch.bfloat16, "packed ViT")


def test_where_time_does_not_count_the_first_accurate_type_is_chosen_at_each_start():
    assert chosen(1.0, FIRST, FIRST, timed=False).type is torch.bfloat16


def other_numbers(monkeypatch):
    monkeypatch.setattr(backends, "Packed", lambda *_: lambda batch: torch.rand(len(batch), 32))


def another_signature(monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", torch.ops.aten.relu)


@pytest.mark.parametrize(("change", "words"), [(other_numbers, "is not accurate"), (another_signature, "raises")])
def test_packed_layers_that_fail_are_replaced_by_the_plain_model(monkeypatch, caplog, change, words):
    change(monkeypatch)
    backend = chosen(1.0, FIRST, FIRST, types=[torch.bfloat16], timed=False, required=True)
    assert isinstance(backend.forward, Plain)
    assert words in backend.name
    assert words in caplog.text


def test_without_torchs_packed_operators_the_plain_model_is_used(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    backend = chosen(1.0, types=[torch.float32])
    assert backend.name == "plain model (it raises AttributeError with packed layers)"
