"""Which Pythons this machine has. On the standard library alone, like `bootstrap`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

OLDEST_PYTHON = (3, 9)
PREFERRED_PYTHON = (3, 10)  # from here on the dependencies' newest versions are to be had
NAMES = ("python3", "python", *(f"python3.{minor}" for minor in range(14, 8, -1)))
PROBE_TIMEOUT_S = 60
QUESTION = (
    "import sys; "
    "print(*sys.version_info[:2], getattr(sys, '_base_executable', '') or sys.executable)"
)


def interpreters(environ: Mapping[str, str]) -> list[str]:
    """Real interpreters that are new enough, the most suitable first.

    "Real" is what one says its own path is: behind a pyenv shim or a virtual environment
    stands another, and the Windows Store stub says nothing. The one that runs us comes
    first, unless it is older than the others and than what the dependencies like best.
    """
    versions: dict[str, tuple[int, int]] = {}
    for words in _candidates(environ):
        answer = output([*words, "-I", "-c", QUESTION], environ) or ""
        told = re.fullmatch(r"(\d+) (\d+) (.+)", answer)
        if told and os.access(told[3], os.X_OK):
            versions.setdefault(told[3], (int(told[1]), int(told[2])))
    usable = [python for python, version in versions.items() if version >= OLDEST_PYTHON]
    return sorted(usable, key=lambda python: versions[python] < PREFERRED_PYTHON)


def output(words: list[str], environ: Mapping[str, str]) -> Optional[str]:
    """The last line a command prints, empty if none; None if it fails."""
    try:
        done = subprocess.run(
            words,
            env=environ,
            cwd=Path(sys.prefix).anchor,  # a .python-version beside us is not meant for us
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().split("\n")[-1].strip() if done.returncode == 0 else None


def _candidates(environ: Mapping[str, str]) -> Iterator[list[str]]:
    yield [sys.executable]
    path = environ.get("PATH")
    for name in NAMES:
        found = shutil.which(name, path=path)
        if found and not _would_ask_for_tools(found):
            yield [found]
    if launcher := shutil.which("py", path=path):
        yield [launcher, "-3"]
    if uv := shutil.which("uv", path=path):
        found = output([uv, "python", "find", "--no-project", ">=3.9"], environ)
        if found:
            yield [found]


def _would_ask_for_tools(python: str) -> bool:
    """On macOS without the developer tools, /usr/bin/python3 opens a dialog."""
    if sys.platform == "darwin" and python == "/usr/bin/python3":
        return output(["/usr/bin/xcode-select", "-p"], {}) is None
    return False
