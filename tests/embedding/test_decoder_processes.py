"""A picture that ends its decoder process becomes unscannable with a reason; nothing else is concerned."""

import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from detailed import detailed
from drawn import encoded
from hostile_made import scans
from opening import flat, wanted
from PIL import Image

from embedding.image import Reason
from embedding.picture import Looked, Needs
from embedding.processes import decoders as decoders_module
from embedding.processes.decoders import Decoders, NoDecoder, ProcessLimits
from embedding.views import look_into

ROOT = Path(__file__).parents[2]
NEEDS = Needs(keypoints=True, hash=True, pixels=True, mirror=True)
SMALL = encoded(Image.fromarray(detailed(1)).resize((64, 48)), quality=80)
TOKEN_KEY = "VIGILENS_MILVUS__TOKEN"  # noqa: S105 (its name)


def slow():
    """A JPEG that takes about 5 s: its last scan is repeated as often as is allowed."""
    return scans(450, Image.new("RGB", (3_000, 2_000), "white"))


@contextmanager
def opened(number=1, **limits):
    with Decoders(number, ProcessLimits(**limits)) as decoders:
        yield decoders
        assert_good(decoders)


def assert_good(decoders):
    found = decoders.look_into(SMALL, wanted(needs=NEEDS))
    assert isinstance(found, Looked), found


def spawner(decoders):
    return psutil.Process(decoders._spawner._program.pid)


def processes(decoders):
    return spawner(decoders).children()


def test_processes_find_exactly_what_is_found_without_them():
    pictures = [encoded(Image.fromarray(detailed(seed)), quality=80) for seed in range(6)]
    want = wanted(needs=NEEDS)
    with opened(2) as decoders, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda data: decoders.look_into(data, want), pictures))
        assert len(processes(decoders)) == 2
    assert [flat(one) for one in found] == [flat(look_into(data, want)) for data in pictures]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"cpu_s": 0.3}, Reason.DECODE_CPU_LIMIT),
        ({"wall_s": 0.7}, Reason.DECODE_TIMED_OUT),
    ],
)
def test_a_picture_that_takes_too_long_has_its_reason_and_its_neighbours_have_their_views(limits, reason, caplog):
    with opened(2, **limits) as decoders, ThreadPoolExecutor(2) as pool:
        bad = pool.submit(decoders.look_into, slow(), wanted())
        for _ in range(20):
            assert_good(decoders)
        found = bad.result(60)
        assert (found.reason, str(next(iter(limits.values()))) in found.detail) == (reason, True)
        assert_good(decoders)
        assert len(processes(decoders)) <= 2
    assert [record.fields["why"] for record in caplog.records] == [found.detail] * 2  # it was tried twice


def test_a_picture_that_takes_too_much_memory_has_its_reason():
    large = encoded(Image.new("1", (12_000, 12_000)), "PNG")  # 580 MB
    with opened(memory_bytes=800 << 20) as decoders:
        assert_good(decoders)
        found = decoders.look_into(large, wanted(max_pixels=12_000**2))
        assert (found.reason, "800 MiB" in found.detail) == (Reason.DECODE_MEMORY_LIMIT, True)


def test_a_picture_whose_process_is_killed_each_time_has_its_reason():
    with opened() as decoders, ThreadPoolExecutor(1) as pool:
        bad = pool.submit(decoders.look_into, slow(), wanted())
        beside = threading.Event()
        while not bad.done():
            for one in processes(decoders):
                one.kill()
            beside.wait(0.05)
        found = bad.result()
        assert (found.reason, "killed" in found.detail) == (Reason.DECODE_CRASHED, True)


def test_a_process_that_is_killed_between_two_pictures_costs_no_picture_anything():
    with opened() as decoders:
        assert_good(decoders)
        (before,) = processes(decoders)
        before.kill()
        assert_good(decoders)
        (after,) = processes(decoders)
        assert before.pid != after.pid


