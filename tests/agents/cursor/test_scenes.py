"""Scenes that no recording shows: what the IDE and the command line do beside the SDK."""

from __future__ import annotations

import itertools
import random

import pytest
from agents.cursor.scenes import (
    CONVERSATION,
    GENERATION,
    START,
    Played,
    answer,
    asked,
    event,
    line,
    prompt,
    shell,
    stop,
    tool,
    unchanged,
)

from harness_tracing.agents.base import HookEvent
from harness_tracing.agents.cursor.reader import CursorReader
from harness_tracing.model import Moment, Subagent, ToolCall, Usage
from harness_tracing.redact import Policy, redact_turn

TRANSCRIPT = "/home/dev/.cursor/projects/p/agent-transcripts/c/c.jsonl"
FAILING = {"tool_use_id": "t1", "tool_name": "Shell", "tool_input": {"command": "make check"}}


def moments(played: Played, kind: str) -> list[Moment]:
    """The moments of a kind, of all turns."""
    steps = [step for turn in played.turns for step in turn.steps]
    return [step for step in steps if isinstance(step, Moment) and step.kind == kind]


def agents(played: Played) -> list[Subagent]:
    """The sub-agents of all turns."""
    return [s for turn in played.turns for s in turn.steps if isinstance(s, Subagent)]


# -- one turn per generation, or per prompt


def test_in_the_ide_a_turn_is_a_generation() -> None:
    second = {"generation_id": "g2"}
    played = Played(
        prompt(0),
        answer(50),
        stop(60),
        prompt(9000, "And now?", **second),
        answer(9100, "Yes.", **second),
        stop(9200, **second),
    ).wait(3)

    assert [turn.turn_id for turn in played.turns] == [GENERATION, "g2"]
    assert [turn.response for turn in played.turns] == ["Done.", "Yes."]
    assert [turn.number for turn in played.turns] == [1, 2]
    assert played.final == [GENERATION, "g2"]


def sdk(generation: str = CONVERSATION) -> dict[str, str]:
    """What the SDK's client gives as generation: the conversation's id."""
    return {"generation_id": generation, "session_id": CONVERSATION}


def test_with_the_sdk_a_turn_is_a_prompt() -> None:
    played = Played(
        event("sessionStart", 0, **sdk()),
        prompt(10, "One.", **sdk()),
        answer(50, "1", **sdk("run-1")),
        stop(60, **sdk()),
        prompt(70, "Two.", **sdk()),
        answer(90, "2", **sdk("run-2")),
        stop(95, **sdk()),
    ).wait(3)

    assert [(turn.prompt, turn.response) for turn in played.turns] == [("One.", "1"), ("Two.", "2")]


def test_prompts_of_one_request_share_its_run_id() -> None:
    # A Stop hook's follow-up is a prompt of its own, within the same request.
    played = Played(
        prompt(10, "One.", **sdk()),
        answer(50, "1", **sdk("run-1")),
        stop(60, **sdk()),
        prompt(70, "Go on.", **sdk()),
        answer(90, "2", **sdk("run-1")),
        stop(95, **sdk()),
    ).wait(3)

    assert [(t.prompt, t.response) for t in played.turns] == [("One.", "1"), ("Go on.", "2")]


@pytest.mark.parametrize("later_ms", [500, 5000], ids=["at once", "when that is final"])
def test_work_after_a_stop_in_the_same_generation_is_a_turn_of_its_own(later_ms: int) -> None:
    played = Played(prompt(0), answer(50), stop(60), *shell(later_ms, "t1", "ls")).die()

    first, second = played.turns
    assert (first.turn_id, second.turn_id) == (GENERATION, GENERATION + "+1")
    assert first.status == "completed"
    assert [tool.tool_use_id for tool in second.steps if isinstance(tool, ToolCall)] == ["t1"]


def test_a_further_message_in_a_running_generation_is_a_queued_prompt() -> None:
    played = Played(prompt(0), prompt(3000, "Also the docs."), answer(5000), stop(5010)).wait(3)

    [turn] = played.turns
    assert turn.prompt == "Tidy up."
    assert [m.details["text"] for m in moments(played, "prompt")] == ["Also the docs."]


