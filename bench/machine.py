"""The machine in words, without a name that leads to it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import psutil


def in_words() -> str:
    """Processor, memory, system, shell and Python of this machine."""
    memory_gib = psutil.virtual_memory().total / 2**30
    shell = Path("/bin/sh").resolve().name
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory_gib:.0f} GiB memory, "
        f"{_system()}, `/bin/sh` is {shell}, Python {platform.python_version()}"
    )


def own_peak_memory_mb() -> float:
    """The most memory that this process has had.

    What `getrusage` says on Linux counts the process that started it, before it became ours.
    """
    if platform.system() == "Linux":
        lines = Path("/proc/self/status").read_text(encoding="utf-8").split("\n")
        (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(peak) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def client_version(claude: Path) -> str:
    """What the client says about itself, e.g. `Claude Code 2.1.330`."""
    done = subprocess.run([str(claude), "--version"], capture_output=True, text=True, check=True)
    return "Claude Code " + done.stdout.split()[0]


def _processor() -> str:
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n")
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.release().split('-')[0]} ({platform.machine()})"
