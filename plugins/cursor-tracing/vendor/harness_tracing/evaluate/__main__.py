"""`python -m harness_tracing.evaluate`: started detached when there is something to judge.

It exits 0 also when it could not do its work and said so in the log.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Optional

from harness_tracing.errors import TracerError
from harness_tracing.evaluate import child
from harness_tracing.log import log_to
from harness_tracing.paths import Home

LOG = "evaluate"


def main(words: list[str]) -> int:
    """Judge what is due, once; returns the exit code."""
    parser = argparse.ArgumentParser(prog="harness_tracing.evaluate")
    parser.add_argument("--home", required=True)
    home = Home(Path(parser.parse_args(words).home))
    env = {**os.environ, "HARNESS_UNTRACED": "1"}
    os.umask(0o077)
    child.be_quiet()
    log = log_to(home.logs / f"{LOG}.log", LOG)
    try:
        child.live(home, env, log)
        _push(home, dict(os.environ))
    except TracerError as error:
        log.error("%s", error)
    except Exception:
        # The edge of the process: say it where a user can find it; what is due stays due.
        log.exception("judging stopped")
    return 0


def _push(home: Home, env: dict[str, str]) -> None:
    """Have new results sent where their turns went, by a process that nobody waits for."""
    command = child.pusher(home)
    if command is None:
        return
    with suppress(OSError):
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )


def _entry(argv: Optional[list[str]] = None) -> int:
    return main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(_entry())
