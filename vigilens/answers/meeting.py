"""Where a command and a helper meet: a socket beside the Milvus Lite file; for an address, in a folder of the user."""

import os
import re
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from vectors.connection import file_of, is_file

SUFFIX = ".sock"
MOST = 100  # bytes of a name; the system's limit is 104 or 108, for the whole path
_CREDENTIALS = struct.Struct("3i")  # process, user, group


def place(uri: str) -> Path | None:
    """Return the path of the socket for a `milvus.uri`; None: there cannot be one."""
    if is_file(uri):
        file = file_of(uri).resolve()
        found = file.with_name(file.name + SUFFIX)
    else:
        host = urlsplit(uri).netloc.rpartition("@")[2].replace("localhost", "127.0.0.1")
        found = users_folder() / f"{re.sub(r'[^A-Za-z0-9.-]', '_', host)}{SUFFIX}"
    return found if len(os.fsencode(found.name)) <= MOST and hasattr(socket, "SO_PEERCRED") else None


def users_folder() -> Path:
    """Return the folder for the sockets of addresses. It may not be there yet."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"vigilens-{os.geteuid()}"  # noqa: S108 (owner is checked)


def make_users_folder() -> None:
    """Make the folder, for this user only.

    Raises:
        OSError: it is there and somebody else could have made it.
    """
    folder = users_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user only")


@contextmanager
def short(path: Path) -> Iterator[str]:
    """Yield a name for the socket that is short enough for the system. Only for a program that has one thread then."""
    if len(os.fsencode(path)) <= MOST:
        yield str(path)
        return
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        yield path.name
    finally:
        os.fchdir(here)
        os.close(here)


def is_ours(path: Path) -> bool:
    """Return whether there is a socket of this user."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()


def same_user(connection: socket.socket) -> bool:
    """Return whether the other end was opened by a process of this user."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(raw)[1] == os.geteuid())
