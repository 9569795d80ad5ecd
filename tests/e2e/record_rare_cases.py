"""The rarer scenes that record.py records: forks of forks, hooks that decide, tasks stopped …"""

from __future__ import annotations

import json
import signal
import time
import uuid
from pathlib import Path
from typing import Callable

from claude_client import BYPASS, Conversation, wait_until
from record_cases import Take


def fork_of_fork(take: Take) -> None:
    """A session with two turns is forked, and its fork is forked."""
    first = str(uuid.uuid4())
    take.home.prompt("Start. [[third]]", session_id=first)
    take.home.prompt("Go on. [[second]]", "--resume", first)
    take.home.prompt("In the fork. [[simple]]", "--resume", first, "--fork-session")
    fork = take.events("UserPromptSubmit")[-1]["session_id"]
    take.home.prompt("In the fork's fork. [[third]]", "--resume", fork, "--fork-session")
    take.turn("Start. [[third]]")
    take.turn("Go on. [[second]]")
    take.turn("In the fork. [[simple]]")
    take.turn("In the fork's fork. [[third]]")


def fork_after_compaction(take: Take) -> None:
    """A compacted session is forked; then the original is continued by --continue."""
    talk = Conversation(take.home)
    talk.say("Start. [[third]]")
    talk.hear_result()
    talk.say("/compact")
    talk.hear_result()
    talk.say("Second. [[second]]")
    talk.hear_result()
    talk.close()
    first = take.events("UserPromptSubmit")[-1]["session_id"]
    take.home.prompt("In the fork. [[simple]]", "--resume", first, "--fork-session")
    take.home.prompt("Continue. [[again]]", "--continue")
    for prompt in (
        "Start. [[third]]",
        "Second. [[second]]",
        "In the fork. [[simple]]",
        "Continue. [[again]]",
    ):
        take.turn(prompt)


def resume_after_interrupt(take: Take) -> None:
    """SIGINT while Bash runs; the session is resumed."""
    session_id = str(uuid.uuid4())
    process = take.home.start("-p", "Wait. [[slow_tool]]", *BYPASS, session_id=session_id)
    wait_until(lambda: [e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"])
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    take.home.prompt("Go on. [[third]]", "--resume", session_id)
    take.turn("Wait. [[slow_tool]]", "interrupted")
    take.turn("Go on. [[third]]")
    take.tool_status["time.sleep"] = "interrupted"


def two_resume_at_once(take: Take) -> None:
    """Two processes resume one session at the same time; neither knows of the other."""
    session_id = str(uuid.uuid4())
    take.home.prompt("Start. [[simple]]", session_id=session_id)
    both = [
        take.home.start("-p", prompt, *BYPASS, "--resume", session_id)
        for prompt in ("Left. [[short_tool]]", "Right. [[third]]")
    ]
    for process in both:
        process.communicate(timeout=60)
    take.turn("Start. [[simple]]")
    transcript = next((take.home.path / ".claude" / "projects").rglob(session_id + ".jsonl"))
    lines = [json.loads(line) for line in transcript.read_text("utf-8").split("\n") if line]
    prompts = [line for line in lines if line.get("promptSource")]
    for line in sorted(prompts, key=lambda line: line["timestamp"])[1:]:
        take.turn(line["message"]["content"])
    take.notes.append("A line belongs to the turn of the line it follows, not to the last prompt.")


def subagent_stop_blocks(take: Take) -> None:
    """A SubagentStop hook makes the sub-agent go on, once."""
    flag = take.home.path / "asked"
    command = f'[ -e {flag} ] && exit 0; : >{flag}; echo "Look again." >&2; exit 2'
    take.home.write_settings(take.hooks(SubagentStop=command))
    take.home.prompt("Delegate. [[agent_blocked]]")
    take.turn("Delegate. [[agent_blocked]]")


def prompt_hook_blocks(take: Take) -> None:
    """A UserPromptSubmit hook blocks one prompt and adds context to the next."""
    command = (
        'grep -q secret && { echo "no secrets" >&2; exit 2; };'
        ' echo "{\\"hookSpecificOutput\\":{\\"hookEventName\\":\\"UserPromptSubmit\\",'
        '\\"additionalContext\\":\\"Mind the rules.\\"}}"'
    )
    take.home.write_settings(take.hooks(UserPromptSubmit=command))
    talk = Conversation(take.home)
    talk.say("Tell a secret. [[simple]]")
    talk.hear_result()
    talk.say("Say hello. [[simple]]")
    talk.hear_result()
    talk.close()
    take.turn("Tell a secret. [[simple]]", "failed")
    take.turn("Say hello. [[simple]]")


def tool_hooks_decide(take: Take) -> None:
    """PreToolUse hooks deny one command and change another; a PostToolUse hook comments."""
    deny = {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": "not this one",
        }
    }
    change = {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow",
            "updatedInput": {"command": "echo other", "description": "changed"},
        }
    }
    decide = take.home.path / "decide.sh"
    decide.write_text(
        "input=$(cat)\ncase $input in\n"
        f"*'echo refused'*) echo '{json.dumps(deny)}';;\n"
        f"*'echo changed'*) echo '{json.dumps(change)}';;\nesac\n"
    )
    post = take.home.path / "post.sh"
    post.write_text(
        "input=$(cat)\ncase $input in *'\"Read\"'*)"
        ' echo \'{"decision":"block","reason":"Read it again with care."}\';; esac\n'
    )
    take.home.write_settings(take.hooks(PreToolUse=f"sh {decide}", PostToolUse=f"sh {post}"))
    take.home.prompt("Three tools. [[three_tools]]")
    take.turn("Three tools. [[three_tools]]")
    take.tool_status["echo refused"] = "denied"


