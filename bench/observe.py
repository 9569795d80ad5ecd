"""Lists, searches and sums over ten thousand stored sessions.

python -m bench.observe           measure, and write that part of docs/performance.md
python -m bench.observe --quick   two thousand sessions, printed, not written
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.report import Goal, table, verdict, write
from bench.stats import median, milliseconds, p95
from harness_tracing.model import Message, ModelCall, Session, Step, ToolCall, Turn, Usage
from harness_tracing.prices import PriceTable, price_all
from harness_tracing.store import SessionChange, Store, TurnWrite

SESSIONS, QUICK_SESSIONS = 10_000, 2_000
ROUNDS = 9
BEGIN = "<!-- measured: begin (python -m bench.observe) -->"
_DAY_NS = 86_400 * 10**9
_SECOND_NS = 10**9
_WORDS = (
    "add fix order price discount shipping total test check release parse retry cache token "
    "session hook export filter migrate schema review rename remove document build lint type "
    "handle empty failing value module import function"
).split()
_TOOLS = ("Bash", "Read", "Edit", "Grep", "Write")
_MODELS = ("claude-sonnet-4-5", "claude-opus-4-5", "gpt-5-codex")
_AGENTS = ("claude-code", "codex", "cursor")


@dataclass(frozen=True)
class Observed:
    """What was in the store, how long filling it took, and seconds of each command's runs.

    `processor` are those that the command itself computed: other work on the machine tells less.
    """

    sessions: int
    turns: int
    steps: int
    megabytes: float
    index_megabytes: float
    written_s: float
    start: Sequence[float]
    cold_list: float
    runs: Mapping[str, Sequence[float]]
    processor: Mapping[str, Sequence[float]]


COMMANDS: dict[str, tuple[str, ...]] = {
    "sessions list": ("sessions", "list"),
    "search (one word in a thousand turns)": ("search", "rarely"),
    "search (two common words)": ("search", "order", "discount"),
    "stats": ("stats",),
    "stats --by day": ("stats", "--by", "day"),
    "stats --by model": ("stats", "--by", "model"),
    "stats --by tool": ("stats", "--by", "tool"),
}


def measure(folder: Path, sessions: int = SESSIONS, rounds: int = ROUNDS) -> Observed:
    """Fill a store, then time the commands in turn, each round beside a bare interpreter."""
    home = folder / ".arize" / "harness"
    path = home / "store.sqlite3"
    began = time.perf_counter()
    with Store.open(path) as store:
        for change in changes(sessions):
            store.write(change)
        stats = store.stats()
    written_s = time.perf_counter() - began
    env = {"HOME": str(folder), "PATH": os.environ.get("PATH", os.defpath)}
    _drop_from_cache(path)
    cold = _seconds(env, "-m", "harness_tracing.cli", *COMMANDS["sessions list"])
    runs: dict[str, list[float]] = {name: [] for name in COMMANDS}
    processor: dict[str, list[float]] = {name: [] for name in COMMANDS}
    start: list[float] = []
    for _ in range(rounds):
        start.append(_seconds(env, "-c", "pass"))
        for name, arguments in COMMANDS.items():
            used = _children_s()
            runs[name].append(_seconds(env, "-m", "harness_tracing.cli", *arguments))
            processor[name].append(_children_s() - used)
    size = path.stat().st_size / 1e6
    index = _index_bytes(path) / 1e6
    return Observed(
        sessions, stats.turns, stats.steps, size, index, written_s, start, cold, runs, processor
    )


def changes(sessions: int) -> Iterator[SessionChange]:
    """Sessions of three agents over 200 days, the same ones each time."""
    chance, prices = random.Random(6), PriceTable.load()
    now_ns = time.time_ns() // _DAY_NS * _DAY_NS
    for number in range(sessions):
        agent = _AGENTS[number % len(_AGENTS)]
        began_ns = now_ns - 200 * _DAY_NS + number * 200 * _DAY_NS // sessions
        session = Session(
            agent, f"{number:08x}-bench", f"project-{number % 40}", started_at_ns=began_ns
        )
        turns = [_turn(session, at, began_ns, chance) for at in range(chance.randint(1, 3))]
        writes = []
        for turn in turns:
            priced = price_all(turn.steps, prices)
            cost = priced.cost.total if priced.cost else None
            writes.append(TurnWrite(turn, True, cost, priced.unpriced))
        yield SessionChange(session, tuple(writes))


def _turn(session: Session, at: int, began_ns: int, chance: random.Random) -> Turn:
    begins = began_ns + at * 600 * _SECOND_NS
    model = chance.choice(_MODELS)
    steps: list[Step] = []
    for n in range(chance.randint(1, 3)):
        starts = begins + n * 30 * _SECOND_NS
        usage = Usage(chance.randint(5_000, 60_000), chance.randint(50, 900), 4_000, 500, 0, None)
        said = Message("assistant", _sentence(chance, 25))
        steps.append(ModelCall(f"c{n}", model, starts, starts + 9 * _SECOND_NS, usage, (), said))
        tool = chance.choice(_TOOLS)
        steps.append(
            ToolCall(
                f"t{n}",
                tool,
                starts + 10 * _SECOND_NS,
                starts + 12 * _SECOND_NS,
                "error" if chance.random() < 0.05 else "ok",
                call_id=f"c{n}",
                input={"command": f"python -m {_sentence(chance, 4)}"},
                output="\n".join(_sentence(chance, 12) for _ in range(chance.randint(3, 25))),
            )
        )
    used = sum((step.usage for step in steps if isinstance(step, ModelCall)), Usage())
    return Turn(
        session.agent,
        session.session_id,
        f"turn-{at}",
        at + 1,
        "completed",
        begins,
        begins + 200 * _SECOND_NS,
        prompt=_sentence(chance, 20),
        response=_sentence(chance, 40),
        model=model,
        usage=used,
        steps=tuple(steps),
    )


def _sentence(chance: random.Random, words: int) -> str:
    chosen = chance.choices(_WORDS, k=words)
    if chance.random() < 1 / 20_000:
        chosen.append("rarely")
    return " ".join([*chosen, f"n{chance.randrange(50_000)}"])


def _children_s() -> float:
    """Processor time of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _seconds(env: Mapping[str, str], *arguments: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-500:]}")
    return taken


