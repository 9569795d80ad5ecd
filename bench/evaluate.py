"""How fast the rules judge: turns of the recordings, and turns as coding agents make them.

python -m bench.evaluate           measure, and write that part of docs/performance.md
python -m bench.evaluate --quick   fewer turns, printed, not written
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from bench import machine
from bench.report import Goal, table, verdict, write
from bench.stats import median
from harness_tracing.activity import Gate, activities_of, commands_of
from harness_tracing.evaluate.rules import RULES, Rule, judged
from harness_tracing.model import Message, ModelCall, Session, Step, ToolCall, Turn, Usage
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.recorded import play, recordings

SESSIONS, QUICK_SESSIONS = 200, 40
TURNS_PER_SESSION, TOOLS_PER_TURN, NAMES_PER_SESSION = 10, 5, 3
ROUNDS, FEWER = 7, 4
WANTED_PER_S = 10_000
BEGIN = "<!-- measured: begin (python -m bench.evaluate) -->"
GATE = Gate(("make", "check"), "Makefile on disk")
FOLDER = "/home/dev/order-pricing"
_SECOND_NS = 10**9
_NAMES = (
    "order price discount shipping total report parse retry cache token session hook export "
    "filter schema review module worker client server config"
).split()
# Command lines as agents write them. A session is about a few names of its own; the last three
# lines need the grammar of the shell, the others are words, quotes and operators.
_LINES = (
    "make check",
    "git status --short",
    "git diff src/{0}.py | head -{n}",
    "ls -la src/{0}",
    "cat src/{0}/{1}.py",
    "sed -n '1,{n}p' src/{0}/{1}.py",
    'grep -rn "def {0}_{n}" src tests | head -20',
    "rg -n '{0}.*{1}' --type py",
    "python -m pytest tests/test_{0}.py -x -q 2>&1 | tail -{n}",
    "cd /home/dev/order-pricing && python -m pytest -q tests/test_{0}_{n}.py",
    "uv run ruff check src/{0} && uv run mypy src/{1}",
    'git add -A && git commit -q -m "{0}: {1} {n}"',
    "find . -name '{0}*.py' -not -path './.venv/*' | xargs wc -l",
    "git commit -q -F - <<'EOF'\n{0} {n}\n\nMore on {1}.\nEOF",
    'for f in src/{0}/*.py; do python -m py_compile "$f"; done',
    "{0}=$(git rev-parse HEAD) && echo ${0} && make check 2>&1 | tail -{n}",
)
_TEXT_WORDS = [*_NAMES, "def", "return", "if", "self", "=", "(value)", "# why", "None", "line"]


@dataclass(frozen=True)
class Speed:
    """Seconds of processor per round: judging, finding out what was done, reading the store.

    None of it waits for anything, and other work on the machine tells less than in real time.
    """

    turns: int
    steps: int
    calls: int
    commands: int
    rules: Sequence[float]
    reading: Sequence[float]
    store: Sequence[float]

    def per_s(self, seconds: Sequence[float]) -> float:
        """Turns in a second, of the round in the middle."""
        return self.turns / median(seconds)


@dataclass(frozen=True)
class Judging:
    """The speeds on typical turns and on the recordings', and what each rule takes of it."""

    typical: Speed
    recorded: Speed
    each_rule: Mapping[str, float]


