"""A very small training from end to end: pictures → views → a network that has learned something."""

import numpy as np
import torch

from embedding.local.keypoints import MAX_KEYPOINTS
from training import edits, learn, views
from training.pictures import picture


def test_the_same_seed_gives_the_same_picture_and_the_same_edit():
    def made():
        rng = np.random.default_rng(5)
        original = picture(rng)
        return original, edits.heavy(rng, original, picture(rng))

    for first, second in zip(made(), made(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_every_edit_makes_a_picture():
    rng = np.random.default_rng(6)
    original, other = picture(rng), picture(rng)
    for edit, _ in edits.EDITS:
        edited = edit(rng, original, other)
        assert edited.dtype == np.uint8
        assert edited.ndim == 3
        assert min(edited.shape[:2]) > 8


def test_unrelated_pictures_share_frames_so_that_the_network_learns_to_ignore_frames():
    rng = np.random.default_rng(7)
    frames = {edits._shared(rng).integers(1 << 40) for _ in range(400)}
    assert 20 <= len(frames) <= 40


def test_training_lowers_the_loss_and_can_be_resumed(tmp_path, monkeypatch):
    seed = 8
    monkeypatch.setattr(views, "SHARD", 12)
    monkeypatch.setattr(learn, "PICTURES", 4)
    monkeypatch.setattr(learn, "KEYPOINTS", 16)  # bfloat16 is slow without AMX
    monkeypatch.setattr(learn, "WARM_UP", 1)
    monkeypatch.setattr("sys.argv", ["views", str(tmp_path), "--pictures", "12"])
    views.main()
    shard = np.load(tmp_path / "shard-0000.npz")
    assert shard["descriptors"].shape == (12, views.VIEWS, MAX_KEYPOINTS, 32)

    for steps in (4, 8):
        monkeypatch.setattr("sys.argv", ["learn", str(tmp_path), "--steps", str(steps), "--seed", str(seed)])
        learn.main()
    saved = torch.load(tmp_path / "learned.pt", weights_only=True)
    assert saved["step"] == 8
    model = learn.Aggregation()
    untrained = learn.Aggregation()
    model.load_state_dict(saved["model"])
    batch = learn.Shards(tmp_path, np.random.default_rng(seed)).batch()
    with torch.inference_mode():
        assert learn.contrast(model(*batch)) < learn.contrast(untrained(*batch))