def _drop_from_cache(path: Path) -> None:
    """Have the system forget what it read of the file, as after a start of the machine."""
    if not hasattr(os, "posix_fadvise"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _index_bytes(path: Path) -> int:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        sizes = (
            "SELECT (SELECT sum(length(block)) FROM search_data),"
            " (SELECT count(*) FROM search_docsize)"
        )
        blocks, rows = connection.execute(sizes).fetchone()
        return int(blocks) + 16 * int(rows)
    finally:
        connection.close()


def goals(found: Observed) -> list[Goal]:
    """What we promise of lists, searches and sums."""
    start = median(found.start)
    made = [
        Goal(
            f"`harness {name.split(' (')[0]}`"
            + (f" ({name.split(' (')[1]}" if "(" in name else ""),
            "≤ 200 ms beyond a bare interpreter",
            milliseconds(median(runs) - start),
            median(runs) - start <= 0.2,
        )
        for name, runs in found.runs.items()
    ]
    cold = f"{found.cold_list * 1000:.0f} ms"
    return [*made, Goal("cold `harness sessions list`", "≤ 0.5 s", cold, found.cold_list <= 0.5)]


def text(found: Observed) -> str:
    """The measured part of the page."""
    listed = goals(found)
    rows = [
        [each.what, each.goal, each.measured, "yes" if each.met else "**no**"] for each in listed
    ]
    spread = [
        ["`python -c pass`", milliseconds(median(found.start)), milliseconds(p95(found.start)), ""]
    ]
    for name, runs in found.runs.items():
        used = milliseconds(median(found.processor[name]))
        spread.append([name, milliseconds(median(runs)), milliseconds(p95(runs)), used])
    per_turn = found.written_s / found.turns
    return "\n\n".join(
        [
            f"Machine: {machine.in_words()}.",
            f"{found.sessions:,} sessions, {found.turns:,} turns and {found.steps:,} steps in "
            f"{found.megabytes:.0f} MB, of which the search index takes "
            f"{found.index_megabytes:.1f} MB; stored in {found.written_s:.0f} s, "
            f"{milliseconds(per_turn)} per turn, index and sums included.",
            table(["what", "goal", "measured", "met"], rows),
            table(["process from start to end", "median", "p95", "processor"], spread),
        ]
    )


def main() -> int:
    """Measure, write, and say which goals were missed; 1 when one was."""
    parser = argparse.ArgumentParser(
        prog="bench.observe", description="Measure lists and searches."
    )
    parser.add_argument("--quick", action="store_true", help="fewer sessions, print only")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sessions, rounds = (QUICK_SESSIONS, 3) if quick else (SESSIONS, ROUNDS)
        found = measure(Path(folder).resolve(), sessions, rounds)
    measured = text(found)
    print(measured)
    if not quick:
        write(measured, begin=BEGIN)
    return verdict(goals(found))


if __name__ == "__main__":
    sys.exit(main())
