"""The scenes that record.py records: what the user does, and what of the answer only they know."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from claude_client import BYPASS, Conversation, Home, descendants, wait_until
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from terminal import Terminal

EVENTS = (
    "SessionStart Setup InstructionsLoaded UserPromptSubmit UserPromptExpansion PreToolUse"
    " PostToolUse PostToolUseFailure PostToolBatch PermissionRequest PermissionDenied Notification"
    " SubagentStart SubagentStop Stop StopFailure PreCompact PostCompact PreModelSwitch"
    " PostModelSwitch SessionEnd CwdChanged"
).split()
ALLOWED = ("--permission-mode", "default", "--allowedTools", "Bash", "Read")
DUMP = Path(__file__).with_name("dump_hook.py")


@dataclass
class Take:
    """One recording in the making, and what the case knows about the right answer."""

    home: Home
    model: ScriptedModel
    calls: Path
    version: str
    turns: list[dict[str, Any]] = field(default_factory=list)
    tool_status: dict[str, str] = field(default_factory=dict)
    agents_woken: int = 0
    notes: list[str] = field(default_factory=list)
    cannot_be_seen: list[str] = field(default_factory=list)
    not_known: list[str] = field(default_factory=lambda: ["reasoning tokens"])

    def hooks(self, **more: Any) -> dict[str, Any]:
        """Settings that register the dump hook for every event, and further hooks of the case."""
        entry = {"matcher": "*"}
        python = shutil.which("python3")
        hooks = {
            event: [
                {
                    **entry,
                    "hooks": [
                        {"type": "command", "command": f"{python} -I {DUMP} {event} {self.calls}"}
                    ],
                }
            ]
            for event in EVENTS
        }
        for event, command in more.items():
            hooks[event].append({"hooks": [{"type": "command", "command": command, "timeout": 60}]})
        return {"hooks": hooks}

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """Payloads of the events of this name so far."""
        calls = [json.loads(p.read_text()) for p in sorted(self.calls.glob("*.json"))]
        return [json.loads(c["stdin"]) for c in calls if c["event"] == name]

    def turn(self, prompt: str, status: str = "completed", **more: Any) -> None:
        """Say what the next turn's right answer is."""
        self.turns.append({"status": status, "prompt": prompt[:80], **more})


def subagent_nested(take: Take) -> None:
    """An agent that starts an agent, both in the foreground."""
    prompt = "Survey in depth. [[subagent_nested]]"
    take.home.prompt(prompt)
    take.turn(prompt)


def subagent_nested_background(take: Take) -> None:
    """A foreground agent whose own background agent outlives it."""
    prompt = "Survey in depth, in the background. [[nested_background]]"
    take.home.prompt(prompt)
    take.turn(prompt)
    take.turn(take.events("UserPromptSubmit")[-1]["prompt"], kind="task_notification")
    take.notes.append(
        "The notification's tool-use-id is a sub-agent's tool, none of the main agent's."
    )


def auto_compaction(take: Take) -> None:
    """The conversation is compacted by itself in the middle of a turn."""
    prompt = "Work long. [[auto_compaction]]"
    take.home.prompt(prompt, "--autocompact", "100000")
    take.turn(prompt)
    take.notes.append(
        "The first PreCompact is given up: nothing follows it. Only the second compacts."
    )


def queued_prompt(take: Take) -> None:
    """A second message is sent while a tool of the first turn runs."""
    talk = Conversation(take.home)
    talk.say("Sleep a little. [[short_tool]]")
    wait_until(lambda: take.events("PreToolUse"))
    time.sleep(0.5)
    talk.say("And also look at the tests.")
    talk.hear_result()
    talk.close()
    take.turn("Sleep a little. [[short_tool]]")


