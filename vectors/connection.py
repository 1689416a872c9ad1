"""Opens the connection to Milvus, and sorts its errors into "away" and "fix this"."""

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vectors.errors import NoCollection, StoreError
from vectors.passing import is_passing
from vectors.without_pandas import load_pymilvus

if TYPE_CHECKING:
    from pymilvus import MilvusClient

# gRPC's C core writes each refused connection to stderr, although we get an exception too. Set before grpc is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

SCHEMES = ("http", "https", "tcp")
_LATE = re.compile(r"wait for (flush|loading collection) timeout|create index .* timeout")  # of pymilvus
NOT_FOUND = 100  # Milvus error codes
CONNECT_FAILED = 2
NOT_AUTHENTICATED = 1800
DATABASE_NOT_FOUND = 800
# By default, gRPC waits up to 120 s before it tries to reach a server again that was away for long. All channels to one
# address share that wait, so even the new channel that pymilvus opens to recover would be refused without a try.
CHANNEL = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
}


def is_file(uri: str) -> bool:
    """Return whether the uri names a Milvus Lite file."""
    return "://" not in uri


def place(uri: str) -> str:
    """Return the uri for messages: without the password that it may contain."""
    return uri if is_file(uri) else f"{urlsplit(uri).scheme}://{urlsplit(uri).netloc.rpartition('@')[2]}"


def check_uri(uri: str) -> None:
    """Raise StoreError if the uri is neither a path nor an address."""
    if not is_file(uri) and (urlsplit(uri).scheme not in SCHEMES or not urlsplit(uri).hostname):
        raise StoreError(f"milvus.uri is {place(uri)}; it must be a file's path or http(s)://host:port")


def connect(address: str, token: str, database: str, timeout_s: float) -> "MilvusClient":
    """Return a client of the server at `address`, which has answered one call.

    Raises:
        Exception: whatever pymilvus and gRPC raise; use `is_away` and `explained` on it.
    """
    load_pymilvus()
    from pymilvus import MilvusClient  # noqa: PLC0415 (0.2 s)

    quieten()
    loopback = urlsplit(address).hostname in {"127.0.0.1", "localhost", "::1"}
    options = CHANNEL | ({"grpc.enable_http_proxy": 0} if loopback else {})
    client = MilvusClient(
        uri=address, token=token, db_name=database, timeout=timeout_s, dedicated=True, grpc_options=options
    )
    try:
        client.list_collections(timeout=timeout_s)  # only a real call reveals a wrong token or database
    except BaseException:
        client.close()
        raise
    return client


def quieten() -> None:
    """Turn off tracebacks on stderr for calls that failed or that Milvus Lite does not know: we raise those errors.

    Call it after the import of pymilvus, which sets its own levels.
    """
    for noisy in ("pymilvus", "milvus_lite", "grpc._server"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL + 1)


def is_milvus_error(error: Exception) -> bool:
    """Return whether the error came from Milvus or from the connection, and is not a bug of ours."""
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 (no stubs; late, with pymilvus)
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415

    return isinstance(error, (MilvusException, grpc.RpcError)) or _is_reconnecting(error)


def _is_reconnecting(error: Exception) -> bool:
    """Return whether another thread was replacing the channel that this call wanted to use."""
    return isinstance(error, ValueError) and "closed channel" in str(error)


def is_away(error: Exception) -> bool:
    """Return whether the server could not be reached, did not answer in time, or is in a state that passes."""
    import grpc  # noqa: PLC0415
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415

    away = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
    if isinstance(error, grpc.RpcError):
        return error.code() in away
    if not isinstance(error, MilvusException):
        return _is_reconnecting(error)
    if error.code == CONNECT_FAILED:
        return not isinstance(error.__cause__, grpc.RpcError) or error.__cause__.code() in away
    retried = "Retry timeout" in error.message or "Retry run out" in error.message
    return error.code in away or retried or is_late(error) or is_passing(error)


def is_late(error: Exception) -> bool:
    """Return whether Milvus took longer than a call could wait. It may be at work, or it may be away."""
    import grpc  # noqa: PLC0415
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415

    if _code(error) is grpc.StatusCode.DEADLINE_EXCEEDED:
        return True
    return isinstance(error, MilvusException) and _LATE.search(error.message) is not None


def explained(error: Exception, where: str, name: str = "") -> StoreError:
    """Return an error that explains a failed call to the operator. The quoted messages of libraries have no secrets."""
    code, cause, text = _code(error), error.__cause__, _text(error)
    if name and code == NOT_FOUND:
        return NoCollection(name, where)
    if code == NOT_AUTHENTICATED or "UNAUTHENTICATED" in (getattr(one, "name", "") for one in (code, _code(cause))):
        return StoreError(f"Milvus at {where} refuses milvus.token; set the right VIGILENS_MILVUS__TOKEN")
    if code == DATABASE_NOT_FOUND or re.search(r"database .*(not found|not exist)", text):
        return StoreError(f"Milvus at {where} does not have the database that milvus.database names: {text}")
    return StoreError(f"Milvus at {where} refused{f' for the collection {name}' if name else ''}: {text}")


def _code(error: BaseException | None) -> Any:
    """Return Milvus's error number or gRPC's status."""
    code = getattr(error, "code", None)
    return code() if callable(code) else code


def why_away(error: Exception, where: str) -> str:
    """Return one line for the log while Milvus is away, or answers that it is not ready."""
    answered = isinstance(getattr(error, "code", None), int) and is_passing(error) and _code(error) != CONNECT_FAILED
    return f"Milvus at {where} {'is not ready' if answered else 'does not answer'} ({_text(error)})"


def _text(error: Any) -> str:
    details = getattr(error, "details", None)  # a gRPC error has it
    text = getattr(error, "message", "") or (details() if callable(details) else "") or str(error)
    return " ".join(str(text).split())[:300]


def file_of(uri: str) -> Path:
    """Return the path of a Milvus Lite file."""
    return Path(uri).expanduser()
