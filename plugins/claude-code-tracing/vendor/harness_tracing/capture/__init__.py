"""Capture: puts a hook's payload on disk and returns. Here is only the line that starts it.

`capture.sh` is the capture; `capture.py` does the same where no POSIX shell runs hooks
(Windows); `bootstrap.sh` finds an interpreter for what follows. Imports nothing of ours.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Optional

CAPTURE_SH = Path(__file__).with_name("capture.sh")
CAPTURE_PY = Path(__file__).with_name("capture.py")


def hook_command(agent: str, event: str, interpreter: Optional[str], capture_path: str) -> str:
    """The line to register with an agent for one of its events.

    `capture_path` is the absolute path of capture.sh or, for Windows, of capture.py. It may
    begin with a variable in braces (``${CLAUDE_PLUGIN_ROOT}``) that the agent or its shell
    replaces. `interpreter` is the Python the worker runs with; None leaves that to the
    installed version. The line prints nothing and exits 0 also when the files are gone;
    `command` keeps dash from exiting at the missing file.
    """
    if capture_path.endswith(".py"):
        if interpreter is None:
            raise ValueError("capture.py needs the interpreter that runs it")
        return subprocess.list2cmdline([interpreter, "-I", "-B", capture_path, agent, event])
    path = f'"{capture_path}"' if capture_path.startswith("${") else shlex.quote(capture_path)
    words = [shlex.quote(agent), shlex.quote(event), path]
    if interpreter is not None:
        words.append(shlex.quote(interpreter))
    return f'set -- {" ".join(words)}; command . "$3" >/dev/null 2>&1 || :'
