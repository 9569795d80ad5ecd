"""One turn of the real client, of every kind: the tree equals what the model server answered."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import pytest

from claude_client import BYPASS, Conversation, Home, descendants, wait_until
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from tracer import Span, Tracer, Tree, differences


def new_id() -> str:
    """A session id."""
    return str(uuid.uuid4())


def traced(
    tracer: Tracer,
    model: ScriptedModel,
    session_id: str,
    turns: Sequence[str] = ("completed",),
    tool_status: Optional[Mapping[str, str]] = None,
    failed_calls: Optional[int] = 0,
) -> Tree:
    """The session's tree, after it was found equal to what the server answered."""
    tracer.flush()
    spans = tracer.spans(session_id)
    log = [entry for entry in model.log if entry["session_id"] == session_id]
    wrong = differences(spans, log, turns=turns, tool_status=tool_status, failed_calls=failed_calls)
    assert not wrong, "\n".join([*wrong, tracer.logs()])
    return Tree(spans)


def run(home: Home, prompt: str, *arguments: str, **options: Any) -> str:
    """`claude -p` in a new session; returns its id."""
    session_id = new_id()
    done = home.prompt(prompt, *arguments, session_id=session_id, **options)
    assert done.returncode == 0, done
    return session_id


def bash_runs(model: ScriptedModel, marker: str) -> bool:
    """Whether the reply of `marker` that asks for Bash was sent."""
    return any(
        tool["name"] == "Bash"
        for entry in model.answered()
        if entry["marker"] == marker
        for tool in entry["tools"]
    )


FAILING = {
    "exit 3": "error",
    "no such text": "error",
    "Frobnicate": "error",
    "missing.py": "error",
    "exit 7": "error",
}


@pytest.mark.parametrize(
    ("marker", "turns", "tool_status", "failed_calls"),
    [
        ("simple", ["completed"], {}, 0),
        ("tool_cycle", ["completed"], {}, 0),
        ("parallel_tools", ["completed"], {}, 0),
        ("tool_failure", ["completed"], FAILING, 0),
        ("subagent_foreground", ["completed"], {}, 0),
        ("subagent_parallel", ["completed"], {}, 0),
        ("subagent_nested", ["completed"], {}, 0),
        ("subagent_background", ["completed", "completed"], {}, 0),
        ("nested_background", ["completed", "completed"], {}, 0),
        ("bg_bash", ["completed", "completed"], {}, 0),
        ("error_once", ["completed"], {}, 1),
    ],
)
def test_the_tree_equals_what_the_model_answered(
    home: Home,
    tracer: Tracer,
    model: ScriptedModel,
    marker: str,
    turns: Sequence[str],
    tool_status: Mapping[str, str],
    failed_calls: int,
) -> None:
    session_id = run(home, f"Please. [[{marker}]]")
    tree = traced(tracer, model, session_id, turns, tool_status, failed_calls)
    first = tree.turns[0]
    assert f"[[{marker}]]" in first["input.value"]
    assert first["output.value"]


@pytest.mark.parametrize("status", ["400", "401", "429", "500", "529_after_read"])
def test_a_turn_that_an_api_error_ends_is_failed(
    home: Home, tracer: Tracer, model: ScriptedModel, status: str
) -> None:
    session_id = new_id()
    home.prompt(f"Try. [[error_{status}]]", session_id=session_id, CLAUDE_CODE_MAX_RETRIES="1")
    tree = traced(tracer, model, session_id, ["failed"], failed_calls=None)
    assert tree.turns[0]["error.type"]
    assert status[:3] in str(tree.turns[0]["error.message"])


