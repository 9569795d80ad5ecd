"""Hooks replayed over recorded turns: the very script decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness_tracing.evaluate.finding import Finding
from harness_tracing.evaluate.rules import RULES, judged
from harness_tracing.improve import ladder
from harness_tracing.improve.proposal import Replay
from harness_tracing.improve.replay import Hook, Recorded, replay
from harness_tracing.improve.scripts import script
from harness_tracing.model import ToolCall, Turn
from tests.evaluate.made import FOLDER, bash, compaction, edit, read, turn, write
from tests.evaluate.test_rules import CHECK, VERIFIED
from tests.improve.projects import hook_path
from tests.recorded import play, recordings

NAMES = [rule().about.name for rule in RULES]  # type: ignore[attr-defined]


def hook(kind: str) -> Hook:
    name, event, _ = ladder.HOOKS[kind]
    text = script(name, CHECK.words if kind == "stop_hook" else None)
    return Hook(event, ladder.hook_command(name), {ladder.hook_file(name): text})


def recorded(rule: str, turns: list[Turn]) -> list[Recorded]:
    """The turns of a session with what the rule says of each."""
    found = []
    for each, said in judged(turns, CHECK):
        judgement = said[NAMES.index(rule)]
        passed = judgement.score > 0.5 if isinstance(judgement, Finding) else None
        found.append(Recorded(each, passed, judgement is None or isinstance(judgement, Finding)))
    return found


def distinct(*turns: Turn) -> list[Turn]:
    """Turns of one session: with ids of their own."""
    return [
        replace(
            each,
            turn_id=f"t{number}",
            steps=tuple(
                replace(step, tool_use_id=f"{number}-{step.tool_use_id}")
                if isinstance(step, ToolCall)
                else step
                for step in each.steps
            ),
        )
        for number, each in enumerate(turns)
    ]


def test_the_stop_hook_is_of_one_mind_with_its_rule() -> None:
    """Over all that the rule is tested by: it blocks what fails, and nothing that is good."""
    sessions = [recorded("verified_before_done", distinct(*case.values[1])) for case in VERIFIED]
    told = replay(hook("stop_hook"), sessions, FOLDER, hook_path())
    ended = [each for session in sessions for each in session if each.turn.status == "completed"]
    failing = sum(each.passed is False for each in ended)
    assert (told.wrongly, told.seen, told.runs) == (0, len(ended), len(ended))
    assert told.rightly == failing > 5


def test_over_real_recordings_too() -> None:
    folders = [each for each in recordings("claude-code") if each.name in CHOSEN]
    sessions = [
        recorded("verified_before_done", collected.whole())
        for folder in folders
        for collected in play(folder).values()
    ]
    told = replay(hook("stop_hook"), sessions, "/home/dev/order-pricing", hook_path())
    assert len(folders) == len(CHOSEN)
    assert (told.would_block, told.rightly, told.wrongly) == (1, 1, 0)
    assert told.seen > len(CHOSEN)


CHOSEN = {"tool_cycle", "multi_turn_resume", "long_session", "subagent_parallel", "tool_failure"}


def test_the_hook_before_tools_remembers_the_session_as_its_rule_does() -> None:
    turns = distinct(
        turn(edit("a.py")),
        turn(edit("a.py")),
        turn(read("b.py"), edit("b.py"), write("new.py"), edit("new.py")),
        turn(compaction(), edit("b.py")),
        turn(edit("c.py", agent_id="helper")),
        turn(bash("ls")),
    )
    session = recorded("edit_without_read", turns)
    told = replay(hook("pre_tool_hook"), [session], FOLDER, hook_path())
    assert told == Replay(would_block=3, rightly=3, wrongly=0, seen=6, runs=7)


def test_a_hook_that_blocks_everything_is_wrong_about_good_turns() -> None:
    good = turn(edit("a.py"), bash("make check"))
    hidden = turn(edit("a.py"), bash("[tool details hidden: 9 chars]"))
    session = [
        Recorded(distinct(turn(edit("a.py")))[0], False),
        Recorded(replace(good, turn_id="g"), True),
        Recorded(replace(turn(edit("README.md")), turn_id="d"), None),
        Recorded(replace(hidden, turn_id="h"), None, measurable=False),
        Recorded(replace(turn(edit("a.py"), status="interrupted"), turn_id="i"), None),
    ]
    told = replay(Hook("Stop", "exit 2"), [session], FOLDER, hook_path())
    assert told == Replay(would_block=4, rightly=1, wrongly=2, seen=4, runs=4)


@pytest.mark.parametrize("command", ["exit 0", "exit 1", "exit 127", "kill -9 $$", "echo x >&2"])
def test_only_the_exit_code_that_blocks_blocks(command: str) -> None:
    session = [Recorded(turn(edit("a.py")), False)]
    assert replay(Hook("Stop", command), [session], FOLDER, hook_path()).would_block == 0


def test_a_hook_gets_nothing_of_the_callers_environment(tmp_path: Path) -> None:
    told = tmp_path / "env"
    session = [Recorded(turn(edit("a.py")), False)]
    replay(Hook("Stop", f"env > {told}"), [session], FOLDER, hook_path())
    names = {line.split("=")[0] for line in told.read_text().split("\n") if "=" in line}
    assert names <= {"PATH", "HOME", "CLAUDE_PROJECT_DIR", "PWD", "SHLVL", "_", "OLDPWD"}
