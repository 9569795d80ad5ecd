"""Capture: puts a hook's payload on disk and returns. Here is only the line that starts it.

`capture.sh` is the capture; `capture.py` does the same where no POSIX shell runs hooks
(Windows); `bootstrap.sh` finds an interpreter for what follows. Imports nothing of ours.
"""

from __future__ import annotations

import re
import shlex

# Who prints a line waits for no module that it does not need.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Optional

    CAPTURE_SH: Path
    CAPTURE_PY: Path

_SCRIPTS = {"CAPTURE_SH": "capture.sh", "CAPTURE_PY": "capture.py"}


def __getattr__(name: str) -> Path:
    if name not in _SCRIPTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pathlib import Path

    return Path(__file__).with_name(_SCRIPTS[name])


# Agents wait until nobody holds the hook's output any more. Redirected for one command only,
# dash keeps the output open beside it, in the worker's shell too.
_RUN = 'exec >/dev/null 2>&1; command . "$3" || :'


def hook_command(
    agent: str,
    event: str,
    interpreter: Optional[str],
    capture_path: str,
    *,
    own_shell: bool = False,
) -> str:
    """The line to register with an agent for one of its events.

    `capture_path` is the absolute path of capture.sh or, for Windows, of capture.py. It may
    begin with a variable in braces (``${CLAUDE_PLUGIN_ROOT}``) that the agent or its shell
    replaces. `interpreter` is the Python the worker runs with; None leaves that to the
    installed version. `own_shell` is for agents that run the line in the user's shell (zsh,
    fish), or write a here-document behind it: one simple command, that a POSIX shell replaces.

    The line prints nothing and exits 0 also when the files are gone; `command` keeps dash from
    exiting at the missing file. It holds no ``//`` (Cursor takes that for a comment).
    """
    if capture_path.endswith(".py"):
        if interpreter is None:
            raise ValueError("capture.py needs the interpreter that runs it")

        # In quotes in any case: cmd runs it, or the bash of Git, which would take backslashes away.
        return f'"{interpreter}" -I -B "{capture_path}" {agent} {event}'
    words = [shlex.quote(agent), shlex.quote(event), _path(capture_path)]
    if interpreter is not None:
        words.append(_path(interpreter))
    if own_shell:
        return f"exec /bin/sh -c '{_RUN}' harness {' '.join(words)}"
    return f"set -- {' '.join(words)}; {_RUN}"


def _path(path: str) -> str:
    path = re.sub("/{2,}", "/", path)
    return f'"{path}"' if path.startswith("${") else shlex.quote(path)
