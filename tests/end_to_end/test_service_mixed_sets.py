"""Sets of several encoders are made, filled and dropped while the service runs, and each image gets one verdict."""

import base64
import hashlib
import json

from click.testing import CliRunner
from detailed import cropped, detailed
from drawn import encoded
from PIL import Image
from running_service import produce, running
from service_fixtures import settings, verdicts

from embedding.look import encode_pictures
from embedding.pdq import bits_of
from vigilens.cli import main

BROKEN = b"\xff\xd8\xff no picture"
KNOWN, HASHED = detailed(1), detailed(2)
EVENTS = {
    "crop": encoded(Image.fromarray(cropped(KNOWN, 0.0, 0.1, 0.7, 0.9))),
    "hashed": encoded(Image.fromarray(HASHED)),
    "broken": BROKEN,
}


def test_sets_of_several_encoders_come_and_go_without_a_restart(kafka_cluster, topics, milvus, encoder, tmp_path):
    def sets(*words):
        result = CliRunner().invoke(main, ["sets", *words], env={"VIGILENS_MILVUS__URI": milvus.uri})
        assert result.exit_code == 0, result.output

    rounds = []

    def judged():
        """The verdicts of a round: name → decision, the set that decided, and the sets that were compared."""
        rounds.append(len(rounds))
        for name, data in EVENTS.items():
            body = {"id": f"{name} {rounds[-1]}", "data": base64.b64encode(data).decode()}
            produce(kafka_cluster.bootstrap, topics.images, [(name.encode(), json.dumps(body).encode(), [], None)])
        read = verdicts(kafka_cluster, topics, len(EVENTS) * len(rounds))
        now = {name: read[f"{name} {rounds[-1]}"] for name in EVENTS}
        compared = {one["set"] for one in now["crop"]["sets"] if one["compared"]}
        return {name: (one["decision"], one["decided_by"]) for name, one in now.items()}, compared

    Image.fromarray(KNOWN).save(tmp_path / "known.png")
    hashes = bits_of(encode_pictures(encoder, [HASHED]).vectors)[0].tobytes().hex()
    (tmp_path / "list.txt").write_text(f"pdq {hashes}\n")
    (tmp_path / "files.txt").write_text(f"{hashlib.md5(BROKEN, usedforsecurity=False).hexdigest()}  broken.jpg\n")
    nothing = {"crop": ("allow", None), "hashed": ("allow", None), "broken": ("unscannable", None)}
    with running(settings(kafka_cluster, topics, milvus.uri, VIGILENS_SETS__REFRESH_S="0")):
        assert judged() == (nothing, {"known", "allowed"})
        sets("create", "copies", "--encoder", "words")
        sets("add", "copies", str(tmp_path / "known.png"))
        assert judged() == ({**nothing, "crop": ("block", "copies")}, {"known", "allowed", "copies"})
        sets("import-hashes", str(tmp_path / "list.txt"), "--set", "hashes")
        sets("import-hashes", str(tmp_path / "files.txt"), "--set", "files")
        found = {"crop": ("block", "copies"), "hashed": ("block", "hashes"), "broken": ("block", "files")}
        assert judged() == (found, {"known", "allowed", "copies", "hashes", "files"})
        for name in ("copies", "hashes", "files"):
            sets("drop", name, "--yes")
        assert judged() == (nothing, {"known", "allowed"})