def test_the_next_prompt_ends_a_turn_without_a_stop() -> None:
    played = Played(prompt(0), *shell(100, "t1", "ls"), prompt(3_600_000, generation_id="g2"))
    played.wait(3)

    first = played.turns[0]
    assert (first.status, first.turn_id in played.final) == ("interrupted", True)
    assert first.ended_at_ns == START + 130 * 10**6
    assert "end of the turn" in played.gaps


def test_two_prompts_that_say_the_same_are_two_turns() -> None:
    played = Played(
        prompt(0, "go on", **sdk()),
        stop(50, **sdk()),
        prompt(100, "go on", **sdk()),
        stop(150, **sdk()),
    ).wait(3)

    assert [turn.status for turn in played.turns] == ["completed", "completed"]


# -- tools


def test_four_events_are_one_tool_call() -> None:
    played = Played(prompt(0), *shell(100, "t1", "make check"), answer(500), stop(510)).wait(3)

    [call] = played.tools
    assert (call.tool_use_id, call.name, call.status) == ("t1", "Shell", "ok")
    assert (call.output, call.result) == ("out of make check", {"exitCode": 0})
    assert call.started_at_ns == START + 100 * 10**6
    assert call.ended_at_ns == START + 120 * 10**6


def test_the_same_command_again_is_another_call() -> None:
    events = [*shell(100, "t1", "ls"), *shell(200, "t2", "ls")]
    played = Played(prompt(0), *events, answer(500), stop(510)).wait(3)

    assert [(c.tool_use_id, c.started_at_ns, c.ended_at_ns) for c in played.tools] == [
        ("t1", START + 100 * 10**6, START + 120 * 10**6),
        ("t2", START + 200 * 10**6, START + 220 * 10**6),
    ]


def test_the_same_command_twice_at_once_is_two_calls() -> None:
    pairs = zip(shell(100, "t1", "ls"), shell(102, "t2", "ls"))
    played = Played(prompt(0), *itertools.chain(*pairs), answer(500), stop(510)).wait(3)

    assert [(c.tool_use_id, c.status) for c in played.tools] == [("t1", "ok"), ("t2", "ok")]
    assert all(c.ended_at_ns and c.ended_at_ns <= START + 122 * 10**6 for c in played.tools)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_parallel_tools_changes_nothing(seed: int) -> None:
    events = [
        prompt(0),
        *shell(100, "t1", "ls"),
        *shell(105, "t2", "pwd"),
        *shell(111, "t3", "ls"),
        answer(500),
        stop(510),
    ]
    shuffled = list(events)
    random.Random(seed).shuffle(shuffled)

    straight = Played(reader=None).feed_at_once(events).wait(3)
    other = Played(reader=None).feed_at_once(shuffled).wait(3)

    assert other.turns == straight.turns
    assert {c.tool_use_id for c in other.tools} == {"t1", "t2", "t3"}


def test_a_command_that_exits_non_zero_is_an_error_with_its_output() -> None:
    played = Played(prompt(0), *shell(100, "t1", "make check", exit_code=3), stop(510)).wait(3)

    [call] = played.tools
    assert call.status == "error"
    assert call.error is not None
    assert (call.error.type, call.error.message) == ("exit_code", "out of make check")


@pytest.mark.parametrize(
    ("told", "status", "error"),
    [
        ({"failure_type": "error", "is_interrupt": False}, "error", "tool_error"),
        ({"failure_type": "timeout", "is_interrupt": False}, "error", "timeout"),
        ({"failure_type": "permission_denied"}, "denied", "permission_denied"),
        ({"failure_type": "error", "is_interrupt": True}, "interrupted", "interrupted"),
    ],
)
def test_a_failed_tool_says_how(told: dict, status: str, error: str) -> None:
    failed = event("postToolUseFailure", 200, error_message="no", duration=5, **FAILING, **told)
    played = Played(prompt(0), event("preToolUse", 100, **FAILING), failed, stop(510)).wait(3)

    [call] = played.tools
    assert call.status == status
    assert call.error is not None
    assert (call.error.type, call.error.message) == (error, "no")


