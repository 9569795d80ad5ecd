"""Running an agent's own command as judge: in an empty folder, untraced, with an end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness_tracing.evaluate.judge.asking import ProviderError

# A judge that is started inside a session is no part of that session.
_OF_AN_OUTER_SESSION = (
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_PROJECT_DIR",
    "CODEX_THREAD_ID",
    "TRACEPARENT",
)
_SHOWN = 400


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    out: str
    err: str

    def said(self) -> str:
        """The end of what it complained of, for a message."""
        return (self.err.strip() or self.out.strip() or "it said nothing")[-_SHOWN:]


def found(command: str, env: Mapping[str, str]) -> str:
    """The command's path; raises ProviderError when it is not on this environment's PATH."""
    path = shutil.which(command, path=env.get("PATH"))
    if path is None:
        message = f"{command} is not on the PATH; install it, or give its path as `command:`"
        raise ProviderError("rejected", message, fatal=True)
    return path


def untraced(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a judge: the user's, in which no hook of ours does anything."""
    kept = {name: value for name, value in env.items() if name not in _OF_AN_OUTER_SESSION}
    return {**kept, "HARNESS_UNTRACED": "1"}


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A folder of its own with nothing in it, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="harness-judge-") as folder:
        yield Path(folder)


def run(
    command: Sequence[str], question: str, folder: Path, env: Mapping[str, str], timeout_s: float
) -> Ended:
    """Run it with the question on stdin; raises ProviderError when it takes longer.

    A judge that is too slow is ended with all that it started.
    """
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env=untraced(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(question, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        message = f"{command[0]} took more than {timeout_s:g} s; raise timeout_s of the integration"
        raise ProviderError("timeout", message, retry=True, billed=True) from None
    finally:
        _end(process)
    return Ended(process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """End what still runs of it; nothing when it has left."""
    if process.poll() is not None:
        return
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()
