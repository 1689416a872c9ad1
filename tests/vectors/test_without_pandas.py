"""pymilvus and Milvus Lite without pandas and SciPy: nobody notices, and whoever wants pandas gets the real one."""

import subprocess
import sys
from pathlib import Path

HERE = str(Path(__file__).parents[2])


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=HERE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pandas_and_faiss_are_not_loaded_and_are_the_real_ones_for_whoever_wants_them():
    output = run("""
import sys
from vectors.without_pandas import load_milvus_lite
load_milvus_lite()
print(sorted({"pandas", "scipy", "faiss", "requests", "urllib3"} & set(sys.modules)))
from pymilvus.orm import schema, types
import pyarrow
assert not isinstance([], schema.pd.DataFrame)
assert schema.is_list_like([1]) and types.is_scalar(1)  # these import it
from pymilvus.client.global_topology import requests
assert issubclass(requests.exceptions.RequestException, OSError)
import pandas
frame = pandas.DataFrame({"a": [1, 2]})
assert isinstance(frame, schema.pd.DataFrame) and not isinstance([], schema.pd.DataFrame)
assert isinstance(schema.pd.DataFrame({"a": [1]}), pandas.DataFrame)
assert pyarrow.Table.from_pandas(frame).to_pandas().equals(frame)
import numpy
from milvus_lite.index.factory import build_index_from_spec
from milvus_lite.index.spec import IndexSpec
spec = IndexSpec(field_name="v", index_type="HNSW", metric_type="COSINE", build_params={}, search_params={})
build_index_from_spec(spec, numpy.eye(8, dtype=numpy.float32))
print("faiss" in sys.modules)  # this index needs it
""")
    assert output == "[]\nTrue\n"


def test_libraries_that_do_not_start_without_it_are_imported_as_usual():
    output = run("""
import sys
from vectors import without_pandas
without_pandas._FUNCTIONS = ()
without_pandas.load_pymilvus()
import pandas, pymilvus
from pymilvus.orm import schema
print(schema.pd is pandas)
""")
    assert output == "True\n"
