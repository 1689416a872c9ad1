"""Makes a collection ready for searches, indexed and loaded, whatever a killed process left behind."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from vectors.index import Index

if TYPE_CHECKING:
    from pymilvus import MilvusClient

log = logging.getLogger(__name__)

_ATTEMPTS = 4  # at an index that another process may be changing; before the last one it is taken for damaged


def make_ready(  # noqa: PLR0913 (the last two by keyword)
    client: "MilvusClient",
    name: str,
    wanted: Callable[[], Index],
    timeout_s: float,
    *,
    build_s: float | None = None,
    lite: bool = True,
) -> None:
    """Load a collection; build its index if that is missing, damaged, or another one than is wanted.

    A killed process can leave behind three things: a collection that is not indexed yet; one whose properties ask for
    another index than it has; and (Milvus Lite) a truncated index file, with which loading always fails. Rows are
    stored apart from the index, so none is lost.

    Args:
        client: of the server.
        name: of the collection.
        wanted: reads which index it should have. It is called after the present index was read: a process that changes
            the index changes what is wanted first, so nobody can undo that.
        timeout_s: for one call.
        build_s: for building an index; None: `timeout_s`.
        lite: whether an index that cannot be loaded may be damaged. On a server another process is changing it, and to
            drop what that has begun to build would make both begin again and again.
    """
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

    from vectors.connection import NOT_FOUND, is_away  # noqa: PLC0415

    build_s = build_s or timeout_s
    for left in reversed(range(_ATTEMPTS)):
        try:
            _index(client, name, wanted, timeout_s, build_s)
            client.load_collection(name, timeout=build_s)
        except MilvusException as error:
            if is_away(error) or error.code == NOT_FOUND or not left:
                raise
            if lite and left == 1:  # before that, another process may have been changing the index
                log.warning(
                    "the index of the collection %s is damaged and is rebuilt; no row is lost (%s)", name, error.message
                )
                _drop(client, name, timeout_s)
        else:
            return


def _index(client: "MilvusClient", name: str, wanted: Callable[[], Index], timeout_s: float, build_s: float) -> None:
    """Build the index that is wanted, if it is not there."""
    names = client.list_indexes(name, timeout=timeout_s)
    there = client.describe_index(name, names[0], timeout=timeout_s) if names else None
    index = wanted()
    if there is not None and not index.is_built(there):
        log.info("the index of the collection %s is %s and becomes %s", name, there.get("index_type"), index.type)
        _drop(client, name, timeout_s)
        there = None
    if there is None:
        _build(client, name, index, build_s)


def _drop(client: "MilvusClient", name: str, timeout_s: float) -> None:
    """Drop the index. Another process may do the same at this moment."""
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

    client.release_collection(name, timeout=timeout_s)
    try:
        client.drop_index(name, "vector", timeout=timeout_s)
    except MilvusException:
        if client.list_indexes(name, timeout=timeout_s):
            raise


def _build(client: "MilvusClient", name: str, index: Index, timeout_s: float) -> None:
    """Build an index by cosine. Another process may do the same at this moment."""
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

    params = client.prepare_index_params()
    # pymilvus sends each parameter by itself. Milvus Lite reads only those that are in one, as older clients send them.
    build = {"params": dict(index.build)} if index.build else {}
    params.add_index("vector", index_type=index.type, metric_type="COSINE", params=build)
    try:
        client.create_index(name, params, timeout=timeout_s)
    except MilvusException:
        names = client.list_indexes(name, timeout=timeout_s)
        if not names or not index.is_built(client.describe_index(name, names[0], timeout=timeout_s)):
            raise
