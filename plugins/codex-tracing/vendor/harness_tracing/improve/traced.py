"""Whether a command runs inside an agent's session: an agent must not change its own rules."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Optional

# Agents set these for what they start; a person's shell has none of them.
VARIABLES = (
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "CODEX_THREAD_ID",
    "CODEX_CI",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "COPILOT_CLI",
    "OPENCODE",
    "HARNESS_UNTRACED",
)
_INTERPRETERS = ("node", "bun", "deno", "python", "python3")
_DEEPEST = 40


def session_around(
    environ: Mapping[str, str],
    variables: Iterable[str],
    programs: Collection[str],
    above: Iterable[Collection[str]],
) -> Optional[str]:
    """What shows that an agent is at work here, None when nothing does.

    `variables` and `programs` are those of the agents we know; `above` the programs of the
    processes that this one was started by (see `ancestors`).
    """
    for name in dict.fromkeys((*VARIABLES, *variables)):
        if environ.get(name):
            return f"{name} is set"
    for names in above:
        running = next((name for name in names if name in programs), None)
        if running is not None:
            return f"it was started by {running}"
    return None


def ancestors(pid: int) -> list[tuple[str, ...]]:
    """The programs of the processes above one, the nearest first, as far as can be seen."""
    found = []
    for _ in range(_DEEPEST):
        parent, words = _process(pid)
        if parent is None:
            break
        found.append(_programs(words))
        if parent <= 1:
            break
        pid = parent
    return found


def _programs(words: list[str]) -> tuple[str, ...]:
    """What is run: the program, and the script of an interpreter."""
    names = [Path(word).name for word in words[:2]]
    if names and names[0].rstrip("0123456789.") in _INTERPRETERS:
        return tuple(names)
    return tuple(names[:1])


def _process(pid: int) -> tuple[Optional[int], list[str]]:
    """Parent and command line of a process; None where they cannot be seen."""
    folder = Path("/proc") / str(pid)
    with suppress(OSError, ValueError, IndexError):
        status = (folder / "stat").read_text(errors="replace")
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return int(status.rsplit(")", 1)[1].split()[1]), words
    if os.name == "nt":
        return None, []
    with suppress(OSError, ValueError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["ps", "-o", "ppid=,command=", "-p", str(pid)],
            capture_output=True,
            timeout=2,
            check=False,
        )
        parent, *words = done.stdout.decode(errors="replace").split()
        return int(parent), words
    return None, []
