"""Makes a collection ready for searches, indexed and loaded, whatever a killed process left behind."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymilvus import MilvusClient

log = logging.getLogger(__name__)


def make_ready(client: "MilvusClient", name: str, timeout_s: float) -> None:
    """Load a collection; build its index if that is missing or damaged.

    A killed process can leave behind two things: a collection that is not indexed yet, and (Milvus Lite) a truncated
    index file, with which loading always fails. Rows are stored apart from the index, so none is lost.
    """
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

    from vectors.connection import NOT_FOUND, is_away  # noqa: PLC0415

    if not client.list_indexes(name, timeout=timeout_s):
        _index(client, name, timeout_s)
    try:
        client.load_collection(name, timeout=timeout_s)
    except MilvusException as error:
        if is_away(error) or error.code == NOT_FOUND:
            raise
        log.warning(
            "the index of the collection %s is damaged and is rebuilt; no row is lost (%s)", name, error.message
        )
        client.release_collection(name, timeout=timeout_s)
        client.drop_index(name, "vector", timeout=timeout_s)
        _index(client, name, timeout_s)
        client.load_collection(name, timeout=timeout_s)


def _index(client: "MilvusClient", name: str, timeout_s: float) -> None:
    """Build an index for exact search by cosine. Approximate indexes silently miss neighbours."""
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="COSINE")
    client.create_index(name, params, timeout=timeout_s)
