"""A short description of the machine: figures of time mean nothing without it."""

import os
import time
from importlib.metadata import version
from pathlib import Path

import psutil

_AMX = ("amx_tile", "amx_bf16", "amx_fp16", "amx_int8")


def machine() -> dict[str, str | int | list[str]]:
    """Processor, cores that this process may use, AMX instructions, memory in GiB, version of torch."""
    facts = _cpu()
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name", "unknown"),
        "cores": len(os.sched_getaffinity(0)),
        "amx": [flag for flag in _AMX if flag in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "torch": version("torch"),
    }


def sentence() -> str:
    """The same as text."""
    facts = machine()
    flags = facts["amx"]
    amx = ", ".join(flags) if isinstance(flags, list) and flags else "no AMX"
    return f"{facts['processor']}, {facts['cores']} cores ({amx}), {facts['memory_gib']} GiB, torch {facts['torch']}"


class OtherLoad:
    """The load from other programs on the machine since this object was made: with a high load ratios mean nothing."""

    def __init__(self) -> None:
        self._begun, self._before = time.monotonic(), _others_s()

    @property
    def cores(self) -> float:
        """Cores that other programs' processes kept busy since then, on average."""
        return max(0.0, _others_s() - self._before) / (time.monotonic() - self._begun)


def _others_s() -> float:
    """Processor seconds of the machine, without those of this process and its children, including ended ones."""
    busy = psutil.cpu_times()
    ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return float(busy.user + busy.nice + busy.system) - sum(sum(each.cpu_times()[:4]) for each in ours)


def _cpu() -> dict[str, str]:
    """The entry of the first core in /proc/cpuinfo."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().partition("\n\n")[0].splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
