"""The encoders that are configured: each is loaded when it is first needed, found by its fingerprint, and named."""

import subprocess
import sys
import threading

import pytest

from embedding.choose import Configured
from embedding.encoder import EncoderError
from embedding.encoders import Encoders

BUILT_IN = {"pdq": Configured("pdq"), "words": Configured("words")}


def test_an_encoder_is_loaded_once_also_if_two_threads_need_it_at_the_same_moment():
    encoders, found = Encoders(BUILT_IN, "words"), []
    threads = [threading.Thread(target=lambda: found.append(encoders.get("pdq"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one is found[0] for one in found] == [True] * 4


def test_the_default_one_is_meant_if_none_is_named():
    assert Encoders(BUILT_IN, "pdq").get().name == "pdq"


def test_a_set_s_encoder_is_found_by_its_fingerprint_and_only_those_of_its_kind_are_loaded_and_without_torch():
    made = Encoders(BUILT_IN, "words").get("pdq").fingerprint
    code = (
        "import sys; from embedding.choose import Configured; from embedding.encoders import Encoders; "
        "encoders = Encoders({'words': Configured('words'), 'hashes': Configured('pdq')}, 'words'); "
        f"print(encoders.with_fingerprint({made!r}).name, 'embedding.local.words' in sys.modules); "
        "print(encoders.get().name, 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["hashes", "False", "words", "False"]


def test_a_name_that_is_not_configured_is_refused_with_those_that_are():
    with pytest.raises(EncoderError, match=r"there is no encoder clip: add a table \[encoders.clip\].* pdq, words"):
        Encoders(BUILT_IN, "words").get("clip")


def test_a_fingerprint_that_no_encoder_has_is_refused_with_what_is_loaded_and_what_could_not_be():
    configured = {**BUILT_IN, "clip": Configured("openclip", model="ViT-B-32", checkpoint="none.pt")}
    encoders = Encoders(configured, "words")
    encoders.get("pdq")
    with pytest.raises(EncoderError, match=r"is the encoder pdq:0; loaded are pdq \(pdq:"):
        encoders.with_fingerprint("pdq:0")
    with pytest.raises(
        EncoderError, match=r"openclip:0; .*not loaded: encoders.clip: there is no checkpoint at none.pt"
    ):
        encoders.with_fingerprint("openclip:0")


def test_whatever_a_library_raises_while_an_encoder_is_loaded_the_encoder_is_the_one_that_cannot_be_used(caplog):
    too_long = "a" * 300  # for which the file system raises
    encoders = Encoders({**BUILT_IN, "clip": Configured("onnx", checkpoint=too_long)}, "words")
    for _ in range(2):
        with pytest.raises(EncoderError, match=r"^encoders.clip: it cannot be loaded: OSError: .*File name too long"):
            encoders.get("clip")
    assert [record.message for record in caplog.records if record.exc_info] == ["the encoder clip cannot be loaded"]


def test_an_encoder_that_could_not_be_loaded_is_not_tried_for_each_batch_again(tmp_path):
    file = tmp_path / "clip.pt"
    encoders = Encoders({"clip": Configured("openclip", model="ViT-B-32", checkpoint=str(file))}, "clip")
    for _ in range(2):
        with pytest.raises(EncoderError, match="there is no checkpoint"):
            encoders.get("clip")
        file.write_bytes(b"now there is a file")


def test_configured_encoders_say_in_one_sentence_what_they_lack():
    for configured, word in ((Configured("timm", model="resnet18"), "checkpoint"), (Configured("openclip"), "model")):
        with pytest.raises(EncoderError, match=f"encoders.mine: {configured.kind} needs {word}: nothing is downloaded"):
            Encoders({"mine": configured}, "mine").get()
