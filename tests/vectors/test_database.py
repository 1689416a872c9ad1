"""What claims and copies of sets depend on, for each kind of Milvus: properties, and the creation of collections."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from milvus_fixtures import make_set, unit

from patience import Patience
from reference_sets import description, rows
from vectors.database import Database
from vectors.errors import NoCollection, StoreError

pytest_plugins = ["store_fixtures"]


@pytest.fixture(scope="module")
def database(uri: str) -> Iterator[Database]:
    with Database(uri, patience=Patience(60)) as opened:
        yield opened


@pytest.fixture(scope="module")
def name(database: Database) -> str:
    name = f"made_{secrets.token_hex(4)}"
    database.create(name, rows.fields(4), {"some.key": "1", "other.key": ""})
    return name


def test_writers_of_different_properties_at_the_same_moment_lose_none_and_read_what_they_wrote(
    uri: str, database: Database, name: str
):
    def write(writer: int) -> int:
        wrong = 0
        with Database(uri) as own:
            for step in range(50):
                own.alter(name, {f"writer.{writer}": str(step), f"too.{writer}": str(-step)})
                now = own.properties(name)
                wrong += (now[f"writer.{writer}"], now[f"too.{writer}"]) != (str(step), str(-step))
        return wrong

    with ThreadPoolExecutor(4) as writers:
        assert list(writers.map(write, range(4))) == [0, 0, 0, 0]
    now = database.properties(name)
    assert {now[f"writer.{writer}"] for writer in range(4)} == {"49"}
    assert (now["some.key"], now["other.key"]) == ("1", "")
    assert database.all()[name] == now


def test_a_property_is_removed_or_the_server_says_that_it_cannot(database: Database, name: str):
    database.alter(name, {"short.lived": "1"})
    try:
        database.remove_properties(name, ["short.lived"])
    except StoreError:
        assert database.properties(name)["short.lived"] == "1"
    else:
        assert "short.lived" not in database.properties(name)
    assert database.properties(name)["some.key"] == "1"


def test_an_existing_collection_can_be_created_again_with_the_same_properties_only(database: Database):
    name = f"made_{secrets.token_hex(4)}"
    ours = description.to_properties(description.to_facts(make_set(name, dimension=4)))
    for _ in range(2):  # the answer to the first attempt may get lost
        database.create(name, rows.fields(4), ours)
    with pytest.raises(StoreError, match=f"there is a collection named {name} in .* already"):
        database.create(name, rows.fields(4), {**ours, "vigilens.note": "another's"})
    assert database.properties(name) == ours
    with pytest.raises(
        StoreError, match=f"a query of {name} must have 4 values"
    ):  # the dimension of the schema, not of the properties
        database.search(name, unit(1, 1, dimension=8), 1, ["label"])
    database.drop(name)
    assert name not in database.all()


def test_a_missing_collection_is_reported(database: Database):
    calls = [
        lambda: database.properties("nowhere"),
        lambda: database.alter("nowhere", {"some.key": "1"}),
        lambda: database.count("nowhere"),
        lambda: database.search("nowhere", unit(1, 1), 1, []),
        lambda: list(database.iterate("nowhere", "", ["id"])),
    ]
    for call in calls:
        with pytest.raises(NoCollection, match=r"^there is no collection named nowhere in "):
            call()
