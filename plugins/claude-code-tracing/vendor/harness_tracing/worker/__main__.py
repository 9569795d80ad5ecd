"""`python -m harness_tracing.worker`: started by capture, detached, for one session or a sweep.

It exits 0 also when it could not do its work and said so in the log: anything else tells
capture that this installation does not start and has to be built again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Optional

from harness_tracing import agents, spool
from harness_tracing.errors import StoreNewerError, TracerError
from harness_tracing.log import log_to
from harness_tracing.paths import Home
from harness_tracing.worker.evaluating import start_if_due
from harness_tracing.worker.life import live
from harness_tracing.worker.presence import Presence, Session
from harness_tracing.worker.process import detach, hand_over, start_worker
from harness_tracing.worker.sending import send_due
from harness_tracing.worker.sweep import sweep

SWEEP_S = 600.0
COMMON_S = 30.0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness_tracing.worker")
    parser.add_argument("--home", required=True)
    parser.add_argument("--agent")
    parser.add_argument("--session")
    parser.add_argument("--sweep", action="store_true")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Work on one session, or sweep once; returns the exit code."""
    arguments = _arguments(words)
    env = dict(os.environ)
    home = Home(Path(arguments.home))
    detach()
    os.umask(0o077)
    # A project's settings may have set it: TLS libraries would write session keys to its file.
    os.environ.pop("SSLKEYLOGFILE", None)
    log = log_to(home.logs / f"{arguments.agent or 'sweep'}.log", arguments.agent or "sweep")
    try:
        if arguments.sweep or not arguments.session:
            sweep(home, env, deadline_s=SWEEP_S)
            start_if_due(home, env)
            send_due(home, env, time.monotonic() + SWEEP_S)
        elif arguments.agent in agents.names():
            _work(Session(home, arguments.agent, arguments.session), env)
    except StoreNewerError:
        return hand_over(home, words, log)
    except TracerError as error:
        log.error("%s", error)
    return 0


def _work(session: Session, env: dict[str, str]) -> None:
    if session.session_id == spool.COMMON:
        _file_common(session, env)
    elif spool.is_ours(session.folder):
        live(session, env, Presence(session.folder))


def _file_common(session: Session, env: dict[str, str]) -> None:
    """Events that capture could not file: payloads name their sessions, once they are whole."""
    until = time.monotonic() + COMMON_S
    while time.monotonic() < until:
        for session_id in spool.file_common(session.home, session.agent, time.time_ns()):
            start_worker(Session(session.home, session.agent, session_id), env)
        if not spool.event_files(session.folder):
            return
        time.sleep(1.0)


def _entry(argv: Optional[list[str]] = None) -> int:
    return main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(_entry())
