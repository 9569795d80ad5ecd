"""What the commands cost that others run all the time, beside an interpreter's own start."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.capture import HARNESS
from bench.reading import finished_turns
from bench.stats import paired_ratio
from harness_tracing.model import Session
from harness_tracing.paths import Home
from harness_tracing.store import SessionChange, Store, TurnWrite

ROUNDS = 40
BESIDE = "python -c 'import sqlite3'"
STATUS, ANEW, LINE = "harness status", "harness status, anew", "harness hook-command"


@dataclass(frozen=True)
class Starts:
    """Processor seconds of every round, by command; everything takes turns in each round."""

    cpu_s: Mapping[str, list[float]]

    def ratio(self, command: str) -> float:
        """A command beside an interpreter that loads `sqlite3`, as the median of the rounds."""
        return paired_ratio(self.cpu_s[command], self.cpu_s[BESIDE])


def measure(folder: Path, rounds: int = ROUNDS) -> Starts:
    """Run each of them in turn, in a home with a session and a backend."""
    folder.mkdir(parents=True)
    env = {"HOME": str(folder), "PWD": str(folder), "PATH": os.defpath}
    env["PHOENIX_ENDPOINT"] = "http://127.0.0.1:9"
    _trace(Home(folder / ".arize" / "harness"), folder / "played")
    harness = str(HARNESS)
    commands: dict[str, Sequence[str]] = {
        BESIDE: (sys.executable, "-c", "import sqlite3"),
        STATUS: (harness, "status"),
        ANEW: (harness, "status"),
        LINE: (harness, "hook-command", "claude-code", "Stop"),
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            # Another variable is another environment: nothing is remembered for it.
            here = {**env, "BENCH_ROUND": str(number)} if name == ANEW else env
            taken = cpu_seconds_of(words, here)
            if number:  # the first round fills caches and makes the line
                found[name].append(taken)
    return Starts(found)


def _trace(home: Home, played: Path) -> None:
    """A store with a session in it."""
    with Store.open(home.store) as store:
        for turn in islice(finished_turns(played, 1), 1):
            session = Session(agent=turn.agent, session_id=turn.session_id, project="bench")
            store.write(SessionChange(session, (TurnWrite(turn, final=True),)))


def cpu_seconds_of(words: Sequence[str], env: Mapping[str, str]) -> float:
    """Processor time of a process from start to exit; RuntimeError when it fails."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(words[0], list(words), dict(env), file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"wait status {status} from: {' '.join(words)}")
    return used.ru_utime + used.ru_stime
