"""The house rules that a reader of the code relies on: who imports whom, how long things are, what the indexes say."""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("config", "embedding", "reference_sets", "matcher", "consumer", "vigilens", "demo", "benchmarks", "training")
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").glob("*.py"))
RULE = re.compile(r"(?:noqa: |type: ignore\[)(?P<rule>[A-Za-z0-9-]+(?:, [A-Z0-9]+)*)\]?(?P<reason>.*)")
FILE_LINES, FUNCTION_LINES = 300, 40

# Which rooms a room may import, besides itself. One direction: an image never comes back.
MAY_IMPORT = {
    "config": set(),
    "embedding": set(),
    "reference_sets": {"embedding"},
    "matcher": {"embedding", "reference_sets"},
    "consumer": {"matcher", "reference_sets.patience", "embedding.source"},
    "vigilens": set(ROOMS),
    "demo": set(ROOMS),
    "benchmarks": set(ROOMS),
    "training": {"embedding"},
}
# Libraries that a room never imports, not even late.
NEVER = {
    "config": {"kafka", "pymilvus", "torch", "PIL", "numpy"},
    "embedding": {"kafka", "pymilvus"},
    "reference_sets": {"kafka", "torch"},
    "matcher": {"kafka", "pymilvus", "torch"},
    "consumer": {"torch", "PIL", "pymilvus"},
    "vigilens": {"torch", "PIL", "pymilvus"},
}
# Files that import the standard library only: every room may use them, and nothing is loaded with them.
PLAIN = ("embedding/source.py", "reference_sets/model.py", "reference_sets/patience.py", "reference_sets/errors.py")
PURE = (ROOT / "matcher/decide.py", ROOT / "matcher/evidence.py")  # table-tested without Kafka, Milvus or torch


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, also inside functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from embedding import source` names a module as well
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def permitted(module: str, room: str) -> bool:
    return any(module == door or module.startswith(f"{door}.") for door in {room, *MAY_IMPORT[room]})


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room):
    wrong = [
        f"{name(path)} imports {module}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == room
        for module in imported(path)
        if module.split(".")[0] in ROOMS and not permitted(module, room)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", NEVER)
def test_libraries_stay_in_their_rooms(room):
    wrong = [
        f"{name(path)} imports {module}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == room
        for module in imported(path)
        if module.split(".")[0] in NEVER[room]
    ]
    assert wrong == []


@pytest.mark.parametrize("file", PLAIN)
def test_plain_files_import_the_standard_library_only(file):
    strangers = {module.split(".")[0] for module in imported(ROOT / file)} - sys.stdlib_module_names
    assert strangers <= {"reference_sets", "embedding"}


@pytest.mark.parametrize("path", PURE, ids=name)
def test_the_decision_is_pure(path):
    allowed = sys.stdlib_module_names - {"os", "io", "time", "random", "socket", "datetime", "logging"}
    ours = {m for m in imported(path) if m.split(".")[0] in {"reference_sets", "matcher"}}
    assert [m for m in imported(path) if m not in ours and m.split(".")[0] not in allowed] == []
    assert {m.rpartition(".")[0] for m in ours} <= {"reference_sets.model", "matcher.evidence"}


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=name)
def test_a_file_fits_into_a_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_function_fits_on_a_screen(path):
    """Its docstring does not count: it is there to be read before."""
    long = {each.name: length for each in functions(path) if (length := lines(each)) > FUNCTION_LINES}
    assert long == {}


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return total
    assert first.end_lineno
    return total - (first.end_lineno - first.lineno + 1)


@pytest.mark.parametrize("room", ROOMS)
def test_the_index_of_a_room_lists_exactly_its_files(room):
    docstring = ast.get_docstring(tree(ROOT / room / "__init__.py")) or ""
    _, _, index = docstring.partition("\n\n") if "\n\n" in docstring else ("", "", docstring)
    entries = re.findall(r"^ *((?:[a-z_0-9]+, )*[a-z_0-9]+) +\S", index, re.MULTILINE)
    listed = [each for entry in entries for each in entry.split(", ")]
    there = {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=name)
def test_nothing_is_left_for_later(path):
    unfinished = ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error")
    text = path.read_text(encoding="utf-8")
    assert [word for word in unfinished if word in text] == []


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_tests_neither_sleep_nor_mock(path):
    modules = set(imported(path))
    assert not {m for m in modules if m.startswith("unittest")}
    assert "time.sleep" not in modules
    naps = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "sleep"]
    assert [ast.unparse(nap) for nap in naps] == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_an_exception_from_a_rule_carries_its_reason(path):
    """Once in a file is enough for each rule."""
    with path.open("rb") as file:
        comments = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    found = [RULE.search(each) for each in comments]
    excused = {match["rule"] for match in found if match and match["reason"].strip()}
    assert {match["rule"] for match in found if match} - excused == set()