def mcp(at_ms: float, tool_use_id: str) -> list[HookEvent]:
    """All four events of an MCP call; only those in the middle name the server."""
    result = '{"content":[{"type":"text","text":"12.50"}],"isError":false}'
    bare = {"tool_name": "lookup_price", "tool_input": '{"sku": "A-1", "n": 1}'}
    told = {"n": 1, "sku": "A-1"}
    name = "MCP:lookup_price"
    return [
        tool("preToolUse", at_ms, tool_use_id, name, told),
        event("beforeMCPExecution", at_ms + 10, mcp_server_name="prices", **bare),
        event(
            "afterMCPExecution", at_ms + 20, mcp_server_name="prices", result_json=result, **bare
        ),
        tool("postToolUse", at_ms + 30, tool_use_id, name, told, tool_output=result),
    ]


def test_an_mcp_call_counts_once_and_knows_its_server() -> None:
    played = Played(prompt(0), *mcp(100, "t1"), stop(510)).wait(3)

    [call] = played.tools
    assert (call.tool_use_id, call.mcp_server, call.output) == ("t1", "prices", "12.50")


def test_clients_without_tool_ids_give_tools_by_their_other_events() -> None:
    mcp_events = [each for each in mcp(300, "t") if "MCP" in each.name]
    shell_events = [each for each in shell(100, "t", "ls") if "Shell" in each.name]
    read = event("beforeReadFile", 400, file_path="/a.py", content="x = 1", attachments=[])
    edits = [{"old_string": "1", "new_string": "2"}]
    edit = event("afterFileEdit", 450, file_path="/a.py", edits=edits)
    played = Played(prompt(0), *shell_events, *mcp_events, read, edit, answer(500), stop(510))
    played.wait(3)

    assert [(c.name, c.status, c.output) for c in played.tools] == [
        ("Shell", "unknown", "out of ls"),
        ("MCP:lookup_price", "ok", "12.50"),
        ("Read", "unknown", "x = 1"),
        ("Write", "ok", None),
    ]
    assert played.tools[3].result == {"edits": edits}
    assert "outcome of a tool" in played.gaps
    assert played.final == [GENERATION]


def test_a_tool_end_that_comes_after_the_stop_lands_in_its_turn() -> None:
    *before, late = shell(100, "t1", "ls")
    moved = HookEvent("late", late.name, START + 900 * 10**6, late.payload)
    played = Played(prompt(0), *before, answer(500), stop(510), moved).wait(3)

    [turn] = played.turns
    [call] = played.tools
    assert (call.status, call.result) == ("ok", {"exitCode": 0})
    assert call.ended_at_ns is not None
    assert turn.ended_at_ns is not None
    assert call.ended_at_ns <= turn.ended_at_ns == START + 510 * 10**6
    assert played.final == [GENERATION]


def test_a_turn_waits_for_the_end_of_its_tools() -> None:
    played = Played(prompt(0), *shell(100, "t1", "ls")[:3], answer(500), stop(510)).wait(60)
    assert played.final == []

    played.wait(600)
    assert played.final == [GENERATION]
    assert [call.status for call in played.tools] == ["unknown"]


def test_a_tool_end_that_comes_after_the_next_prompt_lands_in_its_turn() -> None:
    *before, late = shell(100, "t1", "ls")
    moved = HookEvent("late", late.name, START + 2000 * 10**6, late.payload)
    played = Played(prompt(0), *before, stop(510), prompt(1500, generation_id="g2"), moved).wait(3)

    assert [
        [s.tool_use_id for s in turn.steps if isinstance(s, ToolCall)] for turn in played.turns
    ] == [["t1"], []]


def test_a_tool_only_told_after_its_turn_was_final_is_a_late_step_of_it() -> None:
    late = shell(100, "t1", "ls")[3]
    played = Played(prompt(0), answer(50), stop(60)).wait(3)
    assert played.final == [GENERATION]

    played.feed(HookEvent("late", late.name, START + 5000 * 10**6, late.payload)).wait(3)

    [turn] = played.turns
    [call] = played.tools
    assert (call.tool_use_id, call.status) == ("t1", "ok")
    assert (turn.number, turn.status) == (1, "completed")


# -- ends


@pytest.mark.parametrize(
    ("said", "status"),
    [("completed", "completed"), ("aborted", "interrupted"), ("error", "failed")],
)
def test_a_stop_says_how_a_turn_ended(said: str, status: str) -> None:
    played = Played(prompt(0), stop(60, said)).wait(3)

    assert [(turn.status, turn.ended_at_ns) for turn in played.turns] == [
        (status, START + 60 * 10**6)
    ]
    assert ("reason of the failure" in played.gaps) == (status == "failed")


