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

from harness_tracing import agents
from harness_tracing.errors import StoreNewerError, TracerError
from harness_tracing.log import agent_log
from harness_tracing.paths import Home
from harness_tracing.worker.process import (
    Presence,
    Session,
    Worker,
    detach,
    hand_over,
    open_store,
    start_worker,
)
from harness_tracing.worker.retention import keep_retention
from harness_tracing.worker.session import SessionWork, settings_for
from harness_tracing.worker.sweep import sweep


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
    if arguments.sweep or not arguments.session:
        sweep(home, env, deadline_s=600.0)
        return 0
    session = Session(home, arguments.agent, arguments.session)
    return _work(session, env, words)


def _work(session: Session, env: dict[str, str], words: list[str]) -> int:
    agent = agents.get(session.agent)
    settings = settings_for(agent, env)
    log = agent_log(settings, agent.name)
    presence = Presence(session.folder)
    if not presence.enter():
        return 0
    try:
        with open_store(session.home, log) as store:
            work = SessionWork(session.home, agent.name, session.session_id, settings, store, log)

            def sweep_others() -> None:
                sweep(session.home, env, own=session, log=log)
                keep_retention(settings, store, log, time.time_ns())

            Worker(session, work, presence, sweep_others).run()
            for moved in dict.fromkeys(work.moved):
                start_worker(session.home, agent.name, moved, env)
    except StoreNewerError:
        presence.leave()
        return hand_over(session.home, words, log)
    except TracerError as error:
        log.error("session %s: %s", session.session_id, error)
        return 0
    except Exception:
        # The edge of the process: say it where a user can find it; events stay in the spool.
        log.exception("session %s: the worker stopped", session.session_id)
        return 0
    finally:
        presence.leave()
    return 0


def _entry(argv: Optional[list[str]] = None) -> int:
    return main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(_entry())
