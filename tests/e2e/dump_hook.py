"""A hook that keeps what it was given: one JSON line per call, with the agent's files as they lie.

dump_hook.py EVENT FOLDER      payload on stdin; writes FOLDER/<at_ns>-<pid>.json
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

KEPT = ("CLAUDE_", "CLAUDECODE", "PWD", "TRACEPARENT")
NEVER = ("KEY", "TOKEN", "SECRET", "SOCKET", "PORT")


def main() -> None:
    """Keep one hook call."""
    at_ns = time.time_ns()
    event, folder = sys.argv[1], Path(sys.argv[2])
    home = Path(os.environ["HOME"])
    files = {}
    for path in (home / ".claude" / "projects").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            files[str(path.relative_to(home))] = content.count(b"\n")
    env = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(KEPT) and not any(word in name for word in NEVER)
    }
    call = {
        "at_ns": at_ns,
        "event": event,
        "env": env,
        "stdin": sys.stdin.read(),
        "files": files,
    }
    kept = folder / f"{at_ns}-{os.getpid()}.json"
    unfinished = kept.with_suffix(".part")
    unfinished.write_text(json.dumps(call), encoding="utf-8")
    unfinished.rename(kept)


main()