def test_aborting_interrupts_the_tools_that_ran() -> None:
    played = Played(prompt(0), *shell(100, "t1", "sleep 9")[:2], stop(510, "aborted")).wait(700)

    [call] = played.tools
    assert (call.status, call.ended_at_ns) == ("interrupted", START + 510 * 10**6)


def test_a_turn_is_final_moments_after_its_stop() -> None:
    played = Played(prompt(0), answer(50), stop(60))
    assert (played.final, played.reader.pending()) == ([], True)

    played.wait(3)
    assert (played.final, played.reader.pending()) == ([GENERATION], False)
    assert played.reader.open_since_ns() is None


def test_a_running_turn_is_never_closed_by_time_alone() -> None:
    played = Played(prompt(0), *shell(100, "t1", "make slow")[:2]).wait(7200)

    assert played.final == []
    assert played.turns[0].status == "open"
    assert not played.reader.pending()


def test_a_dead_agent_ends_its_turn_at_the_last_evidence() -> None:
    played = Played(prompt(0), *shell(100, "t1", "ls")).wait(3600).die()

    [turn] = played.turns
    assert (turn.status, turn.ended_at_ns) == ("interrupted", START + 130 * 10**6)
    assert played.stored.session is not None
    assert played.stored.session.end_reason == "died"


def test_a_tool_end_may_come_from_a_hook_that_outlives_its_agent() -> None:
    *before, late = shell(100, "t1", "ls")
    played = Played(prompt(0), *before, answer(500), stop(510))

    played.reader.tick(played.now_ns, False)
    assert played.reader.pending()
    played.feed(late).die()

    assert [(call.status, call.result) for call in played.tools] == [("ok", {"exitCode": 0})]
    assert not played.reader.pending()


def test_a_session_that_is_closed_in_the_ide_closes_its_turn() -> None:
    closed = {"reason": "user_close", "final_status": "completed", "duration_ms": 0}
    played = Played(prompt(0), event("sessionEnd", 500, **closed)).wait(3)

    assert [turn.status for turn in played.turns] == ["interrupted"]
    assert played.reader.session_over()


def test_the_end_of_an_sdk_session_says_how_its_prompt_ended() -> None:
    ended = {"reason": "aborted", "final_status": "aborted", **sdk()}
    played = Played(prompt(0, **sdk()), event("sessionEnd", 500, **ended)).wait(3)

    assert [turn.status for turn in played.turns] == ["interrupted"]
    assert "end of the turn" not in played.gaps


def test_a_session_goes_on_after_its_end() -> None:
    ended = {"reason": "user_close", "final_status": "completed"}
    played = Played(prompt(0), stop(10), event("sessionEnd", 20, **ended)).wait(3)
    played.feed(prompt(60_000, generation_id="g2"), stop(60_100, generation_id="g2")).wait(3)

    assert played.final == [GENERATION, "g2"]
    assert not played.reader.session_over()


# -- the command line, which announces no prompts: the transcript does


def headless(at_ms: float = 0) -> list[HookEvent]:
    """What `cursor-agent -p` tells."""
    path = {"transcript_path": TRANSCRIPT}
    start = event("sessionStart", at_ms, is_background_agent=False)
    calls = [
        HookEvent(e.key, e.name, e.at_ns, {**(e.payload or {}), **path})
        for e in shell(at_ms + 100, "t1", "ls")
    ]
    return [start, *calls]


def test_without_prompt_and_stop_the_transcript_tells_them() -> None:
    played = Played(
        *headless(),
        asked("List the files."),
        line("assistant", "Looking.", 100, name="run_terminal_cmd", input={"command": "ls"}),
        line("assistant", "There are two.", 200),
    )
    assert played.turns[0].status == "open"

    played.feed(Line_ended("success")).wait(3)

    [turn] = played.turns
    assert (turn.prompt, turn.response) == ("List the files.", "There are two.")
    assert turn.status == "completed"
    assert [call.tool_use_id for call in played.tools] == ["t1"]
    assert "end of the turn" not in played.gaps
    assert played.final == [turn.turn_id]


