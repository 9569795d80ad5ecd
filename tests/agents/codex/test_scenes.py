"""Scenes that no recording shows, made by hand in the formats of the recordings."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from recorded import FOLDER as FOLDER_OF_RECORDINGS
from recorded import Collected

from harness_tracing.agents.base import HookEvent, Line, Listing
from harness_tracing.agents.codex.reader import CodexReader
from harness_tracing.model import (
    Gap,
    Message,
    ModelCall,
    Moment,
    Repository,
    Subagent,
    ToolCall,
    Turn,
    Usage,
)

SESSION = "01a204ff-a071-7312-a2bf-735319a484c4"
CHILD = "01a204ff-f13e-7f61-9982-f1f538a765c3"
FOLDER = "/home/dev/.codex/sessions/2026/11/22"
MAIN_PATH = f"{FOLDER}/rollout-2026-11-22T20-43-11-{SESSION}.jsonl"
CHILD_PATH = f"{FOLDER}/rollout-2026-11-22T20-43-32-{CHILD}.jsonl"
START = 1795380191_000000000
SECOND = 10**9
MINUTE = 60 * SECOND


class Scene:
    """A reader being fed by hand; times are seconds after the start."""

    def __init__(self, source: str | None = "exec") -> None:
        self.reader = CodexReader.resume(SESSION, "order-pricing", None)
        self.collected = Collected()
        self.ordinal = 0
        if source is not None:
            self.line(0, "session_meta", id=SESSION, source=source, cli_version="0.169.0", cwd="/w")

    def line(self, at: float, kind: str, thread: str = SESSION, **payload: Any) -> None:
        at_ns = START + int(at * SECOND)
        stamp = datetime.fromtimestamp(at_ns / SECOND, timezone.utc)
        value = {
            "timestamp": stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "ordinal": self.ordinal,
            "type": kind,
            "payload": payload,
        }
        self.ordinal += 1
        self.reader.time_is(at_ns)
        file = "main" if thread == SESSION else f"thread:{thread}"
        self.reader.feed_all([Line(file, value, self.ordinal)])
        self.collected.take(self.reader)

    def event(self, at: float, type: str, thread: str = SESSION, **payload: Any) -> None:
        self.line(at, "event_msg", thread, type=type, **payload)

    def item(self, at: float, turn: str, thread: str = SESSION, **item: Any) -> None:
        at_ms = (START + int(at * SECOND)) // 10**6
        times = {"started_at_ms": at_ms, "completed_at_ms": at_ms}
        self.event(at, "item_completed", thread, turn_id=turn, item=item, **times)

    def said(self, at: float, thread: str = SESSION, **item: Any) -> None:
        self.line(at, "response_item", thread, **item)

    def hook(self, at: float, name: str, **payload: Any) -> None:
        at_ns = START + int(at * SECOND)
        told = {"session_id": SESSION, "transcript_path": MAIN_PATH, "cwd": "/w", **payload}
        self.reader.time_is(at_ns)
        self.reader.feed_all([HookEvent(f"{at_ns}-{name}", name, at_ns, told, 4711)])
        self.collected.take(self.reader)

    def pass_time(self, at: float, alive: bool = True) -> None:
        self.reader.tick(START + int(at * SECOND), alive)
        self.collected.take(self.reader)

    def begin(self, at: float, turn: str = "t1", prompt: str = "Do it") -> None:
        self.event(at, "task_started", turn_id=turn, root_turn_id=turn)
        self.line(at, "turn_context", turn_id=turn, model="gpt-5.5", cwd="/w")
        self.said(at, type="message", role="user", content=[{"type": "input_text", "text": prompt}])
        self.item(at, turn, type="UserMessage", id=f"u-{turn}-{at}", content=text(prompt))

    def call(self, at: float, response: str, turn: str = "t1", thread: str = SESSION) -> None:
        usage = {"input_tokens": 100, "output_tokens": 10}
        self.line(at, "token_usage_record", thread, response_id=response, turn_id=turn, usage=usage)

    def answer(self, at: float, words: str, turn: str = "t1", thread: str = SESSION) -> None:
        content = [{"type": "output_text", "text": words}]
        self.item(at, turn, thread, type="AgentMessage", id=f"a-{at}", content=text(words))
        self.said(at, thread, type="message", role="assistant", content=content)

    def asks(self, at: float, call_id: str, name: str, thread: str = SESSION, **more: Any) -> None:
        arguments = '{"cmd": "make"}'
        self.said(
            at,
            thread,
            type="function_call",
            name=name,
            call_id=call_id,
            arguments=arguments,
            **more,
        )

    def turns(self) -> list[Turn]:
        return self.collected.whole()

    def is_final(self, turn: str = "t1") -> bool:
        return turn in self.collected.final


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def steps(turn: Turn, kind: type) -> list[Any]:
    return [step for step in turn.steps if isinstance(step, kind)]


# -- messages while a turn runs


def test_a_message_that_steers_a_turn_is_a_moment_of_it() -> None:
    scene = Scene()
    scene.hook(1, "UserPromptSubmit", turn_id="t1", prompt="Do it")
    scene.begin(1)
    scene.asks(2, "call_1", "exec_command")
    scene.call(3, "resp_1")
    scene.hook(4, "UserPromptSubmit", turn_id="t1", prompt="Use ruff")
    scene.said(5, type="function_call_output", call_id="call_1", output="ok")
    scene.said(5, type="message", role="user", content=[{"type": "input_text", "text": "Use ruff"}])
    scene.item(5, "t1", type="UserMessage", id="u2", content=text("Use ruff"))
    scene.answer(6, "Done")
    scene.call(7, "resp_2")
    scene.event(8, "task_complete", turn_id="t1", last_agent_message="Done")
    scene.pass_time(9)

    (turn,) = scene.turns()
    assert (turn.prompt, turn.status) == ("Do it", "completed")
    assert [m.details for m in steps(turn, Moment)] == [{"text": "Use ruff"}]
    last = steps(turn, ModelCall)[-1]
    assert [m.content for m in last.input_messages] == ["ok", "Use ruff"]


# -- turns without an end of their own


def test_a_served_session_that_falls_silent_is_interrupted_after_ten_minutes() -> None:
    scene = Scene(source="vscode")
    scene.begin(1)
    scene.pass_time(599)
    assert not scene.is_final()
    scene.pass_time(602)
    scene.pass_time(603)

    (turn,) = scene.turns()
    assert (turn.status, turn.ended_at_ns) == ("interrupted", START + SECOND)
    assert Gap("end of the turn", "nothing was written for ten minutes") in turn.gaps


def test_a_running_tool_keeps_a_silent_turn_open() -> None:
    scene = Scene(source="vscode")
    scene.begin(1)
    scene.asks(2, "call_1", "exec_command")
    scene.call(3, "resp_1")
    scene.pass_time(3600)

    assert not scene.is_final()
    assert steps(scene.turns()[0], ToolCall)[0].status == "running"


def test_a_session_in_a_process_of_its_own_waits_as_long_as_that_lives() -> None:
    scene = Scene(source="cli")
    scene.begin(1)
    scene.pass_time(7200)
    assert not scene.is_final()
    scene.pass_time(7201, alive=False)

    (turn,) = scene.turns()
    assert (turn.status, turn.ended_at_ns) == ("interrupted", START + SECOND)
    assert Gap("end of the turn", "Codex ended without writing it") in turn.gaps


def test_the_next_turn_ends_one_that_was_killed() -> None:
    scene = Scene()
    scene.begin(1)
    scene.begin(60, "t2", "Go on")
    scene.answer(61, "Yes", "t2")
    scene.call(62, "resp_2", "t2")
    scene.event(63, "task_complete", turn_id="t2", last_agent_message="Yes")
    scene.pass_time(64)

    first, second = scene.turns()
    assert (first.status, first.number) == ("interrupted", 1)
    assert first.ended_at_ns == START + SECOND
    assert (second.status, second.number) == ("completed", 2)


def test_without_a_rollout_a_stop_and_ten_quiet_minutes_end_a_turn() -> None:
    scene = Scene(source=None)
    scene.hook(1, "UserPromptSubmit", transcript_path=None, turn_id="t1", prompt="Do it")
    scene.hook(9, "Stop", transcript_path=None, turn_id="t1", last_assistant_message="Done")
    scene.pass_time(60)
    assert not scene.is_final()
    scene.pass_time(620)
    scene.pass_time(621)

    (turn,) = scene.turns()
    assert (turn.status, turn.response) == ("completed", "Done")
    assert turn.ended_at_ns == START + 9 * SECOND
    assert turn.gaps == (Gap("model calls", "the session kept no rollout"),)


def test_a_session_that_is_resumed_after_its_end_goes_on() -> None:
    scene = Scene()
    scene.begin(1)
    scene.event(2, "task_complete", turn_id="t1", last_agent_message=None)
    scene.hook(3, "SessionEnd", reason="other")
    scene.pass_time(5)
    assert scene.reader.session_over()
    scene.hook(100, "SessionStart", source="resume")
    assert not scene.reader.session_over()
    scene.begin(101, "t2")
    scene.event(102, "task_complete", turn_id="t2", last_agent_message=None)
    scene.pass_time(103)

    assert [turn.number for turn in scene.turns()] == [1, 2]


# -- older clients


def test_older_rollouts_count_tokens_by_their_growing_total() -> None:
    scene = Scene()

    def counted(at: float, total: int, last: int) -> None:
        usage = {"input_tokens": last - 10, "output_tokens": 10, "total_tokens": last}
        info = {"total_token_usage": {"total_tokens": total}, "last_token_usage": usage}
        scene.event(at, "token_count", info=info)

    scene.event(1, "user_message", message="Do it")
    scene.line(1, "turn_context", model="gpt-5", cwd="/w")
    scene.event(1, "token_count", info=None)
    scene.asks(2, "call_1", "shell")
    counted(3, 100, 100)
    said = '{"output": "no", "metadata": {"exit_code": 2}}'
    scene.said(4, type="function_call_output", call_id="call_1", output=said)
    counted(4, 100, 100)
    scene.event(5, "agent_message", message="Done")
    content = [{"type": "output_text", "text": "Done"}]
    scene.said(5, type="message", role="assistant", content=content)
    counted(6, 250, 150)
    scene.event(60, "user_message", message="Again")
    scene.pass_time(61)

    first = scene.turns()[0]
    calls = steps(first, ModelCall)
    assert [call.usage.input_tokens for call in calls] == [90, 140]
    assert first.usage == Usage(230, 20)
    assert (first.prompt, first.response) == ("Do it", "Done")
    tool = steps(first, ToolCall)[0]
    assert (tool.status, tool.call_id) == ("error", calls[0].call_id)
    assert scene.is_final(first.turn_id)


def read_old(version: str) -> list[Turn]:
    """A rollout of an older client, read as an import would: no hook tells of it."""
    path = FOLDER_OF_RECORDINGS / f"codex-old/rollout-{version}.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    reader = CodexReader.resume(lines[0]["payload"]["id"], "order-pricing", None)
    collected = Collected()
    reader.feed_all([Line("main", line, at) for at, line in enumerate(lines)])
    reader.close(0, "imported")
    collected.take(reader)
    return collected.whole()


@pytest.mark.parametrize("version", ["0.80.0", "0.120.0"])
def test_a_rollout_of_an_older_client_is_read_without_any_hook(version: str) -> None:
    first, second = read_old(version)

    assert (first.prompt, first.status, first.model) == ("First", "completed", "gpt-5.5")
    assert str(first.response).endswith(" answer 2.")
    assert (second.prompt, second.status) == ("Second", "completed")
    assert [call.usage.input_tokens for call in steps(first, ModelCall)] == [8000, 8100, 8200]
    assert [call.usage.input_tokens for call in steps(second, ModelCall)] == [8300]
    assert (first.gaps, second.gaps) == ((), ())
    failed = {tool.name: tool.error.type for tool in steps(first, ToolCall) if tool.error}
    shell = {"shell_command": "exit_code"}
    later = {"exec_command": "exit_code", "apply_patch": "unknown_tool"}
    assert failed == (shell if version == "0.80.0" else later)


# -- sub-agents


def spawn(scene: Scene) -> None:
    """The turn t1 starts a sub-agent, which begins to work."""
    scene.begin(1)
    scene.said(
        2,
        type="function_call",
        namespace="collaboration",
        name="spawn_agent",
        call_id="sp_1",
        arguments='{"message": "Test it", "task_name": "tests"}',
    )
    scene.call(3, "resp_1")
    scene.item(3, "t1", type="SubAgentActivity", id="sp_1", kind="started", agent_thread_id=CHILD)
    scene.said(3, type="function_call_output", call_id="sp_1", output="{}")
    source = {"subagent": {"thread_spawn": {"parent_thread_id": SESSION, "agent_role": None}}}
    scene.line(4, "session_meta", CHILD, id=CHILD, parent_thread_id=SESSION, source=source)
    scene.event(4, "task_started", CHILD, turn_id="c1", root_turn_id="t1")
    scene.line(4, "turn_context", CHILD, turn_id="c1", model="gpt-5.5")


def finish_child(scene: Scene, at: float) -> None:
    scene.answer(at, "Green", "c1", CHILD)
    scene.call(at, "resp_c", "c1", CHILD)
    scene.event(at, "task_complete", CHILD, turn_id="c1", last_agent_message="Green")


def test_a_turn_waits_for_its_sub_agents() -> None:
    scene = Scene()
    spawn(scene)
    scene.event(5, "task_complete", turn_id="t1", last_agent_message="Started")
    scene.pass_time(100)
    assert not scene.is_final()
    finish_child(scene, 101)
    scene.pass_time(102)

    (turn,) = scene.turns()
    assert turn.gaps == ()
    assert turn.ended_at_ns == START + 101 * SECOND
    (agent,) = steps(turn, Subagent)
    assert (agent.status, agent.tool_use_id, agent.prompt) == ("completed", "sp_1", "Test it")
    assert turn.usage.input_tokens == 200


def test_after_half_an_hour_a_turn_goes_out_and_its_agents_steps_follow() -> None:
    scene = Scene()
    spawn(scene)
    scene.event(5, "task_complete", turn_id="t1", last_agent_message="Started")
    scene.pass_time(1810)
    (turn,) = scene.turns()
    assert scene.is_final()
    assert Gap("subagent still running", CHILD) in turn.gaps
    assert (turn.ended_at_ns, turn.usage.input_tokens) == (START + 5 * SECOND, 100)

    finish_child(scene, 1900)
    scene.reader.tick(START + 1901 * SECOND, True)
    (late,) = scene.reader.changes().turns
    assert (late.final, late.turn.turn_id, late.turn.number) == (True, "t1", 1)
    assert [agent.status for agent in steps(late.turn, Subagent)] == ["completed"]
    assert [call.agent_id for call in steps(late.turn, ModelCall)] == [CHILD]
    assert scene.reader.open_since_ns() is None


def test_an_agent_that_is_given_more_to_do_works_in_the_turn_that_asked() -> None:
    scene = Scene()
    spawn(scene)
    finish_child(scene, 5)
    scene.event(6, "task_complete", turn_id="t1", last_agent_message="Green")
    scene.pass_time(7)
    scene.begin(10, "t2", "Once more")
    scene.said(
        11,
        type="function_call",
        namespace="collaboration",
        name="followup_task",
        call_id="fu_1",
        arguments='{"message": "Again"}',
    )
    scene.call(12, "resp_2", "t2")
    activity = {"kind": "interacted", "agent_thread_id": CHILD}
    scene.item(12, "t2", type="SubAgentActivity", id="fu_1", **activity)
    scene.event(13, "task_started", CHILD, turn_id="c2", root_turn_id="t2")
    scene.answer(14, "Still green", "c2", CHILD)
    scene.call(14, "resp_c2", "c2", CHILD)
    scene.event(14, "task_complete", CHILD, turn_id="c2", last_agent_message="Still green")
    scene.event(15, "task_complete", turn_id="t2", last_agent_message="Still green")
    scene.pass_time(16)

    first, second = scene.turns()
    assert [(a.tool_use_id, a.response) for a in steps(first, Subagent)] == [("sp_1", "Green")]
    told = [(a.tool_use_id, a.prompt, a.response) for a in steps(second, Subagent)]
    assert told == [("fu_1", "Again", "Still green")]
    assert second.usage.input_tokens == 200


def test_a_rollout_that_no_hook_named_is_found_in_the_folders_of_its_day() -> None:
    scene = Scene()
    scene.hook(0, "SessionStart", source="startup")
    scene.begin(1)
    scene.said(2, type="function_call", name="spawn_agent", call_id="sp_1", arguments="{}")
    scene.item(
        3, "t1", type="CollabAgentToolCall", id="sp_1", tool="spawn_agent",
        receiver_thread_ids=[CHILD], prompt="Test it",
    )  # fmt: skip
    wanted = {file.key: file for file in scene.reader.wanted_files()}
    folder = wanted[f"day:{FOLDER}"]
    assert folder.how == "folder"
    name = CHILD_PATH.rpartition("/")[2]
    scene.reader.feed(Listing(folder.key, ("rollout-other.jsonl", name)))

    wanted = {file.key: file for file in scene.reader.wanted_files()}
    assert wanted[f"thread:{CHILD}"].path == CHILD_PATH
    assert not any(key.startswith("day:") for key in wanted)


def test_a_sub_agent_whose_rollout_is_not_found_leaves_a_gap() -> None:
    scene = Scene()
    scene.begin(1)
    scene.said(2, type="function_call", name="spawn_agent", call_id="sp_1", arguments="{}")
    scene.item(
        3, "t1", type="CollabAgentToolCall", id="sp_1", tool="spawn_agent",
        receiver_thread_ids=[CHILD],
    )  # fmt: skip
    scene.event(4, "task_complete", turn_id="t1", last_agent_message="Done")
    scene.pass_time(4.5)
    assert not scene.is_final()
    scene.pass_time(9)

    (turn,) = scene.turns()
    assert Gap(f"work of sub-agent {CHILD}", "no rollout of it was found") in turn.gaps


# -- tools


@pytest.mark.parametrize("registered", [1, 2])
def test_a_wait_for_approval_belongs_to_the_same_command(registered: int) -> None:
    scene = Scene()
    scene.begin(1)
    for call_id, command in (("call_1", "make"), ("call_2", "rm x")):
        scene.asks(2, call_id, "exec_command")
        scene.hook(
            3, "PreToolUse", turn_id="t1", tool_name="Bash", tool_use_id=call_id,
            tool_input={"command": command},
        )  # fmt: skip
    scene.call(3, "resp_1")
    for _ in range(registered):
        scene.hook(
            4, "PermissionRequest", turn_id="t1", tool_name="Bash",
            tool_input={"command": "make", "description": "Build"},
        )  # fmt: skip
    took = {"secs": 2, "nanos": 0}
    for call_id, at in (("call_2", 5), ("call_1", 10)):
        scene.item(
            at, "t1", type="CommandExecution", id=call_id, status="completed", exit_code=0,
            command=["bash", "-lc", "x"], duration=took,
        )  # fmt: skip
    scene.event(11, "task_complete", turn_id="t1", last_agent_message="Done")
    scene.pass_time(12)

    tools = {tool.tool_use_id: tool for tool in steps(scene.turns()[0], ToolCall)}
    assert tools["call_2"].waited_ns is None
    assert tools["call_1"].waited_ns == 4 * SECOND
    assert tools["call_1"].ended_at_ns == START + 10 * SECOND


def test_what_codex_says_in_place_of_a_result_tells_how_a_tool_went() -> None:
    told = {
        "unsupported call: x": ("error", "unknown_tool"),
        "failed to parse function arguments: no": ("error", "invalid_arguments"),
        "approval policy is Never; reject command — no": ("denied", "permission_denied"),
        "Tool call blocked by PreToolUse hook: no": ("denied", "permission_denied"),
        "aborted by user after 2.1s": ("interrupted", "interrupted"),
        "command timed out after 1000 milliseconds": ("error", "timeout"),
        "Exit code: 3\nWall time: 0 seconds\nOutput:\nExit code: 0": ("error", "exit_code"),
        "Plan updated": ("ok", None),
    }
    scene = Scene()
    scene.begin(1)
    for number, output in enumerate(told):
        scene.asks(2, f"call_{number}", "tool")
        scene.said(3, type="function_call_output", call_id=f"call_{number}", output=output)
    scene.call(4, "resp_1")
    scene.event(5, "task_complete", turn_id="t1", last_agent_message="Done")
    scene.pass_time(6)

    tools = steps(scene.turns()[0], ToolCall)
    found = {t.output: (t.status, t.error.type if t.error else None) for t in tools}
    assert found == told


def test_tools_that_only_hooks_tell_of_have_the_names_of_rollouts() -> None:
    names = {
        "Bash": "exec_command",
        "apply_patch": "apply_patch",
        "mcp__pricing__price_lookup": "mcp__pricing.price_lookup",
        "collaborationspawn_agent": "collaboration.spawn_agent",
        "multi_agent_v1wait_agent": "multi_agent_v1.wait_agent",
    }
    scene = Scene(source=None)
    told = {"transcript_path": None, "turn_id": "t1"}
    scene.hook(1, "UserPromptSubmit", prompt="Do it", **told)
    for name in names:
        for at, event in ((2, "PreToolUse"), (3, "PostToolUse")):
            scene.hook(at, event, tool_name=name, tool_use_id=name, tool_input={}, **told)
    scene.hook(4, "SessionEnd", reason="other", transcript_path=None)
    scene.pass_time(6)

    tools = {tool.tool_use_id: tool for tool in steps(scene.turns()[0], ToolCall)}
    assert {tool_id: tool.name for tool_id, tool in tools.items()} == names
    assert tools["mcp__pricing__price_lookup"].mcp_server == "pricing"
    assert tools["Bash"].status == "unknown"
    assert tools["apply_patch"].status == "ok"


def test_a_command_typed_by_the_user_is_a_turn_without_a_prompt() -> None:
    scene = Scene()
    scene.event(1, "task_started", turn_id="t1", root_turn_id="t1")
    scene.item(
        2, "t1", type="CommandExecution", id="c", status="completed", exit_code=0,
        command=["bash", "-lc", "ls"], source="user_shell", aggregated_output="a\n",
    )  # fmt: skip
    scene.event(3, "task_complete", turn_id="t1", last_agent_message=None)
    scene.pass_time(4)

    (turn,) = scene.turns()
    assert turn.prompt == "! ls"
    assert [tool.output for tool in steps(turn, ToolCall)] == ["a\n"]


# -- what must never happen


def test_nothing_codex_may_write_raises() -> None:
    scene = Scene()
    scene.begin(1)
    odd: list[Any] = [None, 3, "x", [], {}, [None], {"a": None}, [{"text": 3}], True, 1e300]
    kinds = ["session_meta", "turn_context", "token_usage_record", "compacted", "new_kind"]
    inner = [
        "task_started", "task_complete", "turn_aborted", "token_count", "item_completed",
        "user_message", "agent_message", "exec_command_end", "message", "reasoning",
        "function_call", "function_call_output", "web_search_call", "odd_call", "odd_output",
    ]  # fmt: skip
    items = [
        "UserMessage", "AgentMessage", "CommandExecution", "FileChange", "McpToolCall",
        "SubAgentActivity", "CollabAgentToolCall", "HookPrompt", "ContextCompaction",
        "EnteredReviewMode", "ExitedReviewMode", "Novelty",
    ]  # fmt: skip
    fields = [
        "turn_id", "item", "id", "call_id", "content", "output", "arguments", "usage", "info",
        "error", "summary", "name", "namespace", "replacement_history", "turn_attribution",
    ]  # fmt: skip
    for value in odd:
        payload = dict.fromkeys(fields, value)
        for kind in kinds:
            scene.line(2, kind, **payload)
        for name in inner:
            for kind in ("event_msg", "response_item"):
                scene.line(2, kind, type=name, **payload)
        for name in items:
            item = {**dict.fromkeys([*fields, "command", "changes", "result", "fragments"], value)}
            scene.item(2, "t1", **{**item, "type": name, "id": "i"})
        scene.reader.feed(Line("main", {"timestamp": value, "type": value, "payload": value}, 1))
    scene.reader.feed(Line("main", None, 9))
    names = ["PreToolUse", "PostToolUse", "Stop", "SubagentStart", "Unheard", "PreCompact"]
    hook_fields = [
        "turn_id", "tool_use_id", "tool_name", "tool_input", "transcript_path", "agent_id", "model",
    ]  # fmt: skip
    for name in [*names, "PermissionRequest", "SubagentStop", "UserPromptSubmit", "SessionEnd"]:
        scene.reader.feed(HookEvent("k", name, START, None))
        for value in odd:
            payload = dict.fromkeys(hook_fields, value)
            scene.reader.feed(HookEvent("k", name, START, payload))
    scene.pass_time(3, alive=False)

    assert all(scene.is_final(turn.turn_id) for turn in scene.turns())


def test_a_snapshot_holds_only_cleaned_messages() -> None:
    scene = Scene()
    scene.begin(1)
    scene.event(2, "task_complete", turn_id="t1", last_agent_message=None)
    note = [{"type": "input_text", "text": "my secret"}]
    scene.said(2.1, type="message", role="user", content=note)
    scene.pass_time(3)

    def clean(message: Message) -> Message:
        return Message(message.role, "gone")

    assert b"my secret" not in scene.reader.snapshot(clean)


# -- the repository


def test_git_facts_of_the_session_are_those_of_its_first_turn() -> None:
    scene = Scene(source=None)
    git = {
        "commit_hash": "1c44548dfd5478af711a2e3f45c2ee50f559083e",
        "branch": "main",
        "repository_url": "https://me:hunter2@example.com/shop.git?token=x",
    }
    scene.line(0, "session_meta", id=SESSION, source="exec", cwd="/w", git=git)
    for turn_id, at in (("t1", 1), ("t2", 10)):
        scene.begin(at, turn_id)
        scene.event(at + 5, "task_complete", turn_id=turn_id, last_agent_message="Done")
    scene.pass_time(20)
    url = "https://example.com/shop.git"
    assert [turn.repository for turn in scene.turns()] == [
        Repository(url, "main", git["commit_hash"]),
        Repository(url),
    ]
