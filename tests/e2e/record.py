"""Make the recordings in tests/recordings/claude-code-own with the real client and the scripted model.

    python tests/e2e/record.py FOLDER [CASE...]

Each case becomes FOLDER/CASE in the format of tests/recordings: events.jsonl, home/,
expected.json, README.md. Run it again after a new client version, and read the difference.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "demo")]

from claude_client import BYPASS, CLAUDE, Conversation, Home, descendants, wait_until
from recording_text import cleaned, spoken
from scenarios import SCRIPTS, SUMMARY
from scripted_model import MARKER, ScriptedModel

EVENTS = (
    "SessionStart Setup InstructionsLoaded UserPromptSubmit UserPromptExpansion PreToolUse PostToolUse"
    " PostToolUseFailure PostToolBatch PermissionRequest PermissionDenied Notification SubagentStart"
    " SubagentStop Stop StopFailure PreCompact PostCompact PreModelSwitch PostModelSwitch SessionEnd"
    " CwdChanged"
).split()
DUMP = Path(__file__).with_name("dump_hook.py")


@dataclass
class Take:
    """One recording in the making: the home, the model, and what the case knows about the answer."""

    home: Home
    model: ScriptedModel
    calls: Path
    version: str
    turns: List[Dict[str, Any]] = field(default_factory=list)
    tool_status: Dict[str, str] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    cannot_be_seen: List[str] = field(default_factory=list)
    not_known: List[str] = field(default_factory=lambda: ["reasoning tokens"])

    def hooks(self, **more: Any) -> Dict[str, Any]:
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

    def events(self, name: str) -> List[Mapping[str, Any]]:
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
    take.notes.append("The notification's tool-use-id is a sub-agent's tool, none of the main agent's.")


def auto_compaction(take: Take) -> None:
    """The conversation is compacted by itself in the middle of a turn."""
    prompt = "Work long. [[auto_compaction]]"
    take.home.prompt(prompt, "--autocompact", "100000")
    take.turn(prompt)
    take.notes.append("The first PreCompact is given up: nothing follows it. Only the second compacts.")


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
    text = "---\ndescription: Look at a module\n---\nLook at $ARGUMENTS and say what it does. [[command]]\n"
    (folder / "look.md").write_text(text)
    take.home.prompt("/look store/pricing.py")
    take.turn("/look store/pricing.py")


def skill(take: Take) -> None:
    """The model calls a project skill by the Skill tool."""
    folder = take.home.project / ".claude" / "skills" / "survey"
    folder.mkdir(parents=True)
    text = "---\nname: survey\ndescription: How to survey a module\n---\nRead it, then say what it does.\n"
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


class Terminal:
    """The interactive client in tmux, on a server of our own."""

    def __init__(self, take: Take, *arguments: str):
        self.take = take
        self.tmux = ["tmux", "-S", str(take.home.path.parent / "tmux.sock"), "-f", "/dev/null"]
        config = {"hasCompletedOnboarding": True, "theme": "dark", "projects": {}}
        config["projects"] = {str(take.home.project): {"hasTrustDialogAccepted": True}}
        config["customApiKeyResponses"] = {"approved": ["test"], "rejected": []}
        (take.home.path / ".claude.json").write_text(json.dumps(config))
        size = ("-x", "120", "-y", "40")
        command = [*self.tmux, "new-session", "-d", *size, str(take.home.claude), *arguments]
        subprocess.run(command, check=True, cwd=take.home.project, env=take.home.env(TERM="xterm"))

    def screen(self) -> str:
        """What the terminal shows."""
        return subprocess.run(
            [*self.tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False
        ).stdout

    def type(self, *keys: str) -> None:
        """Press keys; `Enter` and `Escape` are names, other words are typed."""
        for key in keys:
            subprocess.run([*self.tmux, "send-keys", key], check=True)
            time.sleep(0.3)

    def expect(self, text: str, timeout_s: float = 20) -> None:
        """Wait until the screen shows `text`."""
        try:
            wait_until(lambda: text in self.screen(), timeout_s)
        except AssertionError:
            raise AssertionError(f"no {text!r} on screen:\n{self.screen()}") from None

    def close(self) -> None:
        """End the terminal, whatever it shows."""
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)


def permission_rejected(take: Take) -> None:
    """Interactive, asking mode: one command is refused in the dialog, the next prompt is answered."""
    terminal = Terminal(take, "--permission-mode", "default")
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


CASES: Dict[str, Callable[[Take], None]] = {
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
    )
}


def record(name: str, folder: Path) -> None:
    """Play one case and write what it left to `folder`/`name`."""
    work = Path(tempfile.mkdtemp(prefix="record-"))
    calls = work / "calls"
    calls.mkdir()
    with ScriptedModel(SCRIPTS, SUMMARY) as model:
        home = Home.fresh(work / "home", model.url, claude=Path(os.environ.get("CLAUDE", CLAUDE)))
        version = home.run("--version").stdout.split()[0]
        take = Take(home, model, calls, version)
        home.write_settings(take.hooks())
        CASES[name](take)
        time.sleep(0.5)
        write(take, CASES[name], folder / name)
    shutil.rmtree(work)


def write(take: Take, case: Callable[[Take], None], folder: Path) -> None:
    """The take as a recording folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    moved = Moved(take)
    files = moved.files()
    for name, text in files.items():
        target = folder / "home" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    events = [moved.event(json.loads(p.read_text()), files) for p in sorted(take.calls.glob("*.json"))]
    lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    (folder / "events.jsonl").write_text(lines, encoding="utf-8")
    expected = right_answer(take, case, moved)
    text = moved.text(json.dumps(expected, indent=1)) + "\n"
    (folder / "expected.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(readme(case, expected, take), encoding="utf-8")


class Moved:
    """Rewrites what the client wrote as if the home had been /home/dev."""

    def __init__(self, take: Take):
        self.take = take
        slug = str(take.home.path).replace("/", "-").replace("_", "-").replace(".", "-")
        self.pairs = (
            (f"{shutil.which('python3')} -I {DUMP}", "python3 dump_hook.py"),
            (str(take.home.path), "/home/dev"),
            (slug, "-home-dev"),
            (str(take.calls), "/tmp/agent/calls"),
            ("/tmp/claude-0", "/tmp/agent"),
        )

    def text(self, text: str) -> str:
        """`text` without a path of this machine."""
        for old, new in self.pairs:
            text = text.replace(old, new)
        return text

    def name(self, path: Path) -> str:
        """A file's name in the recording."""
        relative = self.text(str(path.relative_to(self.take.home.path)))
        return relative.replace(".claude", "dot-claude", 1)

    def files(self) -> Dict[str, str]:
        """The client's own files at the end: name in the recording -> text."""
        found = {}
        for path in sorted((self.take.home.path / ".claude" / "projects").rglob("*")):
            if path.is_file() and path.suffix == ".jsonl":
                lines = [json.loads(li) for li in path.read_text("utf-8").split("\n") if li]
                kept = (json.dumps(cleaned(line), separators=(",", ":")) for line in lines)
                found[self.name(path)] = self.text("".join(line + "\n" for line in kept))
            elif path.is_file():
                found[self.name(path)] = self.text(path.read_text("utf-8"))
        return found

    def event(self, call: Dict[str, Any], files: Mapping[str, str]) -> Dict[str, Any]:
        """A hook call as a line of events.jsonl."""
        states = {}
        for path, count in call["files"].items():
            name = self.name(self.take.home.path / path)
            if name.endswith(".jsonl"):
                shown = "".join(files[name].split("\n")[i] + "\n" for i in range(count))
                states[name] = {"bytes": len(shown.encode("utf-8")), "lines": count}
        payload = json.dumps(spoken(json.loads(call["stdin"])), separators=(",", ":")) + "\n"
        env = {key: self.text(value) for key, value in call["env"].items()}
        return {**call, "env": env, "stdin": self.text(payload), "files": states}


def right_answer(take: Take, case: Callable[[Take], None], moved: Moved) -> Dict[str, Any]:
    """expected.json: what the server answered, and what the case knows beyond it."""
    agents = agents_by_tool(take)
    log = [entry for entry in take.model.log if entry["status"] == 200]
    started_by = {}
    for entry in log:
        for tool in entry["tools"]:
            for marker in MARKER.findall(str(tool["input"].get("prompt", ""))):
                started_by[marker] = tool["id"]
    calls, tools = [], []
    for entry in log:
        agent_id, parent = agents.get(started_by.get(entry["marker"] or "", ""), (None, None))
        calls.append(_call(entry, agent_id, parent))
        for tool in entry["tools"]:
            status = next(
                (s for part, s in take.tool_status.items() if part in json.dumps(tool["input"])),
                "ok",
            )
            tools.append(
                {
                    "id": tool["id"],
                    "name": tool["name"],
                    "status": status,
                    "agent_id": agent_id,
                    "session_id": entry["session_id"],
                }
            )
    prompts = [e["prompt_id"] for e in take.events("UserPromptSubmit")]
    prompts = list(dict.fromkeys(prompts))
    turns = [{**turn, "prompt_id": pid} for turn, pid in zip(take.turns, prompts)]
    assert len(turns) == len(take.turns) == len(prompts), (turns, prompts)
    tokens = {
        key: sum(call[key] for call in calls)
        for key in ("prompt", "completion", "cache_read", "cache_write")
    }
    return {
        "client": "Claude Code",
        "version": take.version,
        "turns": turns,
        "model_calls": len(calls),
        "failed_model_calls": len(take.model.log) - len(log),
        "tools": tools,
        "subagents": len(agents),
        "tokens": {**tokens, "reasoning": None},
        "calls": calls,
        "not_known": take.not_known,
        "what": (case.__doc__ or "").strip(),
        "session_id": log[0]["session_id"],
        **dict.fromkeys(take.cannot_be_seen),
    }


def _call(entry: Mapping[str, Any], agent_id: Optional[str], parent: Optional[str]) -> Dict[str, Any]:
    usage = entry["usage"]
    written = usage["cache_write_5m"] + usage["cache_write_1h"]
    kind = {} if entry["kind"] == "main" else {"kind": entry["kind"]}
    return {
        "id": entry["message_id"],
        "request_id": entry["request_id"],
        "model": entry["model"],
        "agent_id": agent_id,
        "parent_agent_id": parent,
        "session_id": entry["session_id"],
        "in_transcript": entry["kind"] == "main",
        "stop_reason": entry["stop_reason"],
        "prompt": usage["input"] + usage["cache_read"] + written,
        "completion": usage["output"],
        "cache_read": usage["cache_read"],
        "cache_write": written,
        **kind,
    }


def agents_by_tool(take: Take) -> Dict[str, Tuple[str, Optional[str]]]:
    """The tool call that started each sub-agent -> (agent id, parent agent id)."""
    found = {}
    for path in (take.home.path / ".claude" / "projects").rglob("*.meta.json"):
        meta = json.loads(path.read_text())
        agent_id = path.name[len("agent-") : -len(".meta.json")]
        found[meta["toolUseId"]] = (agent_id, meta.get("parentAgentId"))
    return found


def readme(case: Callable[[Take], None], expected: Mapping[str, Any], take: Take) -> str:
    """The page that says what this recording is."""
    statuses = ", ".join(turn["status"] for turn in expected["turns"])
    tools = ", ".join(f"{tool['name']} {tool['status']}" for tool in expected["tools"]) or "none"
    tokens = expected["tokens"] or {}
    lines = [
        f"# claude-code-own / {case.__name__}",
        f"Client: Claude Code {take.version}, Linux; model replies were scripted.",
        f"Scripted: {expected['what']}",
        f"Right answer: turns {len(expected['turns'])} ({statuses}); {expected['model_calls']} completed"
        f" model calls, {expected['failed_model_calls']} failed; {expected['subagents']} sub-agents.",
        f"Tools: {tools}.",
        f"Tokens: prompt {tokens.get('prompt')} (cache read {tokens.get('cache_read')}, cache write"
        f" {tokens.get('cache_write')}), completion {tokens.get('completion')}.",
        *(f"Tricky: {note}" for note in take.notes),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Record the cases named on the command line, or all."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:] or CASES:
        print(name, flush=True)
        record(name, folder)


if __name__ == "__main__":
    main()