def Line_ended(status: str, **told: str):  # noqa: N802
    """The transcript's line about a turn's end."""
    from harness_tracing.agents.base import Line

    return Line("main", {"type": "turn_ended", "status": status, **told}, 900)


def test_the_transcript_tells_why_a_turn_failed() -> None:
    path = {"transcript_path": TRANSCRIPT}
    failed = Line_ended("error", error="usage limit reached")
    played = Played(prompt(0, "Go.", **path), asked("Go."), failed, stop(90, "error")).wait(3)

    [turn] = played.turns
    assert turn.error is not None
    assert (turn.status, turn.error.message) == ("failed", "usage limit reached")
    assert "reason of the failure" not in played.gaps


def test_an_answered_turn_without_a_stop_is_over_after_ten_quiet_minutes() -> None:
    played = Played(*headless(), asked("List the files."), line("assistant", "Two.", 200))
    assert played.wait(590).final == []

    played.wait(30)

    assert [turn.status for turn in played.turns] == ["completed"]
    assert "end of the turn" in played.gaps


def test_without_any_tool_event_the_transcript_tells_the_tools() -> None:
    path = {"transcript_path": TRANSCRIPT}
    wants = {"name": "read_file", "input": {"target_file": "a.py"}}
    said = line("assistant", "Reading.", 100, **wants)
    played = Played(prompt(0, "Go.", **path), asked("Go."), said, answer(90), stop(95)).wait(3)

    [call] = played.tools
    assert (call.name, call.status, call.started_at_ns) == ("read_file", "unknown", None)
    assert call.input == {"target_file": "a.py"}


def test_a_transcript_of_earlier_turns_is_not_taken_for_this_one() -> None:
    path = {"transcript_path": TRANSCRIPT}
    played = Played(
        prompt(0, "New.", **path),
        asked("Old."),
        line("assistant", "Old answer.", 100),
        asked("New.", 200),
        stop(90),
    ).wait(3)

    assert [(turn.prompt, turn.response) for turn in played.turns] == [("New.", None)]
    assert "response" in played.gaps


def test_what_began_before_tracing_is_no_turn_but_a_gap() -> None:
    edit = event("afterFileEdit", 0, generation_id="g0", file_path="/a", edits=[])
    played = Played(edit, prompt(900), answer(950), stop(960)).wait(3)

    assert [turn.turn_id for turn in played.turns] == [GENERATION]
    assert "1 tool calls before it" in played.gaps


# -- what the model says and what it costs


def test_thoughts_and_earlier_messages_are_moments_of_the_turn() -> None:
    thought = event("afterAgentThought", 40, text="Which one?", duration_ms=30)
    played = Played(prompt(0), thought, answer(50, "Let me look."), answer(90, "Found."), stop(95))
    played.wait(3)

    assert [turn.response for turn in played.turns] == ["Found."]
    assert [m.details for m in moments(played, "thinking")] == [
        {"text": "Which one?", "duration_ms": 30}
    ]
    assert [m.details["text"] for m in moments(played, "message")] == ["Let me look."]


def test_thoughts_are_hidden_with_prompts() -> None:
    thought = event("afterAgentThought", 40, text="The password is swordfish.")
    played = Played(prompt(0), thought, answer(50, "So it is swordfish."), answer(90), stop(95))
    [turn] = played.wait(3).turns

    hidden = redact_turn(turn, Policy(prompts=False, tool_details=True, tool_content=True))

    assert "swordfish" not in str(hidden)


def test_tokens_of_several_answers_add_up() -> None:
    told = {"input_tokens": 100, "output_tokens": 7, "cache_read_tokens": 60}
    played = Played(prompt(0), answer(50, "a", **told), answer(90, "b", **told), stop(95)).wait(3)

    assert [turn.usage for turn in played.turns] == [Usage(200, 14, 120)]
    assert "tokens" not in played.gaps


def test_tokens_of_the_stop_are_the_whole_turns() -> None:
    told = {"input_tokens": 100, "output_tokens": 7}
    total = {"input_tokens": 250, "output_tokens": 20, "cache_write_tokens": 5}
    played = Played(prompt(0), answer(50, "a", **told), stop(95, **total)).wait(3)

    assert [turn.usage for turn in played.turns] == [Usage(250, 20, None, 5)]


