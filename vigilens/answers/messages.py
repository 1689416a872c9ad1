"""What a command and the helper say to each other.

command  the request, with its folder and the files of its terminal
helper   "ready", or "declined" and why: then the command does the work itself
command  "go"; without it nothing is done, so that work is never done by both
command  "stop" for each Ctrl-C; the end of the connection means the same
helper   "ended" and the exit code
"""

import json
import os
import socket
import struct
from dataclasses import asdict, dataclass

FILES = 4  # standard input, output and error, and the folder
_LENGTH = struct.Struct("<I")
_MOST = 8 << 20  # bytes of a request: arguments and environment, which the system limits to 2 MiB on most machines
_LINE = 4096


class Ended(Exception):  # noqa: N818 (it is no error of this program)
    """The other side is gone, or says something else than it should."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command.

    Attributes:
        words: of the command line, without the program's name.
        settings: the settings file that was named on the command line; empty: none.
        environment: of the command.
        code: the code of the command's installation, see `installed`.
        encodings: of its standard input, output and error.
        umask: permissions that new files do not get.
    """

    words: list[str]
    settings: str
    environment: dict[str, str]
    code: str
    encodings: list[str]
    umask: int


def installed() -> str:
    """Return what distinguishes two installations: where the code is."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 (a word)


def send_request(to: socket.socket, request: Request, files: list[int]) -> None:
    """Send a request and its files."""
    data = json.dumps(asdict(request)).encode("ascii")  # JSON escapes the surrogates of names that are not UTF-8
    socket.send_fds(to, [_LENGTH.pack(len(data))], files)
    to.sendall(data)


def receive_request(of: socket.socket) -> tuple[Request, list[int]]:
    """Return a request and its files.

    Raises:
        Ended: there is none.
        OSError: it does not come in time.
    """
    head, files, *_ = socket.recv_fds(of, _LENGTH.size, FILES)
    if len(head) != _LENGTH.size or len(files) != FILES:
        raise Ended
    left = _LENGTH.unpack(head)[0]
    data = bytearray()
    while len(data) < min(left, _MOST):
        part = of.recv(min(left - len(data), 1 << 16))
        if not part:
            raise Ended
        data += part
    try:
        return Request(**json.loads(data)), files
    except (ValueError, TypeError) as error:
        raise Ended from error


def send_line(to: socket.socket, word: str, text: str = "") -> None:
    """Send a word, and a text of one line."""
    to.sendall(f"{word} {' '.join(text.split())}".encode()[: _LINE - 1] + b"\n")


class Lines:
    """Reads lines of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = b""

    def next(self) -> tuple[str, str]:
        """Return the next word and its text.

        Raises:
            Ended: the connection has ended.
            OSError: no line comes in time.
        """
        while b"\n" not in self._read:
            part = self._connection.recv(_LINE)
            if not part or len(self._read) > _LINE:
                raise Ended
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        word, _, text = line.decode(errors="replace").partition(" ")
        return word, text
