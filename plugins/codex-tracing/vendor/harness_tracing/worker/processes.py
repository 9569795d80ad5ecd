"""Telling a process from a later one with the same number."""

from __future__ import annotations

import os
import platform
import sys
import time
import uuid
from pathlib import Path
from typing import Optional


def started_at(pid: int) -> Optional[int]:
    """When a process started, in ns on a clock that nobody sets; None when it is not there.

    On Linux that is the time since boot: Unix time would be another one after each correction
    of the clock. Elsewhere the system itself keeps the Unix time it noted at the start.
    """
    return _linux_started_at(pid) if sys.platform == "linux" else _noted_start(pid)


def _noted_start(pid: int) -> Optional[int]:
    import psutil  # late: it costs a worker 10 ms, and on Linux for nothing

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return int(process.create_time() * 100) * 10**7
    except psutil.Error:
        return None


def is_running(pid: int, started: Optional[int]) -> bool:
    """Whether the process noted with this start is there; None: it was gone already then."""
    return started is not None and started_at(pid) == started


def own_name() -> str:
    """A new name for what this process holds; others can tell by it when the process is gone."""
    pid = os.getpid()
    return f"{platform.node()}/{pid}/{started_at(pid)}/{uuid.uuid4().hex}"


def is_gone(name: str) -> bool:
    """Whether a name is of a process of this machine that is not there any more."""
    node, pid, started = [*name.rsplit("/", 3), "", "", ""][:3]
    if node != platform.node() or not (pid.isdigit() and started.isdigit()):
        return False
    return not is_running(int(pid), int(started))


def was_running(pid: int, at_ns: int) -> bool:
    """Whether the process that has this number now was there at a time (Unix ns)."""
    started = started_at(pid)
    if started is not None and sys.platform == "linux":
        started += time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return started is not None and started <= at_ns


def _linux_started_at(pid: int) -> Optional[int]:
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # After the command in parentheses, which may hold any sign; see proc(5).
    fields = status.rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19]) * (10**9 // os.sysconf("SC_CLK_TCK"))
