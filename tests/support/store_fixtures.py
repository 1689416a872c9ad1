"""One store on each kind of Milvus, and sets in it, for the tests of what a store promises on all of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from milvus_fixtures import make_set, real_milvus

from patience import Patience
from reference_sets.store import Store
from vectors.lite_server import lite_server

READY_S = 60.0
POOL = 22


@pytest.fixture(scope="module", params=["lite", "lite server", "server"])
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("milvus")
    if request.param == "lite":
        yield str(folder / "sets.db")
    elif request.param == "lite server":
        with lite_server(folder / "sets.db") as address:
            yield address
    else:
        with real_milvus(folder) as address:
            yield address


@pytest.fixture(scope="module")
def store(uri: str) -> Iterator[Store]:
    with Store(uri, patience=Patience(READY_S)) as opened:
        yield opened


@pytest.fixture(scope="module")
def other(uri: str, store: Store) -> Iterator[Store]:  # noqa: ARG001 (it is the first connection)
    """A second connection, as another process has it (Milvus Lite in a file: another store of this process)."""
    with Store(uri, patience=Patience(READY_S)) as opened:
        yield opened


@pytest.fixture(scope="module")
def pool(store: Store) -> list[str]:
    """Empty sets, one for each test that changes one: a server takes 3 s for each, and many at a time."""
    made = [make_set() for _ in range(POOL)]
    with ThreadPoolExecutor(POOL) as several:
        list(several.map(store.create, made))
    return [new.name for new in made]


@pytest.fixture
def name(store: Store, pool: list[str]) -> str:
    if not pool:
        new = make_set()
        store.create(new)
        return new.name
    return pool.pop()


@pytest.fixture(scope="module")
def untouched(store: Store) -> str:
    """An empty set for what must not change it: making one takes a server 3 s."""
    new = make_set()
    store.create(new)
    return new.name