def retries(take: Take) -> None:
    """API errors and retries before the first call and between two calls."""
    take.home.prompt("Try. [[retries]]")
    take.turn("Try. [[retries]]")


def fallback_model(take: Take) -> None:
    """The model is overloaded three times; the fallback model answers."""
    take.home.prompt("Try. [[overloaded]]", "--fallback-model", "claude-sonnet-5")
    take.turn("Try. [[overloaded]]")


def stream_cut_in_tool(take: Take) -> None:
    """The connection breaks in the middle of a tool call."""
    take.home.prompt("Edit it. [[cut_in_tool]]")
    take.turn("Edit it. [[cut_in_tool]]")


def thinks_then_nothing(take: Take) -> None:
    """The last reply of a turn is thinking alone."""
    take.home.prompt("Think. [[thinks_then_nothing]]")
    take.turn("Think. [[thinks_then_nothing]]")


def server_tool(take: Take) -> None:
    """A web search on the provider's side beside a tool of the client."""
    take.home.prompt("Search. [[searches]]")
    take.turn("Search. [[searches]]")


def agent_huge(take: Take) -> None:
    """A sub-agent's huge output and a failing command."""
    take.home.prompt("Delegate. [[agent_huge]]")
    take.turn("Delegate. [[agent_huge]]")
    take.tool_status["exit 5"] = "error"


def one_agent_fails(take: Take) -> None:
    """Two sub-agents at once; the API refuses one of them."""
    take.home.prompt("Delegate. [[one_agent_fails]]")
    take.turn("Delegate. [[one_agent_fails]]")
    take.tool_status["[[sub_fails]]"] = "error"


def two_background_bashes(take: Take) -> None:
    """Two background commands; one fails. Each end starts a turn."""
    take.home.prompt("Both. [[two_background_bashes]]")
    take.turn("Both. [[two_background_bashes]]")
    for event in take.events("UserPromptSubmit")[1:]:
        take.turn(event["prompt"], kind="task_notification")


def task_stop(take: Take) -> None:
    """A background agent is stopped by TaskStop in the same turn."""
    take.home.prompt("Start and stop. [[stop_task]]")
    take.turn("Start and stop. [[stop_task]]")
    take.tool_status["time.sleep"] = "interrupted"


def bash_stop(take: Take) -> None:
    """A background command is stopped by TaskStop."""
    take.home.prompt("Start and stop. [[stop_bash]]")
    take.turn("Start and stop. [[stop_bash]]")


def send_message(take: Take) -> None:
    """A finished agent is continued by SendMessage."""
    take.home.prompt("Delegate. [[send_message]]")
    take.turn("Delegate. [[send_message]]")
    for event in take.events("UserPromptSubmit")[1:]:
        take.turn(event["prompt"], kind="task_notification")


def fork_with_agents(take: Take) -> None:
    """A session with sub-agents is forked."""
    first = str(uuid.uuid4())
    take.home.prompt("Delegate. [[subagent_parallel]]", session_id=first)
    take.home.prompt("In the fork. [[subagent_foreground]]", "--resume", first, "--fork-session")
    take.turn("Delegate. [[subagent_parallel]]")
    take.turn("In the fork. [[subagent_foreground]]")


def background_outlives(take: Take) -> None:
    """A background agent outlives two further turns."""
    talk = Conversation(take.home)
    talk.say("Background. [[long_background]]")
    talk.hear_result()
    talk.say("Meanwhile. [[simple]]")
    talk.hear_result()
    talk.say("And again. [[third]]")
    talk.hear_result()
    talk.hear_result()
    talk.close()
    take.turn("Background. [[long_background]]")
    take.turn("Meanwhile. [[simple]]")
    take.turn("And again. [[third]]")
    take.turn(take.events("UserPromptSubmit")[-1]["prompt"], kind="task_notification")