def kill_and_resume(take: Take) -> None:
    """kill -9 while Bash runs; then the session is resumed with a new prompt."""
    session_id = str(uuid.uuid4())
    process = take.home.start("-p", "Wait. [[slow_tool]]", *BYPASS, session_id=session_id)
    wait_until(lambda: [e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"])
    time.sleep(0.5)
    below = descendants(process.pid)
    process.kill()
    process.wait()
    for pid in below:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    take.home.prompt("Say hello. [[simple]]", "--resume", session_id)
    take.turn("Wait. [[slow_tool]]", "interrupted")
    take.turn("Say hello. [[simple]]")
    take.tool_status["time.sleep"] = "interrupted"


def no_persistence(take: Take) -> None:
    """--no-session-persistence: there is never a transcript."""
    prompt = "Add SAVE25. [[tool_cycle]]"
    take.home.prompt(prompt, "--no-session-persistence")
    take.turn(prompt)
    take.not_known += ["model calls", "tokens"]
    take.cannot_be_seen += ["model_calls", "tokens", "calls"]
    take.notes.append("transcript_path names a file that never exists.")


def slash_command(take: Take) -> None:
    """A project command with an argument, called as the prompt."""
    folder = take.home.project / ".claude" / "commands"
    folder.mkdir()
    text = "---\ndescription: Look at a module\n---\nLook at $ARGUMENTS. [[command]]\n"
    (folder / "look.md").write_text(text)
    take.home.prompt("/look store/pricing.py")
    take.turn("/look store/pricing.py")


def skill(take: Take) -> None:
    """The model calls a project skill by the Skill tool."""
    folder = take.home.project / ".claude" / "skills" / "survey"
    folder.mkdir(parents=True)
    text = "---\nname: survey\ndescription: How to survey\n---\nRead it, then say what it does.\n"
    (folder / "SKILL.md").write_text(text)
    prompt = "Survey by the book. [[skill]]"
    take.home.prompt(prompt)
    take.turn(prompt)


def compact_last(take: Take) -> None:
    """/compact is the last thing of a stream-json session."""
    talk = Conversation(take.home)
    talk.say("Add SAVE25. [[tool_cycle]]")
    talk.hear_result()
    talk.say("/compact")
    talk.hear_result()
    talk.close()
    take.turn("Add SAVE25. [[tool_cycle]]")


def stop_hook_slow_blocks(take: Take) -> None:
    """A Stop hook takes 6 s and then makes the agent go on, once."""
    flag = take.home.path / "asked"
    command = f'sleep 6; [ -e {flag} ] && exit 0; : >{flag}; echo "Run make check." >&2; exit 2'
    take.home.write_settings(take.hooks(Stop=command))
    prompt = "Do it. [[stop_blocks]]"
    take.home.prompt(prompt)
    take.turn(prompt)


def stream_error_then_stop(take: Take) -> None:
    """A retry after 529 in the middle of a turn."""
    prompt = "Read it. [[error_once]]"
    take.home.prompt(prompt)
    take.turn(prompt)


def interrupt_then_prompt(take: Take) -> None:
    """stream-json: interrupted while a tool runs, then a new prompt in the same process."""
    talk = Conversation(take.home)
    talk.say("Wait. [[slow_tool]]")
    wait_until(lambda: [e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"])
    time.sleep(0.5)
    talk.interrupt()
    talk.hear_result()
    time.sleep(1)
    talk.say("Say hello. [[simple]]")
    talk.hear_result()
    talk.close()
    take.turn("Wait. [[slow_tool]]", "interrupted")
    take.turn("Say hello. [[simple]]")
    take.tool_status["time.sleep"] = "interrupted"


def interrupted_subagent(take: Take) -> None:
    """SIGINT while a sub-agent's Bash runs."""
    process = take.home.start("-p", "Delegate. [[subagent_long]]", *BYPASS)
    wait_until(lambda: [e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"])
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    take.turn("Delegate. [[subagent_long]]", "interrupted")
    take.tool_status["time.sleep"] = "interrupted"
    take.tool_status["[[sub_long]]"] = "interrupted"


def background_killed(take: Take) -> None:
    """kill -9 of the client while a background agent works after the turn's answer."""
    session_id = str(uuid.uuid4())
    process = take.home.start(
        "-p", "Background. [[background_long]]", *BYPASS, session_id=session_id
    )
    wait_until(lambda: take.events("Stop"))
    time.sleep(1)
    below = descendants(process.pid)
    process.kill()
    process.wait()
    for pid in below:
        os.kill(pid, signal.SIGKILL)
    take.turn("Background. [[background_long]]")
    take.notes.append("The answer was given; the client was killed while its agent worked.")
    take.tool_status["time.sleep"] = "interrupted"


def worktree_moves(take: Take) -> None:
    """EnterWorktree moves the transcript in the middle of a turn; a second turn follows there."""
    talk = Conversation(take.home)
    for prompt in ("Try it aside. [[worktree]]", "Say hello. [[simple]]"):
        talk.say(prompt)
        talk.hear_result()
        take.turn(prompt)
    talk.close()


def permission_rejected(take: Take) -> None:
    """Interactive: a command is refused in the dialog, then the next prompt is answered."""
    terminal = Terminal(take.home, "--permission-mode", "default")
    try:
        terminal.expect("for shortcuts")
        terminal.type("Make a file. [[touch]]", "Enter")
        terminal.expect("Do you want to")
        time.sleep(2)
        terminal.type("Escape")
        terminal.expect("Interrupted")
        time.sleep(1)
        terminal.type("Say hello. [[simple]]", "Enter")
        terminal.expect("Nothing to change")
        time.sleep(1)
        terminal.type("/exit", "Enter")
        wait_until(lambda: take.events("SessionEnd"))
        time.sleep(1)
    finally:
        terminal.close()
    take.turn("Make a file. [[touch]]", "interrupted")
    take.turn("Say hello. [[simple]]")
    take.tool_status["touch made_here"] = "denied"


def tui_queued_prompt(take: Take) -> None:
    """Interactive: a second message is typed while a tool of the first turn runs."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("Sleep a little. [[short_tool]]", "Enter")
        wait_until(lambda: take.events("PreToolUse"))
        time.sleep(0.5)
        terminal.type("And look at the tests.", "Enter")
        terminal.expect("Slept.")
        time.sleep(2)
        terminal.type("/exit", "Enter")
        wait_until(lambda: take.events("SessionEnd"))
        time.sleep(1)
    finally:
        terminal.close()
    take.turn("Sleep a little. [[short_tool]]")


def tui_escape(take: Take) -> None:
    """Interactive: Esc while Bash runs, then a new prompt."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("Wait. [[slow_tool]]", "Enter")
        wait_until(lambda: [e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"])
        time.sleep(1)
        terminal.type("Escape")
        terminal.expect("Interrupted")
        time.sleep(1)
        terminal.type("Say hello. [[simple]]", "Enter")
        terminal.expect("Nothing to change")
        time.sleep(1)
        terminal.type("/exit", "Enter")
        wait_until(lambda: take.events("SessionEnd"))
        time.sleep(1)
    finally:
        terminal.close()
    take.turn("Wait. [[slow_tool]]", "interrupted")
    take.turn("Say hello. [[simple]]")
    take.tool_status["time.sleep"] = "interrupted"


CASES: dict[str, Callable[[Take], None]] = {
    case.__name__: case
    for case in (
        subagent_nested,
        subagent_nested_background,
        auto_compaction,
        queued_prompt,
        kill_and_resume,
        no_persistence,
        slash_command,
        skill,
        compact_last,
        stop_hook_slow_blocks,
        stream_error_then_stop,
        interrupt_then_prompt,
        interrupted_subagent,
        background_killed,
        permission_rejected,
        worktree_moves,
        tui_queued_prompt,
        tui_escape,
    )
}