def test_tokens_that_are_not_reported_are_a_gap_and_no_zero() -> None:
    played = Played(prompt(0), answer(50), stop(95)).wait(3)

    assert [turn.usage for turn in played.turns] == [Usage()]
    assert ("tokens", "not reported by Cursor") in [
        (gap.what, gap.why) for gap in played.turns[0].gaps
    ]


def test_a_compaction_is_a_moment_with_what_cursor_tells_of_it() -> None:
    told = {"trigger": "auto", "context_usage_percent": 91.5, "context_tokens": 183000}
    played = Played(prompt(0), event("preCompact", 40, **told), answer(50), stop(95)).wait(3)

    assert [m.details for m in moments(played, "compaction")] == [told]
    assert "end of a compaction" in played.gaps


# -- sub-agents


def subagent(at_ms: float, name: str, **fields: object) -> HookEvent:
    """An event about the sub-agent that the call `task1` started."""
    told = {"subagent_id": "a1", "subagent_type": "explore", "task": "Find the tests."}
    return event(name, at_ms, parent_conversation_id=CONVERSATION, **{**told, **fields})


TASK = {"subagent_type": "explore", "prompt": "Find the tests."}


def test_a_subagent_hangs_below_the_call_that_started_it_with_its_tools() -> None:
    inner = [
        HookEvent(e.key, e.name, e.at_ns, {**(e.payload or {}), "parent_tool_call_id": "task1"})
        for e in shell(200, "t1", "ls tests")
    ]
    played = Played(
        prompt(0),
        tool("preToolUse", 100, "task1", "Task", TASK),
        subagent(110, "subagentStart", tool_call_id="task1"),
        *inner,
        subagent(400, "subagentStop", status="completed", summary="Two files.", duration_ms=290),
        tool("postToolUse", 410, "task1", "Task", TASK, tool_output='{"success":true}'),
        answer(500),
        stop(510),
    ).wait(3)

    [agent] = agents(played)
    assert (agent.tool_use_id, agent.type, agent.status) == ("task1", "explore", "completed")
    assert (agent.prompt, agent.response) == ("Find the tests.", "Two files.")
    assert [(c.tool_use_id, c.agent_id) for c in played.tools] == [("task1", None), ("t1", "a1")]


def test_the_call_behind_a_subagent_is_known_by_the_subagents_own_events() -> None:
    played = Played(
        prompt(0),
        subagent(110, "subagentStart", tool_call_id="task1"),
        subagent(400, "subagentStop", status="error", error_message="no model"),
        answer(500),
        stop(510),
    ).wait(3)

    [call], [agent] = played.tools, agents(played)
    assert (call.tool_use_id, call.name, call.status) == ("task1", "Task", "error")
    assert (agent.status, agent.error and agent.error.message) == ("failed", "no model")


def test_a_background_subagent_outlives_its_turn_and_is_settled_later() -> None:
    played = Played(
        prompt(0),
        subagent(110, "subagentStart", tool_call_id="task1", is_parallel_worker=True),
        answer(500),
        stop(510),
    )
    assert played.wait(1700).final == []

    played.wait(200)
    assert played.final == [GENERATION]
    assert "subagent still running" in played.gaps
    assert [agent.status for agent in agents(played)] == ["open"]

    played.feed(subagent(2_000_000, "subagentStop", status="completed", summary="Done at last."))
    steps = played.reader.changes()
    assert steps.turns == ()
    assert [call.status for call in played.tools] == ["running"]


def test_a_background_subagents_end_is_told_as_late_steps() -> None:
    started = subagent(110, "subagentStart", tool_call_id="task1", is_parallel_worker=True)
    played = Played(prompt(0), started, answer(500), stop(510)).wait(1900)

    played.reader.feed(subagent(2_000_000, "subagentStop", status="completed", summary="At last."))
    [change] = played.reader.changes().turns

    assert (change.final, change.turn.turn_id) == (True, GENERATION)
    assert [(type(s).__name__, s.status) for s in change.turn.steps] == [  # type: ignore[union-attr]
        ("ToolCall", "ok"),
        ("Subagent", "completed"),
    ]


def test_tools_that_name_an_unknown_parent_still_hang_below_a_subagent() -> None:
    inner = tool("postToolUse", 200, "t1", "Read", {}, parent_tool_call_id="task9")
    played = Played(prompt(0), inner, answer(500), stop(510)).wait(3)

    [agent] = agents(played)
    assert agent.tool_use_id == "task9"
    assert ("t1", "task9") in [(c.tool_use_id, c.agent_id) for c in played.tools]