def background_interrupted(take: Take) -> None:
    """SIGINT while a background agent works and the main agent runs a tool."""
    process = take.home.start("-p", "Both. [[background_and_slow]]", *BYPASS)
    wait_until(lambda: len([e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"]) > 1)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    take.turn("Both. [[background_and_slow]]", "interrupted")
    take.tool_status["time.sleep"] = "interrupted"


def stop_hook_adds_context(take: Take) -> None:
    """A Stop hook adds context once, which makes the agent go on; then one forbids going on."""
    flag = take.home.path / "asked"
    context = {"hookSpecificOutput": {"hookEventName": "Stop", "additionalContext": "Say more."}}
    end = {"continue": False, "stopReason": "enough"}
    first = f": >{flag}; echo '{json.dumps(context)}'"
    command = f"[ -e {flag} ] && echo '{json.dumps(end)}' || {{ {first}; }}"
    take.home.write_settings(take.hooks(Stop=command))
    take.home.prompt("Do it. [[stop_blocks]]")
    take.turn("Do it. [[stop_blocks]]")


def stop_prompt_hook(take: Take) -> None:
    """A Stop hook of type prompt: the client asks a model of its own."""
    settings = take.hooks()
    settings["hooks"]["Stop"].append(
        {"hooks": [{"type": "prompt", "prompt": "Is it done? [[judge]] $ARGUMENTS"}]}
    )
    take.home.write_settings(settings)
    take.home.prompt("Say hello. [[simple]]")
    take.turn("Say hello. [[simple]]")


def cut_before_anything(take: Take) -> None:
    """The connection breaks in a reply's first block."""
    take.home.prompt("Edit it. [[cut_at_once]]")
    take.turn("Edit it. [[cut_at_once]]")
    take.tool_status["Edit"] = "error"


def kill_while_streaming(take: Take) -> None:
    """kill -9 while a reply streams; then the session is resumed."""
    session_id = str(uuid.uuid4())
    process = take.home.start("-p", "Hang. [[hanging_later]]", *BYPASS, session_id=session_id)
    wait_until(lambda: len(take.model.log) == 2)
    time.sleep(1.5)
    process.kill()
    process.wait()
    time.sleep(0.3)
    take.home.prompt("Say hello. [[simple]]", "--resume", session_id)
    take.turn("Hang. [[hanging_later]]", "interrupted")
    take.turn("Say hello. [[simple]]")


def mcp_errors(take: Take) -> None:
    """An MCP server that fails, hangs past the time limit and dies."""
    server = str(Path(__file__).with_name("faulty_mcp_server.py"))
    config = {"mcpServers": {"pricing": {"command": "python3", "args": [server]}}}
    file = take.home.path / "mcp.json"
    file.write_text(json.dumps(config))
    take.home.prompt("Prices. [[mcp_errors]]", "--mcp-config", str(file), MCP_TOOL_TIMEOUT="1500")
    take.turn("Prices. [[mcp_errors]]")
    for name in ("fail", "hang", "die"):
        take.tool_status["mcp__pricing__" + name] = "error"


def send_message_later(take: Take) -> None:
    """An agent of an earlier turn is continued in a later one, by another process."""
    session_id = str(uuid.uuid4())
    take.home.prompt("Delegate. [[subagent_foreground]]", session_id=session_id)
    take.home.prompt("Ask it more. [[later_message]]", "--resume", session_id)
    take.turn("Delegate. [[subagent_foreground]]")
    take.turn("Ask it more. [[later_message]]")
    for event in take.events("UserPromptSubmit")[2:]:
        take.turn(event["prompt"], kind="task_notification")
    take.agents_woken = 1
    take.notes.append("One agent, shown in each of the two turns in which it works.")


def interrupted_before_reply(take: Take) -> None:
    """SIGINT before the model says a word."""
    process = take.home.start("-p", "Be late. [[late_reply]]", *BYPASS)
    wait_until(lambda: take.model.log)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    take.turn("Be late. [[late_reply]]", "interrupted")


RARE_CASES: dict[str, Callable[[Take], None]] = {
    case.__name__: case
    for case in (
        fork_of_fork,
        fork_after_compaction,
        resume_after_interrupt,
        two_resume_at_once,
        subagent_stop_blocks,
        prompt_hook_blocks,
        tool_hooks_decide,
        retries,
        fallback_model,
        stream_cut_in_tool,
        thinks_then_nothing,
        server_tool,
        agent_huge,
        one_agent_fails,
        two_background_bashes,
        task_stop,
        bash_stop,
        send_message,
        fork_with_agents,
        background_outlives,
        background_interrupted,
        stop_hook_adds_context,
        stop_prompt_hook,
        cut_before_anything,
        kill_while_streaming,
        mcp_errors,
        send_message_later,
        interrupted_before_reply,
    )
}
