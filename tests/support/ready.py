"""Encoders that tests made, in place of configured ones."""

from embedding.encoder import EncoderError
from embedding.encoders import Loaded


class Ready:
    """The given encoders, by their names; the first is the default one."""

    def __init__(self, *encoders):
        self.by_name = {each.name: each for each in encoders}
        self.default = encoders[0].name

    def get(self, name=""):
        return self.by_name[name or self.default]

    def with_fingerprint(self, fingerprint):
        for name, each in self.by_name.items():
            if each.fingerprint == fingerprint:
                return Loaded(name, each)
        raise EncoderError(f"no table [encoders.NAME] of the settings is the encoder {fingerprint}")
