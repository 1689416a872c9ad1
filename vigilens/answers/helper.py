"""The helper: imports what commands need, and forks itself for each command.

It is executed, never forked from the service, and gets nothing of the service's environment: that holds passwords. It
has one thread and no connections, so that it can be forked. A fork serves one command, in the command's environment,
and ends with it.

    python -m vigilens.answers.helper '{"listeners": [3], "service": 4, "places": […], "address": …, "ready_s": 600}'
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vigilens.answers import ask, meeting
from vigilens.answers.messages import Ended, Lines, Request, installed, receive_request, send_line

MOST = 8  # commands at the same time; others wait
NICE = 5  # the service's own work comes first
_REQUEST_S = 10.0  # for a request to arrive
_LOOK_S = 0.5  # between two looks at which commands have ended
_STOP_S = 5.0  # an interrupted command gets this time to end
_MODULES = (
    "vigilens.wiring",
    "vigilens.commands.sets_create",
    "vigilens.commands.sets_edit",
    "vigilens.commands.sets_hashes",
    "vigilens.commands.sets_tables",
    "vigilens.commands.scan",
    "vigilens.commands.scan_output",
    "config.load",
    "reference_sets.add",
    "reference_sets.backgrounds",
    "reference_sets.defaults",
    "reference_sets.files",
    "reference_sets.in_force",
    "reference_sets.parquet",
    "embedding.choose",
    "embedding.encoders",
    "embedding.pdq",
    "embedding.fetch.fetcher",
    "embedding.processes.decoders",
    "matcher.candidates",
    "matcher.judge",
    "matcher.verdict",
    "matcher.workers",
    "rich.console",
    "rich.table",
    "rich.progress",
)


@dataclass(frozen=True, slots=True)
class Given:
    """What `keep` gives the helper.

    Attributes:
        listeners: file descriptors of the sockets at which commands connect.
        service: file descriptor of a socket that ends with the service.
        places: of the listeners.
        address: of Milvus, for commands whose settings lead to one of the places.
        ready_s: seconds without a command after which the helper ends.
    """

    listeners: list[int]
    service: int
    places: list[str]
    address: str
    ready_s: float


def main(given: Given) -> None:
    """Run commands until the service ends, or there was none for a while, or the code has changed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whoever stops the service may signal all processes
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    listeners = [socket.socket(fileno=number) for number in given.listeners]
    _load()
    code = _times()
    children: set[int] = set()
    until = time.monotonic() + given.ready_s
    while time.monotonic() < until:
        waiting: list[socket.socket | int] = [*([] if len(children) >= MOST else listeners), given.service]
        ready, *_ = select.select(waiting, [], [], _LOOK_S if children else max(0.0, until - time.monotonic()))
        children = {child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0}
        if given.service in ready:
            _stop(children)
            return
        if ready and _times() != code:
            return  # the service starts another one for the command that waits
        for listener in listeners:
            if listener in ready:
                children |= _accepted(listener, listeners, given)
        if ready or children:
            until = time.monotonic() + given.ready_s


def _load() -> None:
    from config.load import load  # noqa: PLC0415 (late, with everything else)
    from vectors.without_pandas import load_pymilvus  # noqa: PLC0415

    load_pymilvus()
    for name in _MODULES:
        importlib.import_module(name)
    from embedding.processes.decoders import NoDecoder, prepare  # noqa: PLC0415

    with suppress(NoDecoder, OSError):
        prepare()
    with suppress(Exception):  # the folder's settings may be wrong; each command has its own
        load()
    gc.collect()
    gc.freeze()


def _times() -> dict[str, int]:
    """Return when each file of our own code was changed."""
    root = installed()
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    own = {file for file in files if file and file.startswith(root) and "site-packages" not in file[len(root) :]}
    return {file: os.stat(file).st_mtime_ns if os.path.exists(file) else 0 for file in own}  # noqa: PTH110, PTH116 (200)


