"""Make the recordings that `harness demo loop` plays where there is no Claude Code.

    python tests/e2e/record_demo.py

The demo runs with the real client and the scripted model, and beside our hooks a second set keeps
what they were given. Run it again when the tickets, the proposed hook or the client change.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

from checkout import CLAUDE
from harness_tracing.agents import get
from harness_tracing.loop_demo.applying import apply
from harness_tracing.loop_demo.client import Scripted, scripted_model
from harness_tracing.loop_demo.loop import Walk
from harness_tracing.loop_demo.recorded import PROJECT, RECORDINGS, SLUG, USER_HOME
from harness_tracing.loop_demo.stage import Stage
from harness_tracing.loop_demo.tickets import Ticket
from recording_text import cleaned, spoken

DUMP = Path(__file__).with_name("dump_hook.py")
# Lines that no reader takes anything from, and that hold much of the vendor's text.
NOT_KEPT = (
    *("api-request-blob", "api-request-shape", "file-history-snapshot", "attachment"),
    *("atis-latch", "last-prompt", "tools-used"),
)


@dataclass
class Recorder:
    """The scripted agent; what each ticket left is kept as its recording."""

    agent: Scripted
    calls: Path
    lines_kept: dict[str, int] = field(default_factory=dict)
    is_recorded: bool = False

    def session_id(self, ticket: Ticket) -> str:
        """That of the ticket."""
        return self.agent.session_id(ticket)

    def work(self, ticket: Ticket) -> str:
        """Work on it with hooks that keep their payloads, and write the recording."""
        self._listen()
        said = self.agent.work(ticket)
        calls = [json.loads(path.read_text()) for path in sorted(self.calls.glob("*.json"))]
        for path in self.calls.glob("*.json"):
            path.unlink()
        events = [
            {
                "event": call["event"],
                "at_ns": call["at_ns"],
                "payload": spoken(json.loads(call["stdin"])),
            }
            for call in calls
        ]
        parts = ",\n".join(
            (
                f'"said": {_json(said)}',
                f'"events": {_list(events)}',
                f'"transcript": {_list(self._lines(ticket))}',
            )
        )
        text = self._moved("{\n" + parts + "\n}\n")
        (RECORDINGS / f"{ticket.name}.json").write_text(text, encoding="utf-8")
        return said

    def _listen(self) -> None:
        path = self.agent.stage.user_home / ".claude" / "settings.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        for event in get("claude-code").events:
            line = f"{sys.executable} -I {DUMP} {event.name} {self.calls}"
            groups = settings["hooks"].setdefault(event.name, [])
            if not any(line in json.dumps(group) for group in groups):
                groups.append({"hooks": [{"type": "command", "command": line}]})
        path.write_text(json.dumps(settings), encoding="utf-8")

    def _lines(self, ticket: Ticket) -> list[Any]:
        home = self.agent.stage.user_home
        (path,) = home.glob(f".claude/projects/*/{ticket.session_id}.jsonl")
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        new = lines[self.lines_kept.get(ticket.session_id, 0) :]
        self.lines_kept[ticket.session_id] = len(lines)
        return [cleaned(line) for line in new if line.get("type") not in NOT_KEPT]

    def _moved(self, text: str) -> str:
        stage = self.agent.stage
        slug = str(stage.project).replace("/", "-").replace("_", "-").replace(".", "-")
        for old, new in (
            (str(stage.project), PROJECT),
            (str(stage.user_home), USER_HOME),
            (slug, SLUG),
            (f"{sys.executable} -I {DUMP}", "dump_hook"),
            (str(self.calls), "/demo/calls"),
        ):
            text = text.replace(old, new)
        return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _list(values: list[Any]) -> str:
    """A list with a line for each value, so that differences can be read."""
    return "[\n" + ",\n".join(map(_json, values)) + "\n]"


def main() -> None:
    """Walk through the demo and keep it."""
    RECORDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, scripted_model() as it:
        stage = Stage(Path(folder).resolve() / "demo", os.environ)
        calls = Path(folder) / "calls"
        calls.mkdir()
        stage.prepare()
        agent = Recorder(Scripted(stage, CLAUDE, it), calls)
        Walk(stage, agent, print, lambda each: apply(stage, each, print)).whole()


if __name__ == "__main__":
    main()
