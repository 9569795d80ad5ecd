"""`sessions summary` of recorded sessions, as a person reads it and as JSON."""

from __future__ import annotations

import datetime
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from harness_tracing.model import ToolCall, Turn
from harness_tracing.observe.report import of_session
from harness_tracing.observe.summary import summary_of
from harness_tracing.observe.summary.page import summary_page
from harness_tracing.observe.summary.report import of_summary
from harness_tracing.observe.tree import View, session_header
from harness_tracing.redact import Policy
from harness_tracing.store import SessionRow, Store, TurnRow
from tests import golden
from tests.recorded import FOLDER
from tests.stored import TABLE, store_recording

RECORDINGS = [
    "claude-code/bg_bash",
    "claude-code/compact_manual",
    "claude-code/multi_turn_resume",
    "claude-code/parallel_tools",
    "claude-code/permission_denied",
    "claude-code/subagent_parallel",
    "claude-code/tool_cycle",
    "claude-code/tool_failure",
    "claude-code/tui_ask",
    "claude-code-own/no_persistence",
    "claude-code-own/stop_hook_slow_blocks",
    "codex/subagents_v2",
    "codex/tool_cycle",
    "codex/tool_failure",
    "codex-own/code_mode",
    "cursor/ide-2.7.0-pre",
    "cursor/tool_cycle",
    "cursor-own/tool_failure",
]


def stored(
    tmp_path: Path, name: str, policy: Policy | None = None
) -> list[tuple[SessionRow, list[TurnRow]]]:
    """The sessions of a recording as the store gives them back."""
    with Store.open(tmp_path / "store.sqlite3") as store:
        ids = store_recording(store, FOLDER / name, policy)
        rows = [row for row in map(store.session, ids) if row is not None]
        return [(row, store.turn_rows(row.agent, row.session_id)) for row in rows]


def page(row: SessionRow, turns: list[TurnRow], width: int = 100) -> str:
    """What is printed, without the blanks that fill lines."""
    written = io.StringIO()
    console = Console(file=written, width=width, color_system=None, legacy_windows=False)
    utc = datetime.timezone.utc
    facts = summary_of([each.turn for each in turns], TABLE)
    for part in (*session_header(row, turns, View(zone=utc)), *summary_page(facts, utc)):
        console.print(part, highlight=False)
    return "\n".join(line.rstrip() for line in written.getvalue().split("\n"))


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_session_is_summarised(name: str, tmp_path: Path) -> None:
    pages = [page(row, turns) for row, turns in stored(tmp_path, name)]
    golden.check("summary/" + name.replace("/", "-"), "\n".join(pages))


def summary_json(tmp_path: Path, name: str, policy: Policy | None = None) -> dict:
    ((row, turns),) = stored(tmp_path, name, policy)
    facts = summary_of([each.turn for each in turns], TABLE)
    return json.loads(json.dumps({**of_session(row), "summary": of_summary(facts)}))


def test_as_json_the_same_facts_have_steady_names(tmp_path: Path) -> None:
    found = summary_json(tmp_path, "claude-code/tool_cycle")["summary"]
    assert found["gate"] == {"command": "make check", "source": "ran in the session"}
    assert found["verification"] == {
        "verdict": "verified",
        "reason": "`make check` passed after the last code edit",
        "last_edit": 2,
        "gate_run": 3,
        "other_checks": [],
    }
    assert [call["name"] for call in found["tool_calls"]] == ["Read", "Edit", "Bash"]
    assert found["changes"][0]["passed_after"] == [{"number": 3, "command": "make check"}]
    assert found["files"] == [{"path": "store/pricing.py", "read": [1], "edited": [2]}]


def test_calls_agents_and_turns_add_up_to_what_the_session_used(tmp_path: Path) -> None:
    whole = summary_json(tmp_path, "claude-code/subagent_parallel")
    for part in ("models", "agents", "turns"):
        rows = whole["summary"][part]
        assert sum(row["input_tokens"] for row in rows) == whole["input_tokens"]
        assert sum(row["output_tokens"] for row in rows) == whole["output_tokens"]
    costs = [row["cost_usd"] for row in whole["summary"]["agents"]]
    assert sum(costs) == pytest.approx(whole["cost_usd"])