def _accepted(listener: socket.socket, listeners: list[socket.socket], given: Given) -> set[int]:
    """Fork for one command, and return the process."""
    try:
        connection, _ = listener.accept()
    except OSError:  # it has gone, or this process has too many files
        return set()
    with connection:
        try:
            child = os.fork()
        except OSError:
            return set()
        if child:
            return {child}
        code = 1
        try:
            for each in listeners:
                each.close()
            os.close(given.service)
            code = _serve(connection, given)
        except (Ended, OSError):
            pass
        except BaseException:  # noqa: BLE001 (it must not return into the loop that forked it)
            traceback.print_exc()
        finally:
            os._exit(code)


def _serve(connection: socket.socket, given: Given) -> int:
    """Run the command of a connection and return the exit code."""
    connection.settimeout(_REQUEST_S)
    if not meeting.same_user(connection):
        return 1
    request, files = receive_request(connection)
    if request.code != installed():
        send_line(connection, "declined", "another installation")
        return 1
    _become(request, files)
    if why := _not_for_us(request, given):
        send_line(connection, "declined", why)
        return 1
    send_line(connection, "ready")
    lines = Lines(connection)
    if lines.next()[0] != "go":
        return 1
    connection.settimeout(None)
    noticed = threading.Event()

    def interrupt(*_: object) -> None:
        noticed.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_interrupt, args=(lines, noticed), daemon=True).start()
    code = _run(request)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    send_line(connection, "ended", str(code))
    return code


def _become(request: Request, files: list[int]) -> None:
    """Take over the command's terminal, folder and environment."""
    os.setsid()
    *terminal, folder = files
    for number, file in enumerate(terminal):
        os.dup2(file, number)
        os.close(file)
    os.fchdir(folder)
    os.close(folder)
    os.umask(request.umask)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    encodings = request.encodings
    sys.stdin = open(0, encoding=encodings[0], closefd=False)  # noqa: SIM115 (for the process's whole life)
    sys.stdout = open(1, "w", encoding=encodings[1], closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encodings[2], errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _not_for_us(request: Request, given: Given) -> str:
    """Return why the command must do the work itself; empty: it need not. Milvus's address is in force afterwards."""
    from config.load import load  # noqa: PLC0415 (loaded already)

    try:
        uri = load(Path(request.settings) if request.settings else None).milvus.uri
    except Exception:  # noqa: BLE001 (the command itself reports it)
        return "the settings"
    if str(meeting.place(uri)) not in given.places:
        return "another milvus.uri"
    os.environ["VIGILENS_MILVUS__URI"] = given.address
    return ""


def _run(request: Request) -> int:
    from vigilens.cli import main as command_line  # noqa: PLC0415 (loaded already)

    ask.answer_here()
    named = ["--config", request.settings] if request.settings else []
    try:
        command_line([*named, *request.words], prog_name="vigilens")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (a bug is reported as it would be by a process of its own)
        traceback.print_exc()
        code = 1
    with suppress(OSError):
        sys.stdout.flush()
    return code


def _interrupt(lines: Lines, noticed: threading.Event) -> None:
    """Interrupt the command for each Ctrl-C, and when the terminal's process ends."""
    with suppress(Ended, OSError):
        while True:
            lines.next()
            _interrupt_once(noticed)
    _interrupt_once(noticed)
    time.sleep(_STOP_S)
    os._exit(1)


def _interrupt_once(noticed: threading.Event) -> None:
    """Interrupt the main thread, again if it did not notice: a signal just before a call that waits has no effect."""
    noticed.clear()
    for _ in range(int(_STOP_S / _LOOK_S)):
        os.kill(os.getpid(), signal.SIGINT)
        if noticed.wait(_LOOK_S):
            return


def _stop(children: set[int]) -> None:
    """Interrupt the commands: the service ends, and with it perhaps their Milvus."""
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT)


if __name__ == "__main__":
    main(Given(**json.loads(sys.argv[1])))
