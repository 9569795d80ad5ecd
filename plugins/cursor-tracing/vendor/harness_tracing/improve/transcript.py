"""A recorded turn as Claude Code writes it down (2.1.330): what a hook finds when it looks back.

Only what hooks of ours read is written: prompts, tool calls with their results, compactions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from harness_tracing.model import Moment, ToolCall, Turn


@dataclass(frozen=True)
class Written:
    """A line of a transcript; `agent_id` names the sub-agent whose file it belongs to."""

    line: str
    agent_id: Optional[str] = None


def prompt(turn: Turn) -> Written:
    """The line a turn begins with."""
    message = {"role": "user", "content": turn.prompt or ""}
    return _line(turn, "user", turn.started_at_ns, message, promptSource="sdk")


def asked(turn: Turn, call: ToolCall) -> Written:
    """The model asks for a tool call."""
    block = {"type": "tool_use", "id": call.tool_use_id, "name": call.name, "input": call.input}
    message = {"role": "assistant", "content": [block]}
    return _line(turn, "assistant", call.started_at_ns, message, call.agent_id)


def result(turn: Turn, call: ToolCall) -> Iterator[Written]:
    """The call's result, unless it has none yet."""
    if call.status == "running":
        return
    failed = call.status in ("error", "denied", "interrupted")
    said = call.error.message if call.error and call.error.message else None
    text = (said if failed and said else call.output) or ""
    block = {"type": "tool_result", "tool_use_id": call.tool_use_id, "content": text}
    known = call.result if isinstance(call.result, Mapping) else f"Error: {text}"
    more = {} if call.result is None and not failed else {"toolUseResult": known}
    if call.status == "denied":
        more["toolDenialKind"] = "user-rejected"
    message = {"role": "user", "content": [{**block, "is_error": failed}]}
    yield _line(turn, "user", call.ended_at_ns, message, call.agent_id, **more)


def compaction(turn: Turn, moment: Moment) -> Written:
    """A thread lost its earlier messages."""
    return _line(turn, "system", moment.at_ns, None, moment.agent_id, subtype="compact_boundary")


def answer(turn: Turn) -> Written:
    """The line a turn ends with. A Stop hook rarely finds it: it is written a moment later."""
    block = {"type": "text", "text": turn.response or ""}
    message = {"role": "assistant", "content": [block]}
    return _line(turn, "assistant", turn.ended_at_ns, message)


def _line(
    turn: Turn,
    kind: str,
    at_ns: Optional[int],
    message: Optional[dict[str, Any]],
    agent_id: Optional[str] = None,
    **more: Any,
) -> Written:
    at = datetime.fromtimestamp((at_ns or turn.started_at_ns) / 1e9, timezone.utc)
    line: dict[str, Any] = {
        "isSidechain": agent_id is not None,
        "promptId": turn.turn_id,
        "type": kind,
        **({} if message is None else {"message": message}),
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "cwd": turn.cwd,
        "sessionId": turn.session_id,
        **more,
    }
    if kind != "user":
        del line["promptId"]
    return Written(json.dumps(line, separators=(",", ":"), default=str), agent_id)


def elsewhere(folder: str, to: str) -> Callable[[str], str]:
    """What puts a folder's paths into another folder, in any text."""
    begins = r"(?:(?<![\w./~-])|(?<=\\[nt]))"
    pattern = re.compile(begins + re.escape(folder.rstrip("/")) + r"(?![\w.-])")
    return lambda text: pattern.sub(lambda _: to, text) if folder.strip("/") else text
