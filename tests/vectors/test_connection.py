"""How the answers of a server that refuses us are explained."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from patience import Away, Patience
from reference_sets.store import Store, StoreError


class Refusing(grpc.GenericRpcHandler):
    """Answers every call with one status."""

    def __init__(self, status: grpc.StatusCode):
        self.status = status

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
            return context.abort(self.status, "auth check failure, please check username and password are correct")

        return grpc.unary_unary_rpc_method_handler(refuse)


@contextmanager
def refusing(status: grpc.StatusCode) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Refusing(status)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_wrong_token_is_reported_with_the_fix_and_is_not_tried_again():
    waits: list[str | None] = []
    with refusing(grpc.StatusCode.UNAUTHENTICATED) as uri:
        with pytest.raises(StoreError, match=r"refuses milvus\.token; set the right VIGILENS_MILVUS__TOKEN") as caught:
            Store(uri, token="root:t0ken", patience=Patience(60, on_wait=waits.append))  # noqa: S106 (not a real one)
        assert "t0ken" not in str(caught.value)
    assert waits == []


def test_a_server_that_says_it_is_unavailable_is_away():
    with refusing(grpc.StatusCode.UNAVAILABLE) as uri, pytest.raises(Away, match="does not answer"):
        Store(uri, timeout_s=1.0)