def sessions(count: int, seed: int) -> list[list[Turn]]:
    """Sessions of Claude Code, the same ones for the same seed."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        about = [f"{name}_{seed}_{number}" for name in chance.sample(_NAMES, NAMES_PER_SESSION)]
        turns = range(TURNS_PER_SESSION)
        made.append([_turn(f"{seed}-{number}", at, about, chance) for at in turns])
    return made


def _turn(session_id: str, at: int, about: Sequence[str], chance: random.Random) -> Turn:
    begins = 1_790_000_000 * _SECOND_NS + at * 600 * _SECOND_NS
    steps: list[Step] = []
    for number in range(TOOLS_PER_TURN):
        starts = begins + number * 20 * _SECOND_NS
        usage = Usage(chance.randint(5_000, 60_000), chance.randint(50, 900), 4_000, 500, 0, None)
        said = Message("assistant", _text(chance, 200))
        steps.append(
            ModelCall(
                f"c{number}", "claude-opus-4-5", starts, starts + 9 * _SECOND_NS, usage, (), said
            )
        )
        call = _call(about, chance)
        steps.append(
            replace(
                call,
                tool_use_id=f"t{at}-{number}",
                started_at_ns=starts + 10 * _SECOND_NS,
                ended_at_ns=starts + 12 * _SECOND_NS,
                call_id=f"c{number}",
            )
        )
    return Turn(
        "claude-code",
        session_id,
        f"turn-{at}",
        at + 1,
        "completed",
        begins,
        begins + 200 * _SECOND_NS,
        prompt=_text(chance, 150),
        response=_text(chance, 400) + ("\n\nAll tests pass.\n" if chance.random() < 0.3 else ""),
        model="claude-opus-4-5",
        steps=tuple(steps),
        cwd=FOLDER,
    )


def _call(about: Sequence[str], chance: random.Random) -> ToolCall:
    """Two of five run commands, the others read, change or search files."""
    kind = chance.choice(("Bash", "Bash", "Read", "Edit", "Grep"))
    path = f"{FOLDER}/{chance.choice(('src', 'tests'))}/{chance.choice(about)}.py"
    if kind == "Bash":
        names, n = (chance.choice(about), chance.choice(about)), chance.choice((5, 20, 50, 120))
        line = chance.choice(_LINES).format(*names, n=n)
        status = "error" if chance.random() < 0.1 else "ok"
        output = _text(chance, chance.choice((60, 400, 2_500)))
        return ToolCall("", kind, None, None, status, input={"command": line}, output=output)  # type: ignore[arg-type]
    if kind == "Edit":
        old, new = _text(chance, 200), _text(chance, 240)
        hunk = {
            "oldStart": 10,
            "oldLines": 6,
            "newStart": 10,
            "newLines": 7,
            "lines": [
                *(f"-{line}" for line in old.split("\n")),
                *(f"+{line}" for line in new.split("\n")),
            ],
        }
        return ToolCall(
            "",
            kind,
            None,
            None,
            "ok",
            input={"file_path": path, "old_string": old, "new_string": new},
            output="The file has been updated.",
            result={"filePath": path, "structuredPatch": [hunk], "originalFile": None},
        )
    asked = {"file_path": path} if kind == "Read" else {"pattern": "def total", "path": path}
    return ToolCall("", kind, None, None, "ok", input=asked, output=_text(chance, 4_000))


def _text(chance: random.Random, characters: int) -> str:
    """Lines of words, about so long."""
    words = chance.choices(_TEXT_WORDS, k=characters // 6)
    return "\n".join(" ".join(words[at : at + 9]) for at in range(0, len(words), 9))


def measure(folder: Path, count: int = SESSIONS, rounds: int = ROUNDS) -> Judging:
    """Judge sessions read from a store, other ones in every round, and the recordings'."""
    folder.mkdir(parents=True, exist_ok=True)
    with Store.open(folder / "store.sqlite3") as store:
        seconds = [_round(store, sessions(count, seed)) for seed in range(rounds)]
    last = sessions(count, rounds)
    each = {}
    for number, rule in enumerate(RULES, rounds + 1):
        few = sessions(count // FEWER, number)
        began = time.process_time()
        _judge(few, [rule])
        each[rule().about.name] = (time.process_time() - began) * FEWER
    recorded = recorded_sessions()
    again = [_times(recorded, 0.0) for _ in range(rounds)]
    return Judging(_speed(last, seconds), _speed(recorded, again), each)


def _round(store: Store, made: Sequence[Sequence[Turn]]) -> Sequence[float]:
    for turns in made:
        first = turns[0]
        session = Session(first.agent, first.session_id, "order-pricing", cwd=FOLDER)
        store.write(SessionChange(session, tuple(TurnWrite(turn, True, None) for turn in turns)))
    began = time.process_time()
    read = [store.turns(turns[0].agent, turns[0].session_id) for turns in made]
    return _times(read, time.process_time() - began)


def _times(made: Sequence[Sequence[Turn]], store_s: float) -> Sequence[float]:
    began = time.process_time()
    _judge(made, RULES)
    judged_at = time.process_time()
    for turns in made:
        activities_of(turns)
    return judged_at - began, time.process_time() - judged_at, store_s


def _judge(made: Iterable[Sequence[Turn]], rules: Sequence[Callable[[], Rule]]) -> None:
    for turns in made:
        for _ in judged(turns, GATE, rules):
            pass


def _speed(made: Sequence[Sequence[Turn]], seconds: Sequence[Sequence[float]]) -> Speed:
    turns = [turn for session in made for turn in session]
    steps = [step for turn in turns for step in turn.steps]
    rules, reading, store = zip(*seconds)
    return Speed(
        len(turns),
        len(steps),
        sum(isinstance(step, ToolCall) for step in steps),
        sum(len(commands_of(turn)) for turn in turns),
        rules,
        reading,
        store,
    )


def recorded_sessions() -> list[list[Turn]]:
    """The sessions of all recordings, as a store would hold them."""
    folders = [
        folder for agent in ("claude-code", "codex", "cursor") for folder in recordings(agent)
    ]
    return [session.whole() for folder in folders for session in play(folder).values()]


def goals(found: Judging) -> list[Goal]:
    """What we promise of the rules."""
    return [
        Goal(
            f"the eight rules together, {what}",
            f"≥ {WANTED_PER_S:,} turns/s",
            f"{speed.per_s(speed.rules):,.0f} turns/s",
            speed.per_s(speed.rules) >= WANTED_PER_S,
        )
        for what, speed in (("typical turns", found.typical), ("recorded turns", found.recorded))
    ]


def text(found: Judging) -> str:
    """The measured part of the page."""
    listed = goals(found)
    typical, recorded = found.typical, found.recorded
    rows = [
        ["reading them from the store", f"{typical.per_s(typical.store):,.0f}", ""],
        [
            "finding out what was done (commands, edits, reads), command lines known",
            *_both(found, "reading"),
        ],
        ["all eight rules, that included", *_both(found, "rules")],
        *(
            [f"`{name}` alone, that included", f"{typical.turns / seconds:,.0f}", ""]
            for name, seconds in found.each_rule.items()
        ),
    ]
    return "\n\n".join(
        [
            f"Machine: {machine.in_words()}.",
            _what("A typical turn", typical) + " " + _what("A recorded turn", recorded),
            table(
                ["what", "goal", "measured", "met"],
                [
                    [each.what, each.goal, each.measured, "yes" if each.met else "**no**"]
                    for each in listed
                ],
            ),
            table(["turns per second of processor", "typical turns", "recorded turns"], rows),
        ]
    )


def _both(found: Judging, what: str) -> list[str]:
    return [f"{each.per_s(getattr(each, what)):,.0f}" for each in (found.typical, found.recorded)]


def _what(name: str, speed: Speed) -> str:
    turns = speed.turns
    return (
        f"{name} has {speed.steps / turns:.1f} steps, {speed.calls / turns:.1f} tool calls of them,"
        f" and {speed.commands / turns:.1f} shell commands ({turns:,} turns a round,"
        f" {len(speed.rules)} rounds; medians)."
    )


def main() -> int:
    """Measure, write, and say which goals were missed; 1 when one was."""
    parser = argparse.ArgumentParser(prog="bench.evaluate", description="Measure the rules.")
    parser.add_argument("--quick", action="store_true", help="fewer turns, print only")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        count, rounds = (QUICK_SESSIONS, 3) if quick else (SESSIONS, ROUNDS)
        found = measure(Path(folder).resolve(), count, rounds)
    measured = text(found)
    print(measured)
    if not quick:
        write(measured, begin=BEGIN)
    return verdict(goals(found))


if __name__ == "__main__":
    sys.exit(main())
