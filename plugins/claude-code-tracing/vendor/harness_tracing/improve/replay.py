"""What a hook would have done: the very script, run over recorded turns as the agent runs it.

A session is written down again, line by line, in a folder of its own; where the agent would have
run the hook, it is run, and finds what it would have found there.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from harness_tracing.activity import edits_of
from harness_tracing.improve import transcript
from harness_tracing.improve.proposal import Replay
from harness_tracing.model import Moment, ToolCall, Turn

LONGEST_RUN_S = 20.0
BLOCKS = 2
_EDITORS = ("Edit", "MultiEdit", "Write", "NotebookEdit")
_AT_ONCE = 4


@dataclass(frozen=True)
class Hook:
    """A hook as it is registered: its event, command line, and the files it needs in a project."""

    event: str
    command: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """A turn with what its evaluator said; `passed` None: nothing to judge, or not `measurable`."""

    turn: Turn
    passed: Optional[bool]
    measurable: bool = True


def replay(
    hook: Hook,
    sessions: Iterable[Sequence[Recorded]],
    folder: str,
    path: str,
) -> Replay:
    """What the hook does in these sessions of a project in `folder`; `path` is the PATH it gets.

    Turns that did not complete never came to their end, and count only as what was before.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = list(pool.map(lambda session: _session(hook, session, folder, path), sessions))
    turns = [each for session in told for each in session]
    blocked = [each for each in turns if each.blocked]
    right = sum(each.recorded.passed is False for each in blocked)
    wrong = sum(each.recorded.passed is not False and each.recorded.measurable for each in blocked)
    return Replay(len(blocked), right, wrong, len(turns), sum(each.runs for each in turns))


@dataclass(frozen=True)
class _Told:
    recorded: Recorded
    blocked: bool
    runs: int


def _session(hook: Hook, session: Sequence[Recorded], folder: str, path: str) -> list[_Told]:
    with tempfile.TemporaryDirectory(prefix="harness-replay-") as own:
        stage = _Stage(hook, Path(own), folder, path)
        told = []
        for recorded in session:
            blocked, runs = stage.play(recorded.turn)
            if recorded.turn.status == "completed":
                told.append(_Told(recorded, blocked, runs))
        return told


class _Stage:
    """A folder in which one session is played again."""

    def __init__(self, hook: Hook, own: Path, folder: str, path: str) -> None:
        self.hook = hook
        self.project = own / "project"
        self.main = own / "session.jsonl"
        self.moved = transcript.elsewhere(folder, str(self.project))
        # A hook in a project sees its folder and its own PATH, and nothing of ours.
        self.env = {"PATH": path, "HOME": str(own), "CLAUDE_PROJECT_DIR": str(self.project)}
        self.project.mkdir()
        self.main.touch()
        for name, text in hook.files.items():
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(text, encoding="utf-8")

    def play(self, turn: Turn) -> tuple[bool, int]:
        """Go on by a turn: whether the hook would have blocked in it, and how often it ran."""
        blocked, runs = False, 0
        kinds = {
            edit.tool.tool_use_id: (edit.path, edit.kind)
            for edit in edits_of(turn)
            if edit.by is None and edit.path
        }
        self._write(transcript.prompt(turn))
        for step in turn.steps:
            if isinstance(step, Moment) and step.kind == "compaction":
                self._write(transcript.compaction(turn, step))
            elif isinstance(step, ToolCall):
                path, kind = kinds.get(step.tool_use_id, (None, None))
                self._write(transcript.asked(turn, step))
                if self.hook.event == "PreToolUse" and step.name in _EDITORS and path:
                    self._set_up(path, kind != "create")
                    blocked, runs = self._run(self._before(turn, step)) or blocked, runs + 1
                for line in transcript.result(turn, step):
                    self._write(line)
        if self.hook.event == "Stop" and turn.status == "completed":
            blocked, runs = self._run(self._at_end(turn)), 1
        self._write(transcript.answer(turn))
        return blocked, runs

    def _set_up(self, path: str, there: bool) -> None:
        """Before a file is changed it is there, unless the change made it."""
        where = Path(self.moved(path))
        if self.project not in where.parents:
            return
        with suppress(OSError):
            where.parent.mkdir(parents=True, exist_ok=True)
            if there:
                where.touch()
            else:
                where.unlink()

    def _write(self, written: transcript.Written) -> None:
        file = self.main
        if written.agent_id is not None:
            name = "".join(char if char.isalnum() else "_" for char in written.agent_id)
            file = self.main.with_suffix("") / "subagents" / f"agent-{name}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8", errors="replace") as lines:
            lines.write(self.moved(written.line) + "\n")

    def _before(self, turn: Turn, call: ToolCall) -> dict[str, Any]:
        own = {} if call.agent_id is None else {"agent_id": call.agent_id, "agent_type": "general"}
        return {
            **self._common(turn, "PreToolUse"),
            "tool_name": call.name,
            "tool_input": call.input,
            "tool_use_id": call.tool_use_id,
            **own,
        }

    def _at_end(self, turn: Turn) -> dict[str, Any]:
        return {
            **self._common(turn, "Stop"),
            "stop_hook_active": False,
            "last_assistant_message": turn.response,
            "background_tasks": [],
            "session_crons": [],
        }

    def _common(self, turn: Turn, event: str) -> dict[str, Any]:
        return {
            "session_id": turn.session_id,
            "transcript_path": str(self.main),
            "cwd": turn.cwd or str(self.project),
            "prompt_id": turn.turn_id,
            "permission_mode": "default",
            "hook_event_name": event,
        }

    def _run(self, payload: Mapping[str, Any]) -> bool:
        """Whether the hook blocks, as Claude Code takes it: by the exit code alone."""
        words = ["sh", "-c", self.hook.command]
        try:
            done = subprocess.run(
                words,
                input=self.moved(json.dumps(payload, default=str)).encode("utf-8", "replace"),
                cwd=self.project,
                env=self.env,
                capture_output=True,
                timeout=LONGEST_RUN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == BLOCKS


def script_path(environ: Mapping[str, str]) -> str:
    """The PATH for a hook: the user's, else that of a bare system."""
    return environ.get("PATH") or os.defpath