def test_a_compaction_that_came_late_is_in_the_tokens_of_its_turn(tmp_path: Path) -> None:
    for row, turns in stored(tmp_path, "claude-code/tui_compact_clear"):
        found = of_summary(summary_of([each.turn for each in turns], TABLE))
        used = sum(turn["input_tokens"] or 0 for turn in found["turns"])
        assert used == of_session(row)["input_tokens"]


def test_time_is_counted_once_however_much_ran_at_once(tmp_path: Path) -> None:
    time = summary_json(tmp_path, "claude-code/parallel_tools")["summary"]["time"]
    parts = sum(time[name] for name in ("models_ms", "tools_ms", "person_ms", "other_ms"))
    assert parts == pytest.approx(time["turns_ms"])


@pytest.mark.parametrize("name", ["background_outlives", "two_resume_at_once"])
def test_turns_that_overlap_take_no_more_time_than_there_was(name: str, tmp_path: Path) -> None:
    for _, turns in stored(tmp_path, f"claude-code-own/{name}"):
        found = of_summary(summary_of([each.turn for each in turns], TABLE))["time"]
        first = min(each.turn.started_at_ns for each in turns)
        last = max(each.turn.ended_at_ns or first for each in turns)
        assert found["turns_ms"] + found["between_ms"] == pytest.approx((last - first) / 1e6)


def test_a_prompt_in_between_takes_the_growth_from_the_tool_before_it(tmp_path: Path) -> None:
    sessions = stored(tmp_path, "codex/tui_full")
    facts = [summary_of([each.turn for each in turns], TABLE) for _, turns in sessions]
    firsts = [point for each in facts for point in each.context if point.call == 1 and point.grew]
    assert firsts and all(point.after == () for point in firsts)


def test_waiting_for_a_person_is_no_time_of_the_tool(tmp_path: Path) -> None:
    found = summary_json(tmp_path, "claude-code/tui_ask")["summary"]
    (tool,) = found["tools"]
    assert tool["waited_ms"] > 1000
    assert tool["duration_ms"] < 1000
    assert found["longest"][0]["kind"] == "person"


def test_with_the_contents_of_tools_hidden_it_says_that_it_cannot_tell(tmp_path: Path) -> None:
    hidden = Policy(tool_details=False, tool_content=False)
    found = summary_json(tmp_path, "claude-code/tool_cycle", hidden)["summary"]
    assert found["verification"]["verdict"] == "cannot_tell"
    assert "hidden" in found["verification"]["reason"]
    assert [call["status"] for call in found["tool_calls"]] == ["ok", "ok", "ok"]


def test_a_check_that_ran_after_the_answer_verifies_the_session_and_not_the_turn() -> None:
    done = {"started_at_ns": 10, "ended_at_ns": 20, "status": "ok"}
    later = {"started_at_ns": 110, "ended_at_ns": 120, "status": "ok"}
    edit = ToolCall("t1", "Write", input={"file_path": "a.py", "content": ""}, **done)
    check = ToolCall("t2", "Bash", input={"command": "make check"}, **later)
    turns = [
        Turn("claude-code", "s", "a", 1, "completed", 0, 50, prompt="Do it.", steps=(edit,)),
        Turn("claude-code", "s", "b", 2, "completed", 100, 150, prompt="Check!", steps=(check,)),
    ]
    facts = summary_of(turns, TABLE)
    assert facts.verification.verdict == "verified"
    own = [turn.verification and turn.verification.verdict for turn in facts.turns]
    assert own == ["not_verified", None]
    lines = [line.plain for line in summary_page(facts) if isinstance(line, Text)]
    assert "  turn 1  not verified  last code edit #1" in lines


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_output(width: int, tmp_path: Path) -> None:
    for row, turns in stored(tmp_path, "claude-code/subagent_parallel"):
        assert max(map(len, page(row, turns, width).split("\n"))) <= width


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_share_of_the_time_stays_in_one_piece(width: int, tmp_path: Path) -> None:
    for row, turns in stored(tmp_path, "claude-code/tui_ask"):
        shown = page(row, turns, width)
        assert re.search(r"models [^\n]*\(\d+ %\)", shown)
        assert not re.search(r"\(\d+$", shown, re.MULTILINE)
