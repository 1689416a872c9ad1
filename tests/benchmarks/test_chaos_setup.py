"""What the chaos says of programs that end by themselves."""

import os
import sys
from queue import Queue

from benchmarks.chaos_setup import Watch, Worker
from harness.processes import Leash


def test_a_program_that_ends_by_itself_is_started_again_and_its_code_and_last_words_are_told(tmp_path):
    said: Queue[str] = Queue()
    with Leash() as leash:
        words = "print('first'); print('stuck', flush=True); raise SystemExit(70)"
        program = Worker("worker-0", [sys.executable, "-c", words], dict(os.environ), tmp_path, leash)
        program.start()
        watch = Watch([program], said.put)
        told = [said.get(timeout=60) for _ in range(2)]
        watch.close()
        program.kill()
    assert told == ["worker-0 ended by itself with code 70; its last words: stuck"] * 2
    assert program.ended[70] >= 2
