import os
import signal
import subprocess
import sys
import threading

import pytest

from consumer.lifecycle import Watchdog, slot, stop_signals


def test_a_step_that_does_not_return_ends_the_process():
    ended = threading.Event()
    with Watchdog(ended.set).limit(0.01, "a commit"):
        assert ended.wait(10)


def test_a_step_that_returns_in_time_ends_nothing():
    ended = threading.Event()
    with Watchdog(ended.set).limit(0.05, "a commit"):
        pass
    assert not ended.wait(0.2)


def test_the_watchdog_ends_a_process_whose_main_thread_is_stuck():
    program = (
        "import threading\nfrom consumer.lifecycle import Watchdog\n"
        "with Watchdog().limit(0.2, 'a commit'):\n    threading.Event().wait()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 70
    assert "stuck: a commit" in ended.stderr


def test_a_given_name_is_used():
    with slot("group", "pod-3") as name:
        assert name == "pod-3"


def test_processes_of_one_host_take_the_first_free_number_and_give_it_back(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with slot("group", "") as first:
        with slot("group", "") as second, slot("another", "") as other:
            assert first.endswith("-0")
            assert second.endswith("-1")
            assert other.endswith("-0")
        with slot("group", "") as again:
            assert again == second


def test_a_killed_process_leaves_its_name_free(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    program = (
        "import sys, threading\nfrom consumer.lifecycle import slot\n"
        "with slot('group', '') as name:\n    print(name, flush=True)\n    threading.Event().wait()"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as holder:
        taken = holder.stdout.readline().strip()
        with slot("group", "") as beside:
            assert beside != taken
        holder.kill()
        holder.wait()
        with slot("group", "") as name:
            assert name == taken


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_to_stop_and_the_old_handlers_are_restored_afterwards(number):
    before, stopping = signal.getsignal(number), threading.Event()
    with stop_signals(stopping):
        os.kill(os.getpid(), number)
        assert stopping.wait(10)
    assert signal.getsignal(number) is before


def test_the_second_signal_ends_the_process_at_once():
    program = (
        "import os, signal, threading\nfrom consumer.lifecycle import stop_signals\n"
        "stopping = threading.Event()\n"
        "with stop_signals(stopping):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stopping.wait(10)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    threading.Event().wait()"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert ended.returncode == 128 + signal.SIGTERM
