"""The chaos restarts and reports programs that exit unexpectedly."""

import os
import sys
from queue import Queue

from benchmarks.chaos_setup import Supervisor, Worker
from harness.processes import Leash


def test_a_program_that_exits_unexpectedly_is_started_again_and_its_code_and_last_log_line_are_reported(tmp_path):
    lines: Queue[str] = Queue()
    with Leash() as leash:
        words = "print('first'); print('stuck', flush=True); raise SystemExit(70)"
        program = Worker("worker-0", [sys.executable, "-c", words], dict(os.environ), tmp_path, leash)
        program.start()
        supervisor = Supervisor([program], lines.put)
        reported = [lines.get(timeout=60) for _ in range(2)]
        supervisor.close()
        program.kill()
    assert reported == ["worker-0 exited unexpectedly with code 70; its last log line: stuck"] * 2
    assert program.ended[70] >= 2