def test_shape_turns_counts_the_same_tokens_once(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = run(home, "Survey. [[subagent_nested]]")
    tracer.flush()
    (root,) = [span for span in tracer.spans(session_id, "turns") if span.kind == "LLM"]
    usage = [entry["usage"] for entry in model.answered(session_id)]
    assert root["llm.token_count.completion"] == sum(each["output"] for each in usage)
    assert root["llm.token_count.prompt_details.cache_read"] == sum(
        each["cache_read"] for each in usage
    )


def test_a_running_turn_shows_its_finished_steps(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    process = home.start("-p", "Wait. [[slow_tool]]", *BYPASS, session_id=session_id)
    wait_until(lambda: bash_runs(model, "slow_tool"))

    def finished_read() -> Optional[Span]:
        found = tracer.run("spans", "export", "--session-id", session_id, "--stdout", check=False)
        if found.returncode:
            return None
        tools = Tree(tracer.spans(session_id)).of_type("tool")
        return next((tool for tool in tools if tool["harness.tool.status"] == "ok"), None)

    assert wait_until(finished_read, timeout_s=10)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_turn_broken_off_by_sigint_is_interrupted(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    process = home.start("-p", "Wait. [[slow_tool]]", *BYPASS, session_id=session_id)
    wait_until(lambda: bash_runs(model, "slow_tool"))
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    traced(tracer, model, session_id, ["interrupted"], {"time.sleep": "interrupted"})


def test_a_stream_cut_by_sigint_is_interrupted(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    process = home.start("-p", "Write. [[hanging]]", *BYPASS, session_id=session_id)
    wait_until(lambda: model.log)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    tracer.flush()
    (turn,) = Tree(tracer.spans(session_id)).turns
    assert turn["harness.turn.status"] == "interrupted"


def test_an_interrupted_turn_and_the_next_one_stay_apart(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    talk = Conversation(home, session_id=session_id)
    talk.say("Wait. [[slow_tool]]")
    wait_until(lambda: bash_runs(model, "slow_tool"))
    time.sleep(1)
    talk.interrupt()
    talk.hear_result()
    talk.say("Say hello. [[simple]]")
    talk.hear_result()
    talk.close()
    turns = ["interrupted", "completed"]
    traced(tracer, model, session_id, turns, {"time.sleep": "interrupted"})


def test_a_message_queued_while_a_tool_runs_belongs_to_the_turn(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    talk = Conversation(home, session_id=session_id)
    talk.say("Sleep a little. [[short_tool]]")
    wait_until(lambda: bash_runs(model, "short_tool"))
    time.sleep(1)
    talk.say("And look at the tests.")
    talk.hear_result()
    talk.close()
    tree = traced(tracer, model, session_id)
    assert any("And look at the tests." in str(span.json) for span in tree.spans)


def test_a_killed_client_leaves_an_interrupted_turn_and_resumes_with_a_new_one(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    process = home.start("-p", "Wait. [[slow_tool]]", *BYPASS, session_id=session_id)
    wait_until(lambda: bash_runs(model, "slow_tool"))
    time.sleep(1)
    kill_all(process)
    traced(tracer, model, session_id, ["interrupted"], {"time.sleep": "interrupted"})
    home.prompt("Say hello. [[simple]]", "--resume", session_id)
    turns = ["interrupted", "completed"]
    traced(tracer, model, session_id, turns, {"time.sleep": "interrupted"})


def kill_all(process: subprocess.Popen[str]) -> None:
    """kill -9 the client and what it started, but not the tracer's worker."""
    below = descendants(process.pid)
    process.kill()
    process.communicate()
    for pid in below:
        subprocess.run(["kill", "-9", str(pid)], check=False, capture_output=True)


def test_a_resumed_session_goes_on_and_a_fork_repeats_nothing(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = run(home, "Add SAVE25. [[tool_cycle]]")
    home.prompt("Once more. [[again]]", "--resume", session_id)
    traced(tracer, model, session_id, ["completed", "completed"])
    fork_id = new_id()
    home.prompt("Aside. [[simple]]", "--resume", session_id, "--fork-session", session_id=fork_id)
    traced(tracer, model, fork_id)
    traced(tracer, model, session_id, ["completed", "completed"])


def test_a_slow_stop_hook_that_blocks_keeps_the_turn_open(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    flag = home.path / "asked"
    command = f"[ -e {flag} ] && exit 0; sleep 30; : >{flag}; echo 'Run make check.' >&2; exit 2"
    hook = {"hooks": [{"type": "command", "command": command, "timeout": 60}]}
    home.write_settings({"hooks": {"Stop": [hook]}})
    session_id = run(home, "Do it. [[stop_blocks]]")
    tree = traced(tracer, model, session_id)
    assert tree.turns[0]["output.value"] == "Done for sure."


def test_an_automatic_compaction_stands_in_the_turn_with_its_tokens(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = run(home, "Work long. [[auto_compaction]]", "--autocompact", "100000")
    tree = traced(tracer, model, session_id)
    (compaction,) = [span for span in tree.of_type("moment") if span.kind == "CHAIN"]
    calls = [span for span in tree.spans if span.parent_id == compaction.id]
    (entry,) = [entry for entry in model.log if entry["kind"] == "compaction"]
    assert [call["llm.token_count.completion"] for call in calls] == [entry["usage"]["output"]]


def test_a_compaction_asked_for_leaves_the_turns_around_it_as_they_are(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    talk = Conversation(home, session_id=session_id)
    for message in ("Add SAVE25. [[tool_cycle]]", "/compact", "Say hello. [[simple]]"):
        talk.say(message)
        talk.hear_result()
    talk.close()
    tree = traced(tracer, model, session_id, ["completed", "completed"])
    assert [span.kind for span in tree.of_type("moment")] == ["CHAIN"]


def test_a_session_that_keeps_no_transcript_is_told_by_its_hooks(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = run(home, "Add SAVE25. [[tool_cycle]]", "--no-session-persistence")
    tracer.flush()
    tree = Tree(tracer.spans(session_id))
    (turn,) = tree.turns
    assert [tool["tool.name"] for tool in tree.of_type("tool")] == ["Read", "Edit", "Bash"]
    assert turn["output.value"] == "SAVE25 takes 25 % off; `make check` passes."
    assert "transcript" in str(turn["harness.gaps"])


def test_a_project_command_is_one_turn(home: Home, tracer: Tracer, model: ScriptedModel) -> None:
    folder = home.project / ".claude" / "commands"
    folder.mkdir()
    (folder / "look.md").write_text("Look at $ARGUMENTS. [[command]]\n", encoding="utf-8")
    session_id = run(home, "/look store/pricing.py")
    tree = traced(tracer, model, session_id)
    assert "/look store/pricing.py" in tree.turns[0]["input.value"]


def test_the_model_sees_nothing_of_the_hooks(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    run(home, "Add SAVE25. [[tool_cycle]]")
    (transcript,) = (home.path / ".claude" / "projects").glob("*/*.jsonl")
    text = transcript.read_text(encoding="utf-8")
    for trace in ("hook_success", "hook_non_blocking_error", "hook_additional_context"):
        assert f'"type":"{trace}"' not in text
