"""Cursor's real runtime (npm `@cursor/sdk`) against a scripted backend: what its hooks tell."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cursor_backend as backend
from checkout import HARNESS, ROOT
from cursor_backend import Backend, Run
from tracer import Span

NODE_MODULES = ROOT / ".e2e" / "cursor" / "node_modules"
PROGRAM = ROOT / "tests" / "e2e" / "cursor" / "agent.mjs"

pytestmark = pytest.mark.skipif(
    not NODE_MODULES.exists(), reason=f"no Cursor runtime at {NODE_MODULES}: run `make setup-e2e`"
)


@dataclass
class Cursor:
    """A home with a project in which the runtime works, traced, and its scripted backend."""

    home: Path
    backend: Backend

    @property
    def project(self) -> Path:
        """The folder the agent works in."""
        return self.home / "project"

    def env(self) -> dict[str, str]:
        """Nothing of ours but the path; no key that means anything."""
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.home), "CURSOR_BACKEND_URL": self.backend.url}

    def harness(self, *words: str) -> str:
        """What a `harness` command says on stdout."""
        done = subprocess.run(
            [str(HARNESS), *words], env=self.env(), cwd=self.home, capture_output=True, text=True
        )
        assert done.returncode == 0, done
        return done.stdout

    def run(self, *prompts: str) -> tuple[str, list[dict[str, Any]]]:
        """Send prompts one after the other; the conversation's id and what became of each."""
        node = NODE_MODULES / ".bin" / "node"
        program = self.home / "agent.mjs"
        program.write_text(PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
        modules = self.home / "node_modules"
        if not modules.exists():
            modules.symlink_to(NODE_MODULES)
        done = subprocess.run(
            [str(node), "--no-warnings", str(program), str(self.project), *prompts],
            env=self.env(),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done
        assert self.backend.problems == []
        told = json.loads(done.stdout.strip().split("\n")[-1])
        return told["agent"], told["runs"]

    def spans(self, session_id: str, shape: str = "turns") -> list[Span]:
        """The session's spans, after everything was stored."""
        self.harness("flush", "--wait")
        words = ("--session-id", session_id, "--shape", shape, "--stdout")
        exported = json.loads(self.harness("spans", "export", *words))
        return sorted((Span(each) for each in exported), key=lambda span: span.start_time)


def hello(run: Run) -> None:
    """A thought and an answer, with tokens."""
    run.hook(backend.THOUGHT, {1: "A greeting.", 2: 40, **run.ids(3)})
    run.answers("Hello.", 900, 7, 300, 0)
    run.ends()


def work(run: Run) -> None:
    """Read, edit, a command, a failing one."""
    path = run.prompt.split()[1]
    run.execute(backend.READ, {1: path, 2: "read-1"})
    run.execute(backend.WRITE, {1: path, 2: "x = 2\n", 3: "write-1"})
    run.shell("echo out; exit 0", "ignored")
    run.shell("echo bad; exit 3", "ignored")
    run.answers("Done.")
    run.ends()


def delegate(run: Run) -> None:
    """A sub-agent, as far as the backend tells of it."""
    whose = {4: run.conversation_id}
    started = {1: "sub-1", 2: "explore", 3: "Look around.", **whose, 5: "task-1", **run.ids(9)}
    run.hook(backend.SUBAGENT_START, started)
    ended = {
        1: "sub-1",
        2: "explore",
        3: "completed",
        4: 25,
        5: "All quiet.",
        6: run.conversation_id,
    }
    run.hook(backend.SUBAGENT_STOP, {**ended, **run.ids(12)})
    run.hook(backend.PRE_COMPACT, {1: "auto", 3: 183000, 4: 200000, 5: 40, **run.ids(8)})
    run.answers("It is quiet.")
    run.ends()


def local(run: Run) -> None:
    """A sub-agent that the runtime works on itself, in a conversation of its own."""
    own, path = str(uuid.uuid4()), run.prompt.split()[1]
    about = {1: own, 2: "generalPurpose"}
    task = f"work {path}"
    started = {**about, 3: task, 4: run.conversation_id, 5: "task-1", **run.ids(9)}
    run.hook(backend.SUBAGENT_START, started)
    asked = {1: "task-1", 2: "generalPurpose", 3: backend.MODEL, 4: task, 6: own}
    run.execute(backend.SUBAGENT, {**asked, 9: run.conversation_id})
    ended = {**about, 3: "completed", 4: 25, 6: run.conversation_id, 20: own, **run.ids(12)}
    run.hook(backend.SUBAGENT_STOP, ended)
    run.answers("It did.")
    run.ends()


def slow(run: Run) -> None:
    """A command that is cut short."""
    run.shell(f"touch {run.prompt.split()[1]}; sleep 30", "ignored")


SCRIPTS = {"hello": hello, "work": work, "delegate": delegate, "local": local, "slow": slow}


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[Cursor]:
    """A fresh home in which our hooks are registered with Cursor."""
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    (home / ".cursor").mkdir()
    (home / "project" / "a.py").write_text("x = 1\n", encoding="utf-8")
    with Backend(SCRIPTS).serving() as served:
        made = Cursor(home, served)
        made.harness("install", "cursor", "--agent-version", "2.7.0")
        yield made


def tools(spans: list[Span]) -> list[tuple[Any, ...]]:
    """Name and status of each tool."""
    return [(s["tool.name"], s["harness.tool.status"]) for s in spans if s.kind == "TOOL"]


def test_each_prompt_is_a_turn_with_its_answer_and_tokens(cursor: Cursor) -> None:
    session, _ = cursor.run("hello one", "hello two")

    turns = cursor.spans(session)

    assert [(t["input.value"], t["output.value"], t["harness.turn.status"]) for t in turns] == [
        ("hello one", "Hello.", "completed"),
        ("hello two", "Hello.", "completed"),
    ]
    for turn in turns:
        assert turn.kind == "LLM"
        assert turn["llm.model_name"] == backend.MODEL
        assert turn["llm.token_count.prompt"] == 900
        assert turn["llm.token_count.prompt_details.cache_read"] == 300
        assert [event["name"] for event in turn.json["events"]] == ["thinking"]


def test_every_tool_is_one_span_with_its_output_and_exit_code(cursor: Cursor) -> None:
    path = cursor.project / "a.py"
    session, runs = cursor.run(f"work {path}")

    spans = cursor.spans(session)

    assert [run["status"] for run in runs] == ["finished"]
    assert path.read_text() == "x = 2\n"
    assert tools(spans) == [("Read", "ok"), ("Write", "ok"), ("Shell", "ok"), ("Shell", "error")]
    read, write, good, bad = (span for span in spans if span.kind == "TOOL")
    assert (read["tool.id"], read["output.value"]) == ("read-1", "x = 1\n")
    assert "x = 2" in write["input.value"]
    assert good["output.value"] == "out\n"
    assert bad["error.message"] == "bad"
    [turn] = [span for span in spans if span.type == "turn"]
    assert "llm.token_count.prompt" not in turn.attributes
    assert any("not reported by Cursor" in gap for gap in turn["harness.gaps"])


def test_a_subagent_hangs_below_its_call_and_a_compaction_is_told(cursor: Cursor) -> None:
    session, _ = cursor.run("delegate it")

    spans = cursor.spans(session, "calls")

    [agent] = [span for span in spans if span.type == "subagent"]
    [task] = [span for span in spans if span.kind == "TOOL"]
    assert (task["tool.name"], task["tool.id"], agent.parent_id) == ("Task", "task-1", task.id)
    assert (agent["input.value"], agent["output.value"]) == ("Look around.", "All quiet.")
    assert [span.json["name"] for span in spans if span.kind == "CHAIN"] == ["compaction"]


def test_what_a_subagent_does_in_its_own_conversation_hangs_below_it(cursor: Cursor) -> None:
    session, runs = cursor.run(f"local {cursor.project / 'a.py'}")

    spans = cursor.spans(session, "calls")

    assert [run["status"] for run in runs] == ["finished"]
    [agent] = [span for span in spans if span.type == "subagent"]
    inner = [span for span in spans if span.parent_id == agent.id]
    assert tools(inner) == [("Read", "ok"), ("Write", "ok"), ("Shell", "ok"), ("Shell", "error")]
    assert agent["output.value"] == "Done."
    listed = json.loads(cursor.harness("sessions", "list", "--json"))
    assert [each["session_id"] for each in listed] == [session]


def test_a_command_cut_short_ends_in_its_turn_though_its_hook_comes_later(cursor: Cursor) -> None:
    sign = cursor.home / "runs"
    session, runs = cursor.run(f"cancel:{sign}:slow {sign}", "hello two")

    spans = cursor.spans(session)

    first, second = (span for span in spans if span.type == "turn")
    assert runs[0]["status"] == "cancelled"
    assert first["harness.turn.status"] in ("interrupted", "failed")
    assert second["harness.turn.status"] == "completed"
    [tool] = [span for span in spans if span.kind == "TOOL"]
    assert tool.parent_id == first.id
    assert tool["harness.tool.status"] == "interrupted"


def test_hooks_in_user_project_and_claude_settings_tell_everything_once(cursor: Cursor) -> None:
    hooks = json.loads((cursor.home / ".cursor" / "hooks.json").read_text())["hooks"]
    ours = {
        event: [{"command": cursor.harness("hook-command", "cursor", event).strip() + " #"}]
        for event in hooks
    }
    folder = cursor.project / ".cursor"
    folder.mkdir()
    (folder / "hooks.json").write_text(json.dumps({"version": 1, "hooks": ours}))
    claude = cursor.home / ".claude"
    claude.mkdir()
    events = ("PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop", "SessionStart", "SessionEnd")
    entries = {
        event: [
            {
                "hooks": [
                    {
                        "type": "command",
                        "command": cursor.harness("hook-command", "claude-code", event).strip(),
                    }
                ]
            }
        ]
        for event in events
    }
    (claude / "settings.json").write_text(json.dumps({"hooks": entries}))
    session, _ = cursor.run(f"work {cursor.project / 'a.py'}", "hello two")

    spans = cursor.spans(session)

    assert [span["harness.agent"] for span in spans] == ["cursor"] * 6
    assert tools(spans) == [("Read", "ok"), ("Write", "ok"), ("Shell", "ok"), ("Shell", "error")]
    assert len([span for span in spans if span.type == "turn"]) == 2
    listed = json.loads(cursor.harness("sessions", "list", "--json"))
    assert [(each["agent"], each["session_id"]) for each in listed] == [("cursor", session)]


def test_user_and_project_registered_alike_tell_everything_once_with_tabs_among_them(
    cursor: Cursor,
) -> None:
    version = ("--agent-version", "2.7.0", "--tab-edits")
    cursor.harness("install", "cursor", *version)
    cursor.harness("install", "cursor", "--project", str(cursor.project), *version)
    files = [folder / ".cursor" / "hooks.json" for folder in (cursor.home, cursor.project)]
    hooks = [json.loads(file.read_text())["hooks"] for file in files]
    assert hooks[0] == hooks[1] and "afterTabFileEdit" in hooks[0]
    capture = cursor.home / ".arize" / "harness" / "capture" / "capture.sh"
    capture.write_text('echo "$2" >>"$HOME/ran"\n' + capture.read_text())

    session, _ = cursor.run(f"work {cursor.project / 'a.py'}")

    ran = (cursor.home / "ran").read_text().split()
    # The runtime runs the same line of both files.
    assert [ran.count(event) for event in ("beforeSubmitPrompt", "stop", "preToolUse")] == [2, 2, 8]
    spans = cursor.spans(session)
    assert tools(spans) == [("Read", "ok"), ("Write", "ok"), ("Shell", "ok"), ("Shell", "error")]
    assert len([span for span in spans if span.type == "turn"]) == 1
