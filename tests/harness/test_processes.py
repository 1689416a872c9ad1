"""A program that is started, ended and stalled, and the errors that its owner gets."""

import os
import signal
import sys

import psutil
import pytest

from harness.processes import Leash, Program, ProgramFailed

POLITE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); print('up', flush=True); {wait}"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); {wait}"
WAIT = "\nwhile True: signal.pause()"


@pytest.fixture
def make(tmp_path):
    """Makes programs that run a line of Python."""
    with Leash() as leash:

        def program(line, **options):
            command = [sys.executable, "-c", line.format(wait=WAIT)]
            return Program("the trial", command, tmp_path / "log", leash, **options)

        yield program


def until_up(program):
    """Wait until it has printed "up". (`os.sched_yield`, because there is nothing else to wait for.)"""
    while not program.log.exists() or "up" not in program.log.read_text():
        program.check()
        os.sched_yield()


def until_ended(pid):
    """Wait for a child's end and leave its exit code for its owner."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_a_stop_waits_and_returns_the_exit_code(make):
    program = make(POLITE)
    program.start()
    until_up(program)
    assert program.pid is not None
    assert program.stop() == 3
    assert program.pid is None
    assert program.stop() == 0  # it was not running
    program.check()


def test_a_stalled_program_can_be_stopped(make):
    program = make(POLITE)
    program.start()
    until_up(program)
    program.pause()
    assert os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT).si_status == signal.SIGSTOP
    assert program.stop() == 3


def test_a_program_that_does_not_stop_is_killed_and_its_log_is_in_the_error(make):
    program = make(DEAF, stop_timeout_s=0.2)
    program.start()
    until_up(program)
    pid = program.pid
    with pytest.raises(ProgramFailed, match=r"the trial did not stop within 0 s; its log .*/log ends with\nup"):
        program.stop()
    assert not psutil.pid_exists(pid)


def test_a_program_that_exits_unexpectedly_is_an_error_and_one_that_was_killed_is_not(make):
    program = make("print('no luck'); raise SystemExit(4)")
    program.start()
    until_ended(program.pid)
    with pytest.raises(ProgramFailed, match=r"the trial ended with code 4; its log .* ends with\nno luck"):
        program.check()
    program.kill()
    program.check()


def test_a_second_start_changes_nothing_and_one_after_a_kill_starts_a_new_process(make):
    program = make(POLITE)
    program.start()
    first = program.pid
    program.start()
    assert program.pid == first
    program.kill()
    program.start()
    assert program.pid not in {None, first}


def test_signals_to_a_program_that_does_not_run_do_nothing(make):
    program = make(POLITE)
    for act in (program.pause, program.resume, program.kill):
        act()
    program.start()
    pid = program.pid
    os.kill(pid, signal.SIGKILL)
    until_ended(pid)
    program.resume()
    assert program.pid is None
