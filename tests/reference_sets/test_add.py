"""Adding picture files to a set: which files, with which labels, each once, and which are refused."""

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from milvus_fixtures import FINGERPRINT, make_set
from opening import shared
from PIL import Image

from embedding.encoder import Encoded
from embedding.local.features import pack
from embedding.local.keypoints import MIN_KEYPOINTS, detect
from embedding.look import encode_pictures
from embedding.picture import Needs, Prepared
from matcher.candidates import finds_itself
from reference_sets.add import Gathered, Interrupted, gather
from reference_sets.files import Found, find
from reference_sets.model import Mirrored, Part, Verify
from reference_sets.opened import Limits, key_of
from reference_sets.store import Store

LIMITS = Limits(max_bytes=100_000, max_pixels=1_000_000)


class MeanColours:
    """An encoder with 8 values: the mean colours of the two halves, and two constants. Grey ones are featureless."""

    name, dimension, fingerprint, backend, batch_size = "test", 8, FINGERPRINT, "float32", 8
    min_batch_size, needs = 1, Needs(pixels=True)

    def __init__(self, fail_at_call: int = 0):
        self.calls, self.pictures, self.fail_at_call = 0, 0, fail_at_call

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        pictures = [one.pixels for one in prepared if one.pixels is not None]
        self.calls += 1
        self.pictures += len(pictures)
        if self.calls == self.fail_at_call:
            raise KeyboardInterrupt
        means = [[*p[:, : p.shape[1] // 2].mean((0, 1)), *p[:, p.shape[1] // 2 :].mean((0, 1)), 1, 2] for p in pictures]
        vectors = np.asarray(means, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Encoded(vectors, np.array([bool((p == p[0, 0]).all()) for p in pictures]))


def cornered(seed: int) -> np.ndarray:
    """Pixels with many corners."""
    blocks = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def picture(number: int) -> bytes:
    """A PNG that is different for each number."""
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:, :8] = (number % 256, number // 256 % 256, 7)
    pixels[:, 8:] = (9, 200, 255 - number % 256)
    return png(pixels)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        opened.create(make_set("alpha"))
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    return folder


def add(store: Store, paths: list[Path], encoder: MeanColours | None = None, label: str = "", **more) -> Gathered:
    files = list(find(paths, label))
    return gather(store, {"alpha": encoder or MeanColours()}, files, decoders=shared(), limits=LIMITS, **more)["alpha"]


def test_files_in_folders_come_in_order_with_their_path_as_label_and_loops_end(folder: Path):
    for name in ("b.png", "a.png", "below/c.png", ".hidden.png"):
        (folder / name).write_bytes(picture(1))
    (folder / "below" / "up").symlink_to(folder)
    found = list(find([folder, folder / "b.png"]))
    assert [one.label for one in found] == ["a.png", "b.png", "below/c.png", "b.png"]
    assert {one.label for one in find([folder], "case 1")} == {"case 1"}


def test_a_file_name_that_is_not_unicode_or_too_long_still_makes_a_label(folder: Path):
    assert [one.label for one in find([Path("\udcff.png")])] == ["\ufffd.png"]
    deep = folder.joinpath(*["ü" * 100] * 8)
    deep.mkdir(parents=True)
    (deep / "end").touch()
    (found,) = find([folder])
    assert len(found.label.encode()) <= 1024
    assert found.label.startswith("…")
    assert found.label.endswith("end")


def test_the_same_picture_twice_is_one_row_and_is_not_decoded_again(store: Store, folder: Path):
    for number in range(5):
        (folder / f"{number}.png").write_bytes(picture(number))
    assert (first := add(store, [folder])).added == 5
    assert (first.known, first.refused) == (0, ())
    version = store.describe("alpha").version
    encoder = MeanColours()
    again = add(store, [folder, folder], encoder)
    assert (again.files, again.added, again.known) == (10, 0, 10)
    assert encoder.pictures == 0
    assert (store.count("alpha"), store.describe("alpha").version) == (5, version)


def test_the_id_depends_on_content_and_label(store: Store, folder: Path):
    for name in ("one.png", "two.png"):
        (folder / name).write_bytes(picture(1))
    assert add(store, [folder]).added == 2
    assert add(store, [folder], label="case").added == 1
    known = list(store.references("alpha"))
    assert {one.id for one in known} == {
        key_of(hashlib.sha256(picture(1)).hexdigest(), label) for label in ("one.png", "two.png", "case")
    }
    assert {one.digest for one in known} == {hashlib.sha256(picture(1)).hexdigest()}


def test_files_that_cannot_be_references_are_named_with_the_reason_and_the_rest_is_added(store: Store, folder: Path):
    (folder / "good.png").write_bytes(picture(1))
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(picture(2)[:40])
    (folder / "large.png").write_bytes(bytes(100_001))
    (folder / "grey.png").write_bytes(png(np.full((32, 32, 3), 128, np.uint8)))
    (folder / "gone.png").symlink_to(folder / "nowhere")
    gathered = add(store, [folder])
    assert gathered.added == 1
    assert {one.path.name: one.why.reason.value for one in gathered.refused} == {
        "cut.png": "corrupt",
        "empty.png": "empty_value",
        "gone.png": "not_found",
        "grey.png": "featureless",
        "large.png": "too_many_bytes",
        "notes.txt": "unknown_format",
    }


def test_a_pipe_is_refused_instead_of_waited_for(store: Store, folder: Path):
    os.mkfifo(folder / "pipe.png")
    (refused,) = add(store, [folder]).refused
    assert refused.why.detail == "not a regular file"


def test_an_interrupted_run_keeps_its_batches_and_the_next_one_does_the_rest(store: Store, folder: Path):
    for number in range(150):
        (folder / f"{number:03}.png").write_bytes(picture(number))
    (folder / "000.txt").write_text("no picture")
    with pytest.raises(Interrupted) as caught:
        add(store, [folder], MeanColours(fail_at_call=3))
    so_far = caught.value.so_far["alpha"]
    assert (so_far.files, so_far.added, so_far.known, len(so_far.refused)) == (151, 128 - 1, 0, 1)
    assert store.count("alpha") == so_far.added
    again = add(store, [folder])
    assert (again.added, again.known, store.count("alpha")) == (23, 127, 150)


def test_progress_adds_up_to_the_files(store: Store, folder: Path):
    for number in range(300):
        (folder / f"{number}.png").write_bytes(picture(number % 280))
    (folder / "bad.png").write_text("no")
    files = list(find([folder], "one label for all"))
    steps: list[int] = []
    gather(store, {"alpha": MeanColours()}, files, decoders=shared(), limits=LIMITS, progress=steps.append)
    assert sum(steps) == len(files) == 301


def test_a_folder_that_cannot_be_read_is_refused_and_the_rest_is_added(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "good.png").write_bytes(picture(1))
    (folder / "below" / "more.png").write_bytes(picture(2))
    whole = Path.iterdir

    def closed(path: Path) -> Iterator[Path]:  # root may read any folder, and tests may run as root
        if path.name == "below":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return whole(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    gathered = add(store, [folder, folder / "below"])
    assert (gathered.files, gathered.added) == (3, 1)
    assert {(one.path, one.why.reason.value, one.why.detail) for one in gathered.refused} == {
        (folder / "below", "fetch_failed", "Permission denied")
    }


def test_a_file_that_is_deleted_before_it_is_decoded_is_refused(store: Store, folder: Path):
    gone = [Found(folder / "gone.png", "x")]
    gathered = gather(store, {"alpha": MeanColours()}, gone, decoders=shared(), limits=LIMITS)["alpha"]
    assert gathered.refused[0].why.reason.value == "not_found"


def test_references_have_keypoints_and_mirror_images_if_the_set_needs_them(store: Store, folder: Path):
    pixels = cornered(1)
    back = np.ascontiguousarray(pixels[:, ::-1])
    (folder / "one.png").write_bytes(png(pixels))
    vectors = [tuple(encode_pictures(MeanColours(), [each]).vectors[0].tolist()) for each in (pixels, back)]
    features = [pack(detect(each)) for each in (pixels, back)]
    wishes = [(Verify.OFF, Mirrored.QUERIED), (Verify.SUPPORTS, Mirrored.OFF), (Verify.OFF, Mirrored.STORED)]
    for verify, mirrored in [*wishes, (Verify.REQUIRED, Mirrored.STORED)]:
        name = f"{verify}_{mirrored}"
        store.create(make_set(name, verify=verify, mirrored=mirrored))
        files = list(find([folder]))
        gathered = gather(store, {name: MeanColours()}, files, decoders=shared(), limits=LIMITS)[name]
        assert (gathered.added, gathered.weak, gathered.partly) == (1, (), ())
        (known,) = store.references(name)
        kept = [b"", b""] if verify is Verify.OFF else features
        mirror = Part(vectors[1], kept[1]) if mirrored is Mirrored.STORED else None
        assert (known.vector, known.features, known.mirror) == (vectors[0], kept[0], mirror)


def test_a_picture_whose_own_copies_would_not_be_found_is_added_and_named(store: Store, folder: Path):
    assert len(detect(np.asarray(Image.open(io.BytesIO(picture(1)))))) < MIN_KEYPOINTS
    for number in range(3):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "corners.png").write_bytes(png(cornered(2)))
    store.change("alpha", verify=Verify.REQUIRED, mirrored=Mirrored.STORED)
    gathered = add(store, [folder], finds_itself=finds_itself)
    assert (gathered.added, [path.name for path in gathered.weak]) == (4, ["0.png", "1.png", "2.png"])
    assert all(known.features for known in store.references("alpha"))
    store.change("alpha", verify=Verify.SUPPORTS)
    assert add(store, [folder], label="again", finds_itself=finds_itself).weak == ()


def test_of_a_damaged_file_what_is_left_becomes_the_reference_and_it_is_named(store: Store, folder: Path):
    whole = png(cornered(2))
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    gathered = add(store, [folder])
    assert (gathered.added, gathered.refused) == (1, ())
    assert [(one.path.name, one.why.reason.value) for one in gathered.partly] == [("cut.png", "damaged")]


def test_of_an_animation_the_first_frame_that_is_not_plain_becomes_the_reference(store: Store, folder: Path):
    frames = [Image.new("RGB", (256, 192)), Image.fromarray(cornered(2))]
    frames[0].save(folder / "fade.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert add(store, [folder]).added == 1
    (known,) = store.references("alpha")
    assert known.vector == tuple(encode_pictures(MeanColours(), [cornered(2)]).vectors[0].tolist())


def test_a_picture_whose_mirror_image_is_featureless_is_featureless(store: Store, folder: Path):
    class LookingLeft(MeanColours):
        def encode(self, prepared: Sequence[Prepared]) -> Encoded:
            green = [one.pixels[0, 0, 1] == 200 for one in prepared if one.pixels is not None]
            return Encoded(super().encode(prepared).vectors, np.array(green))

    for number in range(3):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "corners.png").write_bytes(png(cornered(2)))
    store.change("alpha", mirrored=Mirrored.STORED)
    gathered = add(store, [folder], LookingLeft())
    assert (gathered.added, [one.why.reason.value for one in gathered.refused]) == (1, ["featureless"] * 3)
    assert [known.label for known in store.references("alpha")] == ["corners.png"]


class Reducible(MeanColours):
    """Needs a shorter side of 32 only, and records the shapes of its pictures, and their sizes before reduction."""

    needs = Needs(pixels=True, least_side=32)

    def __init__(self):
        super().__init__()
        self.given = []

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        self.given += [(one.pixels.shape[:2], one.size) for one in prepared if one.pixels is not None]
        return super().encode(prepared)


@pytest.mark.parametrize(
    ("verify", "reduce", "shape"),
    [(Verify.OFF, True, (48, 64)), (Verify.OFF, False, (191, 255)), (Verify.SUPPORTS, True, (191, 255))],
)
def test_jpegs_are_reduced_as_those_of_events_are(store, folder, verify, reduce, shape):
    """The sides are odd: otherwise the pixels that are passed on are reduced by a whole factor anyway."""
    Image.fromarray(cornered(1)[:191, :255]).save(folder / "one.jpg", quality=90)
    store.create(make_set("beta", verify=verify))
    encoder, limits = Reducible(), Limits(100_000, 1_000_000, reduce=reduce)
    gather(store, {"beta": encoder}, list(find([folder])), decoders=shared(), limits=limits)
    assert encoder.given == [(shape, (191, 255))]
