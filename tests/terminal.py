"""A process at a terminal of its own, without forking a process that has threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

# The terminal becomes the controlling one; signals end the process as they do in a shell.
_BECOMES = (
    "import fcntl, os, signal, sys, termios\n"
    "os.setsid()\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):\n"
    "    signal.signal(number, signal.SIG_DFL)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


def at_a_terminal(
    words: Sequence[str], env: Mapping[str, str], *, cwd: Optional[Path] = None, rows: int = 24
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program by its path; its process, and our end of its terminal."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _BECOMES, *words],
        env=dict(env),
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return process, ours
