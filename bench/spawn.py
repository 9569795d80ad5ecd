"""Start a shell command with as little of our own around it as can be, and time it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

SHELL = "/bin/sh"


def seconds_of(command: str, payload: bytes, env: Mapping[str, str]) -> float:
    """Wall time of ``/bin/sh -c command`` with the payload on a pipe, as an agent runs a hook.

    Raises RuntimeError when the command fails: a hook that fails is not worth timing.
    """
    read_end, write_end = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    actions = [
        (os.POSIX_SPAWN_DUP2, read_end, 0),
        (os.POSIX_SPAWN_DUP2, null, 1),
        (os.POSIX_SPAWN_DUP2, null, 2),
    ]
    started = time.perf_counter()
    pid = os.posix_spawn(SHELL, [SHELL, "-c", command], dict(env), file_actions=actions)
    os.close(read_end)
    _write_all(write_end, payload)
    _, status = os.waitpid(pid, 0)
    taken = time.perf_counter() - started
    os.close(null)
    if status:
        raise RuntimeError(f"wait status {status} from: {command}")
    return taken


def _write_all(fd: int, payload: bytes) -> None:
    """Write and close; a command that does not read its input is no error."""
    rest = memoryview(payload)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except BrokenPipeError:
        pass
    finally:
        os.close(fd)
