"""The processes of the chaos besides the brokers: workers and Milvus; and two small sets."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from config.load import variable
from harness.processes import Leash, Program, ProgramFailed, tail
from harness.service import plain_environment
from reference_sets.model import Kind, Thresholds
from vectors.lite_server import LiteServer

STOP_S = 60.0  # a program that takes longer to stop is stuck
_VIGILENS = (sys.executable, "-m", "vigilens.cli")
YOUNG_S = 5.0  # a program that exits so soon after its start …
YOUNG_ENDS = 8  # … so often in a row will never work


class Worker(Program):
    """A process of the service that can be restarted, with counts of its exits.

    Attributes:
        ended: exit code → how often it exited unexpectedly, and was started again.
        slowest_stop_s: of all its orderly stops.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], folder: Path, leash: Leash) -> None:
        log = folder / f"{name}.log"
        super().__init__(name, command, log, leash, env=env, folder=folder, stop_timeout_s=STOP_S)
        self.ended: Counter[int] = Counter()
        self.slowest_stop_s = 0.0
        self._young_ends = 0

    def stop(self) -> int:
        """As for any program: waits until the worker has finished the work that it has taken."""
        begun = time.monotonic()
        code = super().stop()
        self.slowest_stop_s = max(self.slowest_stop_s, time.monotonic() - begun)
        return code

    def restart_if_ended(self) -> str:
        """Start it again if it exited unexpectedly; returns a sentence with its last log line, else an empty string.

        Raises:
            ProgramFailed: it exits again and again right after its start.
        """
        with self._lock:  # so that no other thread kills or stops it meanwhile: such an exit is not unexpected
            code = None if self._process is None else self._process.poll()
            if code is None:
                return ""
            self.ended[code] += 1
            self._young_ends = self._young_ends + 1 if time.monotonic() - self.started_at < YOUNG_S else 0
            if self._young_ends >= YOUNG_ENDS:
                raise ProgramFailed(f"{self.name} exits right after its start ({code}); {self.end_of_log()}")
            last = tail(self.log, 1)
            self.start()
        return f"{self.name} exited unexpectedly with code {code}; its last log line: {last}"


class Supervisor:
    """Starts workers again that exited unexpectedly, and reports it, in its own thread."""

    def __init__(self, programs: Sequence[Worker], say: Callable[[str], None]) -> None:
        self._programs = programs
        self._say = say
        self._stop = threading.Event()
        self._error: ProgramFailed | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.5):
                for program in self._programs:
                    if happened := program.restart_if_ended():
                        self._say(happened)
        except ProgramFailed as error:
            self._error = error

    def check(self) -> None:
        """Raise the error of a program that cannot be started."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop restarting workers."""
        self._stop.set()
        self._thread.join()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program: ours without its Vigilens settings, and with `settings` ("kafka.group" → value)."""
    ours = {variable(key): value for key, value in settings.items()}
    return plain_environment(os.environ) | ours | {"PYTHONUNBUFFERED": "1"}


def worker(without: str | None) -> list[str]:
    """The command of a worker, without the precaution that `without` names."""
    if without is None:
        return [*_VIGILENS, "run"]
    return [sys.executable, "-m", "benchmarks.sabotage", without, "run"]


class Milvus:
    """A Milvus Lite server, as `vigilens milvus` runs it, at an address that stays the same after restarts.

    Attributes:
        uri: for the store; set by the first start.
    """

    def __init__(self, folder: Path) -> None:
        self._data = folder / "sets.db"
        self._server: LiteServer | None = None
        self.uri = ""

    def start(self) -> None:
        """Start it, and wait until it answers."""
        port = int(self.uri.rpartition(":")[2]) if self.uri else 0
        self._server = LiteServer(self._data, port)
        self.uri = self._server.uri

    def stop(self) -> None:
        """End it in an orderly way."""
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._server is not None:
            self._server.kill()

    def pause(self) -> None:
        """Stall it."""
        if self._server is not None:
            os.kill(self._server.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """End the stall."""
        if self._server is not None:
            os.kill(self._server.pid, signal.SIGCONT)


def make_sets(uri: str, files: Sequence[bytes], say: Callable[[str], None], *, two_encoders: bool) -> None:
    """Sets of real pictures: the first tenth of `files` is harmful, the second tenth allowed.

    The encoder is PDQ: the fastest one gives the most transactions. With `two_encoders`, the harmful pictures are in a
    set of the encoder `words` too.
    """
    from embedding.choose import choose  # noqa: PLC0415 (heavy)
    from embedding.decode.decoder import decode  # noqa: PLC0415
    from embedding.look import look  # noqa: PLC0415
    from embedding.picture import Picture  # noqa: PLC0415
    from reference_sets.defaults import new_set  # noqa: PLC0415
    from reference_sets.parts import needs, reference  # noqa: PLC0415
    from reference_sets.store import Store  # noqa: PLC0415

    tenth = max(1, len(files) // 10)
    harmful, allowed = files[:tenth], files[tenth : 2 * tenth]
    kinds: dict[str, tuple[Kind, Literal["pdq", "words"], Sequence[bytes]]] = {
        "known": (Kind.HARMFUL, "pdq", harmful),
        "fine": (Kind.ALLOW, "pdq", allowed),
    }
    if two_encoders:
        kinds["copies"] = Kind.HARMFUL, "words", harmful
    with Store(uri) as store:
        for name, (kind, of, pictures) in kinds.items():
            encoder = choose(of)
            limits = Thresholds(0.758, 0.9) if of == "pdq" else None
            known = new_set(encoder, name, kind=kind, category="known", thresholds=limits)
            store.create(known)
            decoded = [decode(file, 10_000_000) for file in pictures]
            pixels = [each.pixels for each in decoded if isinstance(each, Picture)]
            looks = look([encoder], pixels, needs(known))
            made = [reference(one, known, f"{name}-{number}", name) for number, one in enumerate(looks)]
            store.upsert(name, [one for one in made if one])
            say(f"set {name}, {of}: {store.count(name)} pictures")