def test_a_process_that_stands_still_is_replaced():
    with opened(wall_s=0.5) as decoders:
        assert_good(decoders)
        (before,) = processes(decoders)
        before.suspend()
        assert_good(decoders)
        assert not before.is_running()


def test_after_a_hundred_deaths_nothing_is_left_over(caplog):
    caplog.set_level(logging.CRITICAL)
    with opened() as decoders:
        assert_good(decoders)
        us, them = psutil.Process(), spawner(decoders)
        before = us.num_fds(), them.num_fds(), len(us.children(recursive=True)), us.num_threads()
        for _ in range(100):
            (one,) = processes(decoders)
            one.kill()
            assert_good(decoders)
        assert (us.num_fds(), them.num_fds(), len(us.children(recursive=True)), us.num_threads()) == before
    assert not them.is_running()
    assert us.num_fds() == before[0] - 2  # the sockets to the spawner and to the decoder


def test_decoders_are_forks_of_a_prepared_program_as_long_as_it_is_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoders_module, "_prepared", [])
    decoders_module.prepare()
    ((program, prepared),) = decoders_module._prepared
    with opened() as first, opened() as second:
        for each in (first, second):
            assert each._spawner._program is None  # it was not started by this process
            assert_good(each)
        prepared.close()
        assert program.wait(10) == 0
        assert_good(first)
    with opened() as own:
        assert own._spawner._program is not None
        assert_good(own)


def test_a_spawner_that_is_killed_is_replaced():
    with opened() as decoders:
        assert_good(decoders)
        before = spawner(decoders)
        (orphan,) = processes(decoders)
        before.kill()
        before.wait(10)
        assert_good(decoders)  # the decoder that it has started still serves
        orphan.kill()
        assert_good(decoders)
        assert spawner(decoders).pid != before.pid


def test_processes_end_when_the_service_is_killed():
    program = (
        "import sys, psutil\n"
        "from embedding.processes.decoders import Decoders\n"
        "from embedding.picture import Needs, Wanted\n"
        "decoders = Decoders(1)\n"
        "decoders.look_into(b'GIF89a', Wanted(Needs(), 1))\n"
        "print(*[one.pid for one in psutil.Process().children(recursive=True)], flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, text=True, **pipes) as service:
        children = [psutil.Process(int(pid)) for pid in service.stdout.readline().split()]
        assert len(children) == 2
        service.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_signals_to_all_processes_of_the_service_do_not_end_decoders_before_it():
    with opened() as decoders:
        assert_good(decoders)
        before = spawner(decoders), *processes(decoders)
        for one in before:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                one.send_signal(number)
        assert_good(decoders)
        assert (spawner(decoders), *processes(decoders)) == before


def test_processes_have_nothing_of_the_services_environment_and_limits_they_cannot_lift(monkeypatch):
    monkeypatch.setenv(TOKEN_KEY, "root:password")
    with opened(memory_bytes=900 << 20) as decoders:
        assert_good(decoders)
        for one in (spawner(decoders), *processes(decoders)):
            assert TOKEN_KEY in os.environ
            names = {
                pair.partition("=")[0] for pair in Path(f"/proc/{one.pid}/environ").read_text().split("\0") if pair
            }
            ours = {"PATH", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONPATH"}
            assert names == ours | {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}
        (decoder,) = processes(decoders)
        assert decoder.rlimit(psutil.RLIMIT_AS) == (900 << 20, 900 << 20)
        assert decoder.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert Path(f"/proc/{decoder.pid}/oom_score_adj").read_text().strip() == "1000"
        assert decoder.num_threads() == 1
        open_files = [file for file in Path(f"/proc/{decoder.pid}/fd").iterdir() if "socket" in str(file.readlink())]
        assert len(open_files) == 1


def test_closed_decoders_start_nothing():
    decoders = Decoders(1)
    assert_good(decoders)
    before = spawner(decoders), *processes(decoders)
    decoders.close()
    decoders.close()
    assert psutil.wait_procs(before, timeout=10)[1] == []
    with pytest.raises(NoDecoder, match="no process can be started"):
        decoders.look_into(SMALL, wanted())