# -- sessions, odd payloads, other agents


def test_several_workspace_folders_are_named() -> None:
    roots = {"workspace_roots": ["/home/dev/a", "/home/dev/b"]}
    played = Played(prompt(0, **roots), stop(10, **roots)).wait(3)

    session = played.stored.session
    assert session is not None
    assert (session.cwd, played.turns[0].cwd) == ("/home/dev/a", "/home/dev/a")
    assert session.attributes == {"cursor.workspace_roots": "/home/dev/a\n/home/dev/b"}


def test_the_users_mail_address_is_taken_nowhere() -> None:
    played = Played(prompt(0), *shell(100, "t1", "ls"), stop(510)).wait(3)

    kept = str(played.turns) + str(played.stored.session)
    assert "dev@example.com" not in kept + str(played.reader.snapshot(unchanged))


def test_payloads_that_are_not_cursors_change_nothing() -> None:
    foreign = {"session_id": CONVERSATION, "prompt": "not ours", "hook_event_name": "stop"}
    odd = [
        HookEvent(f"f{n}", name, START, foreign) for n, name in enumerate(("stop", "preToolUse"))
    ]
    played = Played(HookEvent("f", "beforeSubmitPrompt", START, foreign), *odd).wait(3)

    assert played.turns == []


def test_events_whose_payload_was_lost_still_count_for_their_time() -> None:
    lost = [HookEvent("a", "beforeSubmitPrompt", START, None), HookEvent("b", "stop", START, None)]
    played = Played(*lost).wait(3)

    [turn] = played.turns
    assert turn.started_at_ns == START
    assert {"prompt", "tokens", "end of the turn"} <= set(played.gaps)


def test_missing_ids_leave_the_rest_of_the_turn() -> None:
    bare = {"generation_id": None, "tool_use_id": None, "tool_name": "Read", "tool_input": {}}
    played = Played(
        prompt(0),
        event("preToolUse", 50, **bare),
        event("subagentStart", 60, subagent_id=None),
        answer(90, generation_id=None),
        stop(95, generation_id=None),
    ).wait(3)

    assert [(turn.status, turn.response) for turn in played.turns] == [("completed", "Done.")]


def test_new_fields_change_nothing() -> None:
    plain = Played(prompt(0), *shell(100, "t1", "ls"), answer(500), stop(510)).wait(3)
    new = {"brand_new": {"x": [1]}, "model_params": [{"id": "effort", "value": "high"}]}
    events = [prompt(0), *shell(100, "t1", "ls"), answer(500), stop(510)]
    richer = Played(
        *(HookEvent(e.key, e.name, e.at_ns, {**(e.payload or {}), **new}) for e in events)
    )

    assert richer.wait(3).turns == plain.turns


@pytest.mark.parametrize("gap_ms", [0, 3, 400])
def test_two_of_our_hooks_tell_everything_once(gap_ms: float) -> None:
    events = [
        prompt(0),
        event("afterAgentThought", 40, text="Hm.", duration_ms=30),
        *shell(1000, "t1", "ls"),
        *mcp(3000, "t2"),
        event("afterFileEdit", 4000, file_path="/a", edits=[{"old_string": "", "new_string": "x"}]),
        event("preCompact", 5000, trigger="auto"),
        subagent(5500, "subagentStart", tool_call_id="task1"),
        subagent(6000, "subagentStop", status="completed"),
        answer(7000, input_tokens=10, output_tokens=2),
        stop(8000),
    ]
    again = [HookEvent(e.key + "b", e.name, e.at_ns + int(gap_ms * 1e6), e.payload) for e in events]
    once = Played(*events).wait(3)
    twice = Played(*sorted([*events, *again], key=lambda e: e.at_ns)).wait(3)

    assert twice.turns[0].usage == once.turns[0].usage
    assert [_name(s) for s in twice.turns[0].steps] == [_name(s) for s in once.turns[0].steps]
    assert len(twice.turns) == 1


def _name(step: object) -> object:
    for name in ("tool_use_id", "agent_id", "moment_id"):
        if getattr(step, name, None) is not None:
            return getattr(step, name)
    return step


