"""Imports pymilvus and Milvus Lite without what they load and we never use: pandas, SciPy, requests; FAISS if needed.

pandas takes 0.25 s and 45 MB, as much as all else in pymilvus, which only asks whether rows are a DataFrame. pyarrow
loads it too, for the same question. So the modules see a stand-in while they are imported, and nobody else does: it is
gone from `sys.modules` afterwards. No object can be a DataFrame as long as nobody has imported pandas; once somebody
has, the stand-in asks the real class. Where the libraries do not start like this, they are imported as usual.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import Any

_FUNCTIONS = ("infer_dtype", "is_array_like", "is_float", "is_list_like", "is_scalar")  # that pymilvus imports by name
_lock = Lock()


class _Kind(type):
    """The class of the stand-ins for pandas's classes."""

    def _real(cls) -> Any:
        return getattr(sys.modules.get("pandas"), cls.__name__, None)

    def __instancecheck__(cls, instance: object) -> bool:
        real = cls._real()
        return real is not None and isinstance(instance, real)

    def __call__(cls, *values: Any, **named: Any) -> Any:
        return getattr(importlib.import_module("pandas"), cls.__name__)(*values, **named)


def _function(name: str) -> Callable[..., Any]:
    def later(*values: Any, **named: Any) -> Any:
        return getattr(importlib.import_module("pandas.api.types"), name)(*values, **named)

    return later


def _stand_ins() -> Mapping[str, ModuleType]:
    pandas, api, types = (ModuleType(name) for name in ("pandas", "pandas.api", "pandas.api.types"))
    for name in ("DataFrame", "Series", "SparseDtype"):
        setattr(pandas, name, _Kind(name, (), {}))
    for name in _FUNCTIONS:
        setattr(types, name, _function(name))
    pandas.__path__, api.__path__ = [], []
    requests = ModuleType("requests")  # asks for the members of a global cluster
    requests.__getattr__ = lambda name: getattr(importlib.import_module("requests"), name)  # type: ignore[method-assign] # a module's own way
    rest = [] if "requests" in sys.modules else [requests]
    return {module.__name__: module for module in (pandas, api, types, *rest)}


@contextmanager
def _replaced(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Let imports find these modules. They are gone afterwards."""
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            sys.modules.pop(name, None)


class _Absent(MetaPathFinder):
    """Answers imports of one package as if it were not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 (Python's interface)
        if fullname == self._package:
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)


@contextmanager
def _absent(package: str) -> Iterator[None]:
    finder = _Absent(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def load_pymilvus() -> None:
    """Import pymilvus. Can be repeated; call it before any other import of it."""
    with _lock:
        if "pymilvus" in sys.modules or "pandas" in sys.modules:
            return
        with _or_as_usual("pymilvus"), _replaced(_stand_ins()):
            importlib.import_module("pymilvus")
        sparse: Any = getattr(importlib.import_module("pymilvus.client.utils"), "SciPyHelper", None)
        if hasattr(sparse, "_checked") and "scipy" not in sys.modules:
            # Each search asks whether its vectors are a sparse matrix, and loads SciPy for that. Ours never are.
            sparse._checked = True  # noqa: SLF001


def load_milvus_lite() -> None:
    """Import Milvus Lite's server, and pymilvus. Can be repeated; call it before any other import of it."""
    load_pymilvus()
    with _lock:
        if "milvus_lite" in sys.modules:
            return
        if "pandas" not in sys.modules:
            with _absent("pandas"):
                # pyarrow looks once whether there is pandas, for the first list that it is given.
                importlib.import_module("pyarrow").array([0])
        if "faiss" not in sys.modules and find_spec("faiss"):
            # Milvus Lite looks once whether there is FAISS, and imports it again for an index that needs it.
            with _or_as_usual("milvus_lite"):
                with _absent("faiss"):
                    factory: Any = importlib.import_module("milvus_lite.index.factory")
                if factory._FAISS_AVAILABLE is not False:  # noqa: SLF001 (there is no public way)
                    raise ImportError("it looks for FAISS in another way")
                factory._FAISS_AVAILABLE = True  # noqa: SLF001


@contextmanager
def _or_as_usual(package: str) -> Iterator[None]:
    """If the package cannot be imported like this, import it in the usual way."""
    try:
        yield
    except Exception:  # noqa: BLE001 (whatever a later version does)
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        importlib.import_module(package)
