"""A short `python -m benchmarks.chaos`: about 40 seconds, on real services."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("kafka_cluster")  # so that it is skipped where there is no broker
def test_exactly_once_while_workers_and_brokers_die_stall_and_restart(seed):
    command = [sys.executable, "-m", "benchmarks.chaos", "--seed", str(seed), "--events", "1000", "--seconds", "12"]
    done = subprocess.run(
        [*command, "--brokers", "3", "--workers", "2", "--patience", "120"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    result = json.loads(done.stdout.splitlines()[-1])
    wrong = ("lost", "twice", "out_of_order", "metrics_difference", "unexpected", "unfinished", "different")
    assert {name: result[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert result["events"] == sum(result["decisions"].values()) == 1000
    # A run without faults would prove nothing.
    assert sum(number for kind, number in result["faults"].items() if kind.startswith("worker")) >= 2
    assert any(kind.startswith("broker") for kind in result["faults"])
