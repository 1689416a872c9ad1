"""Threads take memory from one place. In a process of its own, as arenas stay once they are there."""

import os
import platform
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
from embedding.allocator import one_arena
one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
threads = [threading.Thread(target=libc.malloc, args=(5000,)) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(("chosen", "several"), [({}, False), ({"MALLOC_ARENA_MAX": "3"}, True)])
def test_threads_have_no_arenas_of_their_own_unless_somebody_has_chosen_otherwise(tmp_path, chosen, several):
    plain = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    subprocess.run([sys.executable, "-c", COUNT, str(tmp_path / "info")], check=True, env=plain | chosen)
    assert ((tmp_path / "info").read_text().count("<heap nr=") > 1) is several