def test_a_snapshot_keeps_what_late_events_need() -> None:
    played = Played(prompt(0), *shell(100, "t1", "ls"), answer(500), stop(510)).wait(3)
    state = played.reader.snapshot(unchanged)
    reader = CursorReader.resume(CONVERSATION, "order-pricing", state)
    late = shell(200, "t2", "pwd")[3]

    again = Played(shell(100, "t1", "ls")[3], late, reader=reader).wait(3)

    assert [call.tool_use_id for call in again.tools] == ["t2"]
    assert again.turns[0].number == 1


# -- sub-agents with a conversation of their own

CHILD = "71cc77dd-7b6f-4b9f-ba32-93b3c642fd0e"


def of_child(*events: HookEvent) -> list[HookEvent]:
    """The events as they come from a conversation of the sub-agent's own."""
    ids = {"conversation_id": CHILD, "generation_id": CHILD, "session_id": CHILD}
    return [HookEvent(e.key, e.name, e.at_ns, {**(e.payload or {}), **ids}) for e in events]


@pytest.mark.parametrize("named_at", ["start", "stop"])
def test_events_of_a_subagents_own_conversation_hang_below_it(named_at: str) -> None:
    own = {"subagent_id": CHILD} if named_at == "start" else {}
    end = {"status": "completed", **(own or {"child_conversation_id": CHILD})}
    edges = [
        subagent(110, "subagentStart", tool_call_id="task1", **own),
        subagent(900, "subagentStop", **end),
    ]
    inner = of_child(
        event("afterAgentThought", 150, text="Where?"),
        *shell(200, "t1", "ls"),
        answer(600, "In tests.", input_tokens=50, output_tokens=3),
    )
    # Which conversation is the sub-agent's may be known only at its end.
    order = [edges[0], *inner, edges[1]] if named_at == "start" else [*edges, *inner]
    before = [prompt(0), *shell(50, "t0", "ls")]
    after = [answer(1000, input_tokens=100, output_tokens=7), stop(1010)]
    played = Played(*before, *order, *after).wait(3)

    [turn], [agent] = played.turns, agents(played)
    assert agent.response == "In tests."
    assert [(c.tool_use_id, c.agent_id, c.status) for c in played.tools] == [
        ("t0", None, "ok"),
        ("task1", None, "ok"),
        ("t1", agent.agent_id, "ok"),
    ]
    assert [m.agent_id for m in moments(played, "thinking")] == [agent.agent_id]
    assert turn.response == "Done."
    assert turn.usage == Usage(150, 10)
    assert played.tools[0].output == "out of ls"


def test_a_subagents_subagent_hangs_below_it() -> None:
    ids = {"conversation_id": CHILD, "generation_id": "run-of-child"}
    inner = {"subagent_id": "a2", "tool_call_id": "task2", "parent_conversation_id": CHILD}
    played = Played(
        prompt(0),
        subagent(110, "subagentStart", subagent_id=CHILD, tool_call_id="task1"),
        event("subagentStart", 200, **inner, **ids),
        event("subagentStop", 300, status="completed", **inner, **ids),
        subagent(400, "subagentStop", subagent_id=CHILD, status="completed"),
        stop(500),
    ).wait(3)

    assert [(a.agent_id, a.parent_agent_id) for a in agents(played)] == [
        (CHILD, None),
        ("a2", CHILD),
    ]
    assert [(c.tool_use_id, c.agent_id) for c in played.tools] == [
        ("task1", None),
        ("task2", CHILD),
    ]


def test_a_conversation_that_nothing_announced_is_told_only_when_it_is_over() -> None:
    reader = CursorReader.resume(CHILD, "order-pricing", None)
    played = Played(*of_child(*shell(200, "t1", "ls"), answer(600, "Two.")), reader=reader)
    assert played.turns == []
    assert list(reader.parts()) == []

    played.die()

    assert [(turn.response, turn.status) for turn in played.turns] == [("Two.", "completed")]


def test_a_session_asks_for_the_events_of_its_subagents_conversations() -> None:
    ended = subagent(900, "subagentStop", child_conversation_id=CHILD)
    played = Played(prompt(0), subagent(110, "subagentStart", tool_call_id="task1"), ended)

    assert list(played.reader.parts()) == ["a1", CHILD]
