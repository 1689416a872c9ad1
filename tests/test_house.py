"""The house rules that a reader of the code relies on: who imports whom, how long things are, what the indexes say."""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = (
    "config",
    "patience",
    "embedding",
    "vectors",
    "reference_sets",
    "matcher",
    "consumer",
    "alerting",
    "vigilens",
)
ROOMS = (*PRODUCT, "harness", "demo", "benchmarks", "training", "ops")
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
RULE = re.compile(r"(?:noqa: |type: ignore\[)(?P<rule>[A-Za-z0-9-]+(?:, [A-Z0-9]+)*)\]?(?P<reason>.*)")
FILE_LINES, FUNCTION_LINES = 300, 40

# Which rooms a room may import, besides itself. One direction: an image never comes back.
MAY_IMPORT = {
    "config": set(),
    "patience": set(),
    "embedding": set(),
    "vectors": {"patience"},
    "reference_sets": {"embedding", "vectors", "patience"},
    "matcher": {"embedding", "reference_sets"},
    "consumer": {"matcher", "patience", "embedding.image", "reference_sets.in_force"},
    "alerting": {"consumer", "patience"},
    "vigilens": {*PRODUCT},
    "harness": {*PRODUCT} - {"vigilens"},
    "demo": {*PRODUCT, "harness"},
    "benchmarks": set(ROOMS),
    "training": {"embedding"},
    "ops": {"consumer.metric_names"},
}
# Libraries that a room, or a folder of it, never imports, not even late.
NEVER = {
    "config": {"kafka", "pymilvus", "torch", "PIL", "numpy"},
    "embedding": {"kafka", "pymilvus"},
    "embedding/local": {"torch"},
    "vectors": {"kafka", "torch", "PIL", "cv2"},
    "reference_sets": {"kafka", "torch"},
    "matcher": {"kafka", "pymilvus", "torch"},
    "consumer": {"torch", "PIL", "pymilvus"},
    "alerting": {"torch", "PIL", "pymilvus"},
    "vigilens": {"torch", "PIL", "pymilvus"},
}
# Files that import the standard library only: every room may use them, and nothing is loaded with them.
PLAIN = ("embedding/image.py", "reference_sets/model.py", "patience/__init__.py", "vectors/errors.py")
# Table-tested without Kafka, Milvus or torch.
PURE = tuple(f"matcher/{each}.py" for each in ("decide", "levels", "veto", "corroborate", "evidence"))
CLOCK = {"now", "utcnow", "today"}  # of datetime, whose values are passed in


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, *, at_run_time: bool = False) -> Iterator[str]:
    """Full names of all modules that a file imports, also inside functions; `at_run_time`: not for type checkers."""
    skipped = set()
    if at_run_time:
        guards = [n for n in ast.walk(tree(path)) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
        skipped = {id(node) for guard in guards for node in ast.walk(guard)}
    for node in ast.walk(tree(path)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from embedding import image` names a module as well
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def below(folder: str) -> list[Path]:
    return [path for path in FILES if path.is_relative_to(ROOT / folder)]


def permitted(module: str, room: str) -> bool:
    return any(module == door or module.startswith(f"{door}.") for door in {room, *MAY_IMPORT[room]})


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_imports_go_one_way():
    wrong = [
        f"{name(path)} imports {module}"
        for room in ROOMS
        for path in below(room)
        for module in imported(path)
        if module.split(".")[0] in ROOMS and not permitted(module, room)
    ]
    assert wrong == []


def test_no_file_imports_itself_through_others():
    modules = {name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in FILES}
    needs = {
        module: {
            known for m in imported(path, at_run_time=True) for known in (m, m.rpartition(".")[0]) if known in modules
        }
        for module, path in modules.items()
    }
    done: set[str] = set()
    while free := {module for module, needed in needs.items() if module not in done and needed - {module} <= done}:
        done |= free
    assert sorted(set(modules) - done) == []


def test_libraries_stay_in_their_rooms():
    wrong = [
        f"{name(path)} imports {module}"
        for folder, libraries in NEVER.items()
        for path in below(folder)
        for module in imported(path)
        if module.split(".")[0] in libraries
    ]
    assert wrong == []


def test_the_product_opens_pictures_in_decoder_processes_only():
    """Whatever decodes a file in the service's own process would give a hostile one its passwords and connections."""
    inside = ("embedding/decode/", "embedding/processes/", "embedding/views.py")
    ours = "embedding/probe.py"  # the packaged picture
    wrong = [
        f"{name(path)}: {what}"
        for room in PRODUCT
        for path in below(room)
        if not name(path).startswith((*inside, ours))
        for what in opening(path)
    ]
    assert wrong == []
    assert all(opening(ROOT / each) for each in (ours, "embedding/views.py", "embedding/processes/serve.py"))


def opening(path: Path) -> list[str]:
    """Where a file imports our decoders, or calls one of a library."""
    modules = {
        module
        for module in imported(path)
        if module.startswith(("embedding.decode.", "embedding.views.", "simplejpeg"))
    }
    calls = [ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    libraries = {"Image.open", "PIL.Image.open", "cv2.imdecode", "cv2.imread", "pi_heif.open_heif"}
    return sorted(modules | libraries.intersection(calls))


def test_plain_files_import_the_standard_library_only():
    foreign = {
        f"{file} imports {module}"
        for file in PLAIN
        for module in imported(ROOT / file, at_run_time=True)
        if module.split(".")[0] not in sys.stdlib_module_names
        and not module.startswith(("embedding.", "reference_sets."))
    }
    assert foreign == set()


def test_the_decision_is_pure():
    allowed = sys.stdlib_module_names - {"os", "io", "time", "random", "socket", "logging"}
    ours = {
        "reference_sets.model",
        "reference_sets.in_memory.constants",
        "embedding.image",
        *(file.removesuffix(".py").replace("/", ".") for file in PURE),
    }
    wrong = [
        f"{file} imports {module}"
        for file in PURE
        for module in imported(ROOT / file)
        if module.split(".")[0] not in allowed and module.rpartition(".")[0] not in ours
    ]
    assert wrong == []
    called = {
        (file, each.attr) for file in PURE for each in ast.walk(tree(ROOT / file)) if isinstance(each, ast.Attribute)
    }
    assert [each for each in called if each[1] in CLOCK] == []


def test_files_fit_into_a_head_and_functions_on_a_screen():
    """A function's docstring does not count: it is there to be read before."""
    long = {name(path): size for path in [*FILES, *TESTS] if (size := len(path.read_text().splitlines())) > FILE_LINES}
    long |= {
        f"{name(path)}:{each.name}": size
        for path in FILES
        for each in functions(path)
        if (size := lines(each)) > FUNCTION_LINES
    }
    assert long == {}


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return total
    assert first.end_lineno
    return total - (first.end_lineno - first.lineno + 1)


def test_the_index_of_a_folder_lists_exactly_what_lies_in_it():
    wrong = {}
    for index in (path for path in FILES if path.name == "__init__.py"):
        text = (ast.get_docstring(tree(index)) or "").partition("\n\n")[2]
        entries = re.findall(r"^ *((?:[a-z_0-9]+/?, )*[a-z_0-9]+/?) +\S", text, re.MULTILINE)
        listed = sorted(each for entry in entries for each in entry.split(", "))
        there = sorted(
            [path.stem for path in index.parent.glob("*.py") if path != index]
            + [f"{path.parent.name}/" for path in index.parent.glob("*/__init__.py")]
        )
        if there and listed != there:
            wrong[name(index)] = sorted(set(listed) ^ set(there))
    assert wrong == {}


def test_nothing_is_left_for_later():
    unfinished = ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error")
    texts = {name(path): path.read_text(encoding="utf-8") for path in [*FILES, *TESTS]}
    assert [(file, word) for file, text in texts.items() for word in unfinished if word in text] == []


def test_tests_neither_sleep_nor_mock():
    wrong = []
    for path in TESTS:
        modules = set(imported(path))
        wrong += [f"{name(path)}: {module}" for module in modules if module.startswith(("unittest", "time.sleep"))]
        naps = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "sleep"]
        wrong += [f"{name(path)}: {ast.unparse(nap)}" for nap in naps]
    assert wrong == []


def test_an_exception_from_a_rule_carries_its_reason():
    """Once in a file is enough for each rule."""
    missing = {}
    for path in FILES:
        with path.open("rb") as file:
            comments = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
        found = [match for each in comments if (match := RULE.search(each))]
        excused = {match["rule"] for match in found if match["reason"].strip()}
        if unexplained := {match["rule"] for match in found} - excused:
            missing[name(path)] = unexplained
    assert missing == {}
