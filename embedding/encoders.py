"""The encoders that are configured, by name. Each is loaded when it is first needed, and with it only its libraries."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from embedding.choose import Configured, choose
from embedding.encoder import Encoder, EncoderError, in_short

log = logging.getLogger("vigilens.encoder")


@dataclass(frozen=True, slots=True)
class Loaded:
    """An encoder that is ready, and its name in the settings."""

    name: str
    encoder: Encoder


class Encoders:
    """The configured encoders. Safe to use from several threads: others wait for the one that loads.

    Args:
        configured: by name.
        default: name of the encoder of sets for which none is named.
    """

    def __init__(self, configured: Mapping[str, Configured], default: str) -> None:
        self._configured = dict(configured)
        self.default = default
        self._lock = threading.RLock()
        self._loaded: dict[str, Encoder] = {}
        self._failed: dict[str, EncoderError] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all configured encoders."""
        return tuple(self._configured)

    def get(self, name: str = "") -> Encoder:
        """The encoder of this name, loaded; empty: the default one.

        Raises:
            EncoderError: there is none of this name, or its vectors would not be right; one sentence with the fix. An
                encoder that could not be loaded is not tried again by this process.
        """
        name = name or self.default
        with self._lock:
            if name in self._failed:
                raise self._failed[name]
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def with_fingerprint(self, fingerprint: str) -> Loaded:
        """The encoder that made a set's vectors. Loads those that it could be, one after the other.

        Raises:
            EncoderError: none of those that are configured.
        """
        with self._lock:
            wrong = [str(error) for error in self._failed.values()]
            for name in self._candidates(fingerprint):
                try:
                    encoder = self.get(name)
                except EncoderError as error:
                    wrong.append(str(error))
                    continue
                if encoder.fingerprint == fingerprint:
                    return Loaded(name, encoder)
            known = ", ".join(f"{name} ({each.fingerprint})" for name, each in sorted(self._loaded.items()))
        tried = f"; loaded are {known}" if known else ""
        failed = f"; not loaded: {'; '.join(dict.fromkeys(wrong))}" if wrong else ""
        raise EncoderError(f"no table [encoders.NAME] of the settings is the encoder {fingerprint}{tried}{failed}")

    def _candidates(self, fingerprint: str) -> Iterator[str]:
        """Names of the encoders that may have this fingerprint, those that are loaded first."""
        loaded = [name for name, each in self._loaded.items() if each.fingerprint == fingerprint]
        kind = fingerprint.partition(":")[0]
        possible = (name for name, each in self._configured.items() if kind in each.prefixes)
        yield from dict.fromkeys([*loaded, *(name for name in possible if name not in self._failed)])

    def _load(self, name: str) -> Encoder:
        if name not in self._configured:
            raise EncoderError(
                f"there is no encoder {name}: add a table [encoders.{name}] to the settings, or use one of "
                f"{', '.join(self.names)}"
            )
        started = time.monotonic()
        try:
            encoder = choose(self._configured[name])
        except EncoderError as error:
            self._failed[name] = EncoderError(f"encoders.{name}: {error}")
            raise self._failed[name] from error
        except Exception as error:
            # Also a lack of memory, for which libraries have errors of their own. A set that comes later must not end
            # a service that judges by others.
            log.exception("the encoder %s cannot be loaded", name)
            self._failed[name] = EncoderError(f"encoders.{name}: it cannot be loaded: {in_short(error)}")
            raise self._failed[name] from error
        fields = {"name": name, "how": encoder.backend, "seconds": round(time.monotonic() - started, 1)}
        log.info("encoder", extra={"fields": {**fields, "fingerprint": encoder.fingerprint}})
        return encoder
