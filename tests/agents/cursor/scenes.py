"""Hook payloads of Cursor made by hand, for scenes that no recording shows.

Names and types of fields are those the client's own code writes (SDK runtime 1.0.32).
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from recorded import Collected

from harness_tracing.agents.base import HookEvent, Line
from harness_tracing.agents.cursor.reader import CursorReader
from harness_tracing.model import Message, ToolCall, Turn

CONVERSATION = "5778024b-6f82-44e9-bc8d-cd46db7e25d5"
GENERATION = "2ff5cc45-24da-4f0d-950b-fcab940a16c4"
SECOND = 10**9
START = 1_795_000_000 * SECOND
_keys = itertools.count()


def unchanged(message: Message) -> Message:
    """A snapshot's cleaning that cleans nothing."""
    return message


def event(name: str, at_ms: float, **fields: Any) -> HookEvent:
    """A hook call of the IDE's, `at_ms` after the start; a field given as None is left out."""
    payload: dict[str, Any] = {
        "conversation_id": CONVERSATION,
        "generation_id": GENERATION,
        "model": "composer-2",
        "hook_event_name": name,
        "cursor_version": "2.7.0",
        "workspace_roots": ["/home/dev/order-pricing"],
        "user_email": "dev@example.com",
        "transcript_path": None,
        **fields,
    }
    known = {field: value for field, value in payload.items() if value is not None}
    return HookEvent(f"{next(_keys):06d}", name, START + int(at_ms * 1e6), known)


def prompt(at_ms: float, text: str = "Tidy up.", **fields: Any) -> HookEvent:
    """A prompt as it is sent."""
    return event("beforeSubmitPrompt", at_ms, prompt=text, attachments=[], **fields)


def answer(at_ms: float, text: str = "Done.", **fields: Any) -> HookEvent:
    """What the model says."""
    return event("afterAgentResponse", at_ms, text=text, **fields)


def stop(at_ms: float, status: str = "completed", **fields: Any) -> HookEvent:
    """The end of a turn."""
    return event("stop", at_ms, status=status, loop_count=0, **fields)


def tool(name: str, at_ms: float, tool_use_id: str, tool_name: str, asked: Any, **fields: Any):
    """An event of a tool call that names its id."""
    told = {"tool_use_id": tool_use_id, "tool_name": tool_name, "tool_input": asked}
    return event(name, at_ms, **told, **fields)


def shell(at_ms: float, tool_use_id: str, command: str, exit_code: int = 0) -> list[HookEvent]:
    """All four events of a command, 10 ms apart."""
    asked = {"command": command, "cwd": ""}
    output = json.dumps({"output": f"out of {command}", "exitCode": exit_code})
    ran = {"command": command, "sandbox": False}
    return [
        tool("preToolUse", at_ms, tool_use_id, "Shell", asked),
        event("beforeShellExecution", at_ms + 10, cwd="", **ran),
        event("afterShellExecution", at_ms + 20, output=f"out of {command}", duration=8.5, **ran),
        tool(
            "postToolUse", at_ms + 30, tool_use_id, "Shell", asked, tool_output=output, duration=8.5
        ),
    ]


def line(role: str, text: str, offset: int = 0, **tool_use: Any) -> Line:
    """A line of the transcript; with `name` and `input` it asks for a tool as well."""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if tool_use:
        content.append({"type": "tool_use", **tool_use})
    return Line("main", {"role": role, "message": {"content": content}}, offset)


def asked(text: str, offset: int = 0) -> Line:
    """A user's line of the transcript."""
    return line("user", f"<user_query>\n{text}\n</user_query>", offset)


class Played:
    """A reader that has been fed, and what a store would hold of it."""

    def __init__(self, *items: Any, reader: CursorReader | None = None) -> None:
        self.reader = reader or CursorReader.resume(CONVERSATION, "order-pricing", None)
        self.stored = Collected()
        self.now_ns = START
        for item in items:
            self.feed(item)

    def feed(self, *items: Any) -> Played:
        """Feed items one by one at their own times, as a worker that looks often meets them."""
        for item in items:
            if isinstance(item, HookEvent):
                self.now_ns = max(self.now_ns, item.at_ns)
            self.reader.tick(self.now_ns, True)
            self.reader.feed_all([item])
            self.stored.take(self.reader)
        return self

    def feed_at_once(self, items: list[Any]) -> Played:
        """Feed items as a worker meets them that starts when all lies there."""
        times = [item.at_ns for item in items if isinstance(item, HookEvent)]
        self.now_ns = max([self.now_ns, *times])
        self.reader.tick(self.now_ns, True)
        self.reader.feed_all(items)
        self.stored.take(self.reader)
        return self

    def wait(self, seconds: float) -> Played:
        """Let time pass with the agent alive."""
        for _ in range(4):
            self.now_ns += int(seconds * SECOND / 4)
            self.reader.tick(self.now_ns, True)
            self.stored.take(self.reader)
        return self

    def die(self) -> Played:
        """The agent's process is gone."""
        for _ in range(2):
            self.reader.tick(self.now_ns, False)
            self.stored.take(self.reader)
            self.now_ns += 6 * SECOND
        return self

    @property
    def turns(self) -> list[Turn]:
        """All turns with all their steps."""
        return self.stored.whole()

    @property
    def final(self) -> list[str]:
        """The ids of the final turns."""
        return self.stored.final

    @property
    def tools(self) -> list[ToolCall]:
        """The tool calls of all turns."""
        return [step for turn in self.turns for step in turn.steps if isinstance(step, ToolCall)]

    @property
    def gaps(self) -> list[str]:
        """What the gaps of all turns say is missing."""
        return [gap.what for turn in self.turns for gap in turn.gaps]
