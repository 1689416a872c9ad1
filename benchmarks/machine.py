"""The machine in a few words, which every figure of time needs beside it."""

import os
from importlib.metadata import version
from pathlib import Path

import psutil

_AMX = ("amx_tile", "amx_bf16", "amx_fp16", "amx_int8")


def machine() -> dict[str, str | int | list[str]]:
    """Processor, cores that this process may use, its flags for matrices, memory in GiB, version of torch."""
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
    """The same for people."""
    facts = machine()
    amx = facts["amx"]
    able = ", ".join(amx) if isinstance(amx, list) and amx else "no AMX"
    return f"{facts['processor']}, {facts['cores']} cores ({able}), {facts['memory_gib']} GiB, torch {facts['torch']}"


def _cpu() -> dict[str, str]:
    """Of the first core, as Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().partition("\n\n")[0].splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
