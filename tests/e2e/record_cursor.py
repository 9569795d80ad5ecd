"""Make the recordings in tests/recordings/cursor-own: Cursor's real runtime, a scripted backend.

    python tests/e2e/record_cursor.py FOLDER [CASE...]

Each case becomes FOLDER/CASE in the format of tests/recordings. As a hook this program keeps what
it was given:  record_cursor.py --hook EVENT FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cursor_backend as backend  # noqa: E402
from cursor_backend import Backend, Run  # noqa: E402

NODE_MODULES = HERE.parents[1] / ".e2e" / "cursor" / "node_modules"
EVENTS = (
    "sessionStart sessionEnd beforeSubmitPrompt preToolUse postToolUse postToolUseFailure"
    " subagentStart subagentStop beforeShellExecution afterShellExecution beforeMCPExecution"
    " afterMCPExecution beforeReadFile afterFileEdit afterAgentResponse afterAgentThought"
    " preCompact stop"
).split()
RECORDED_HOME = "/home/dev"
RECORDED_SLUG = "home-dev"
DENY = """#!/bin/sh
case "$(cat)" in *"rm -rf"*) echo '{"permission":"deny","user_message":"not here"}';; esac
"""


@dataclass
class Case:
    """What is scripted, and the right answer."""

    what: str
    script: Callable[[Run], None]
    tools: list[tuple[str, str, str]]
    statuses: tuple[str, ...] = ("completed",)
    prompts: tuple[str, ...] = ("play",)
    tokens: tuple[int, int, int, int] | None = None
    subagents: int = 0
    others: dict[str, Callable[[Run], None]] = field(default_factory=dict)


def failing(run: Run) -> None:
    """Tools that fail in every way."""
    run.execute(backend.READ, {1: f"{os.environ['PROJECT']}/missing.py", 2: "read-missing"})
    run.shell("echo bad >&2; exit 3", "")
    run.shell("rm -rf build", "")
    run.shell("no-such-command-here", "")
    run.shell("echo good", "")
    run.answers("Some of it failed.", 400, 20, 100, 0)
    run.ends()


def parallel(run: Run) -> None:
    """Three commands at once, two of them the same."""
    run.says("All at once.")
    commands = ("sleep 0.3; echo one", "sleep 0.1; echo two", "sleep 0.3; echo one")
    run.shells(commands)
    run.answers("Three done.")
    run.ends()


def retried(run: Run) -> None:
    """The connection breaks once after a tool."""
    run.execute(backend.READ, {1: f"{os.environ['PROJECT']}/a.py", 2: f"read-{len(TRIED)}"})
    TRIED.append(run.request_id)
    if len(TRIED) > 1:
        run.answers("Read it twice.", 700, 9, 0, 0)
        run.ends()


TRIED: list[str] = []


def delegating(run: Run) -> None:
    """A sub-agent that the runtime works on itself, and a compaction."""
    own = str(uuid.uuid4())
    about = {1: own, 2: "generalPurpose"}
    task = "inner look at the file"
    whose = {4: run.conversation_id, 5: "task-1"}
    run.hook(backend.SUBAGENT_START, {**about, 3: task, **whose, **run.ids(9)})
    asked = {1: "task-1", 2: "generalPurpose", 3: backend.MODEL, 4: task, 6: own}
    run.execute(backend.SUBAGENT, {**asked, 9: run.conversation_id})
    ended = {**about, 3: "completed", 4: 25, 5: "It is one line.", 6: run.conversation_id}
    run.hook(backend.SUBAGENT_STOP, {**ended, 20: own, **run.ids(12)})
    run.hook(backend.PRE_COMPACT, {1: "auto", 3: 183000, 4: 200000, 5: 40, **run.ids(8)})
    run.shell("echo main", "")
    run.answers("One line.", 500, 12, 0, 0)
    run.ends()


def inner(run: Run) -> None:
    """What the sub-agent does."""
    run.hook(backend.THOUGHT, {1: "I should read it.", 2: 12, **run.ids(3)})
    run.execute(backend.READ, {1: f"{os.environ['PROJECT']}/a.py", 2: "read-inner"})
    run.shell("echo inner", "")
    run.answers("It is one line.", 200, 5, 0, 0)
    run.ends()


def cut(run: Run) -> None:
    """A command that is cut short."""
    run.shell(f"touch {os.environ['SIGN']}; sleep 30", "")


def hello(run: Run) -> None:
    """An answer."""
    run.answers("Hello.", 100, 3, 0, 0)
    run.ends()


CASES = {
    "tool_failure": Case(
        "A missing file, a command that exits 3, one that another hook denies, an unknown one",
        failing,
        [
            ("Read", "read-missing", "error"),
            ("Shell", "echo bad >&2; exit 3", "error"),
            ("Shell", "rm -rf build", "denied"),
            ("Shell", "no-such-command-here", "error"),
            ("Shell", "echo good", "ok"),
        ],
        tokens=(400, 20, 100, 0),
    ),
    "parallel_tools": Case(
        "Three commands at once, two of them the same",
        parallel,
        [
            ("Shell", "sleep 0.3; echo one", "ok"),
            ("Shell", "sleep 0.1; echo two", "ok"),
            ("Shell", "sleep 0.3; echo one", "ok"),
        ],
    ),
    "retry": Case(
        "The connection breaks after a Read; the client tries again with a new request id",
        retried,
        [("Read", "read-0", "ok"), ("Read", "read-1", "ok")],
        tokens=(700, 9, 0, 0),
    ),
    "subagent_own_conversation": Case(
        "A sub-agent that the runtime works on itself, in a conversation of its own; a compaction",
        delegating,
        [
            ("Task", "task-1", "ok"),
            ("Read", "read-inner", "ok"),
            ("Shell", "echo inner", "ok"),
            ("Shell", "echo main", "ok"),
        ],
        tokens=(700, 17, 0, 0),
        subagents=1,
        others={"inner": inner},
    ),
    "cancelled": Case(
        "A run is cancelled while a command runs, then another prompt; the client says error",
        cut,
        [("Shell", "touch /home/dev/sign; sleep 30", "interrupted")],
        statuses=("failed", "completed"),
        prompts=("cancel:SIGN:play", "hello"),
        tokens=(100, 3, 0, 0),
        others={"hello": hello},
    ),
}


def record(name: str, folder: Path) -> None:
    """Play one case and write what it left to `folder`/`name`."""
    case, home = CASES[name], Path(tempfile.mkdtemp(prefix="record-")).resolve()
    calls, project = home / "calls", home / "order-pricing"
    for made in (calls, project, home / ".cursor"):
        made.mkdir()
    (project / "a.py").write_text("x = 1\n", encoding="utf-8")
    (home / "deny.sh").write_text(DENY, encoding="utf-8")
    (home / "deny.sh").chmod(0o755)
    hooks = {
        event: [{"command": f"{sys.executable} {__file__} --hook {event} {calls}"}]
        for event in EVENTS
    }
    hooks["preToolUse"].append({"command": str(home / "deny.sh")})
    (home / ".cursor" / "hooks.json").write_text(json.dumps({"version": 1, "hooks": hooks}))
    os.environ.update(PROJECT=str(project), SIGN=str(home / "sign"))
    run(case, home, project)
    time.sleep(0.5)
    write(case, name, home, calls, folder / name)
    shutil.rmtree(home)


def run(case: Case, home: Path, project: Path) -> None:
    """Have the real runtime play a case."""
    shutil.copy(HERE / "cursor" / "agent.mjs", home / "agent.mjs")
    (home / "node_modules").symlink_to(NODE_MODULES)
    prompts = [prompt.replace("SIGN", str(home / "sign")) for prompt in case.prompts]
    with Backend({"play": case.script, **case.others}).serving() as served:
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "CURSOR_BACKEND_URL": served.url}
        node = str(NODE_MODULES / ".bin" / "node")
        words = [node, "--no-warnings", str(home / "agent.mjs"), str(project), *prompts]
        done = subprocess.run(words, env=env, cwd=home, capture_output=True, text=True, timeout=120)
        print(done.stdout.strip().split("\n")[-1], done.stderr[-500:], served.problems)


def write(case: Case, name: str, home: Path, calls: Path, folder: Path) -> None:
    """What was kept as a recording folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def moved(text: str) -> str:
        slug = str(home).strip("/").replace("/", "-").replace("_", "-")
        return text.replace(str(home), RECORDED_HOME).replace(slug, RECORDED_SLUG)

    kept = [json.loads(moved(path.read_text())) for path in sorted(calls.glob("*.json"))]
    text = "".join(json.dumps(call, ensure_ascii=False) + "\n" for call in kept)
    (folder / "events.jsonl").write_text(text, encoding="utf-8")
    for path in (home / ".cursor" / "projects").rglob("*.jsonl"):
        target = folder / "home" / moved("dot-" + str(path.relative_to(home))[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(moved(path.read_text()), encoding="utf-8")
    answer = expected(case, kept)
    (folder / "expected.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    tools = ", ".join(f"{tool['name']} {tool['status']}" for tool in answer["tools"])
    (folder / "README.md").write_text(
        f"# cursor-own / {name}\nClient: Cursor SDK local runtime 1.0.32; scripted backend.\n"
        f"Scripted: {case.what}.\nRight answer: turns {', '.join(case.statuses)};"
        f" {case.subagents} sub-agents.\nTools: {tools}.\nMade by tests/e2e/record_cursor.py.\n",
        encoding="utf-8",
    )


def expected(case: Case, kept: list[dict[str, Any]]) -> dict[str, Any]:
    """The right answer; the runtime makes the ids of commands: they are taken from its events."""
    payloads = [json.loads(call["stdin"]) for call in kept]
    ids: dict[str, list[str]] = {}
    for payload in payloads:
        if payload["hook_event_name"] == "preToolUse" and payload["tool_name"] == "Shell":
            known = ids.setdefault(payload["tool_input"]["command"], [])
            known.append(payload["tool_use_id"])
    tools = []
    for name, subject, status in case.tools:
        tool_id = ids[subject].pop(0) if name == "Shell" else subject
        tools.append({"id": tool_id, "name": name, "status": status})
    asked = [p["prompt"] for p in payloads if p["hook_event_name"] == "beforeSubmitPrompt"]
    counts = case.tokens or (None, None, None, None)
    names = ("prompt", "completion", "cache_read", "cache_write")
    return {
        "client": "Cursor SDK local runtime (scripted backend)",
        "version": "1.0.32",
        "session_id": payloads[0]["conversation_id"],
        "turns": [{"status": s, "prompt": p[:80]} for s, p in zip(case.statuses, asked)],
        "model_calls": None,
        "failed_model_calls": None,
        "tools": tools,
        "subagents": case.subagents,
        "tokens": {**dict(zip(names, counts)), "reasoning": None},
        "calls": [],
        "not_known": ["single model calls"],
        "what": case.what,
    }


def keep(event: str, folder: Path) -> None:
    """Be the hook: keep one call with the transcripts as they lie."""
    at_ns = time.time_ns()
    home = Path(os.environ["HOME"])
    files = {}
    for path in (home / ".cursor" / "projects").rglob("*.jsonl"):
        content = path.read_bytes()
        name = "dot-" + str(path.relative_to(home))[1:]
        files[name] = {"bytes": len(content), "lines": content.count(b"\n")}
    env = {name: os.environ[name] for name in sorted(os.environ) if name.startswith("CURSOR_")}
    env.pop("CURSOR_BACKEND_URL", None)
    call = {"at_ns": at_ns, "event": event, "env": env, "stdin": sys.stdin.read(), "files": files}
    kept = folder / f"{at_ns}-{os.getpid()}.part"
    kept.write_text(json.dumps(call, ensure_ascii=False), encoding="utf-8")
    kept.rename(kept.with_suffix(".json"))


if __name__ == "__main__":
    if sys.argv[1] == "--hook":
        keep(sys.argv[2], Path(sys.argv[3]))
    else:
        for each in sys.argv[2:] or CASES:
            record(each, Path(sys.argv[1]))
