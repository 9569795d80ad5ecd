"""Cursor's transcript: what hooks lack. Its lines have no ids, no times and no tokens.

A user's message begins a segment; what follows is the answer to it. Which turn a segment belongs
to is known by its prompt, or by its place where no hook told the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.cursor.drafts import Segment, State, ToolEvent, TurnDraft
from harness_tracing.agents.cursor.payloads import STATUSES, mapping, text

_QUERY = re.compile(r"<user_query>\s*(.*?)\s*</user_query>", re.DOTALL)
KEPT = 4


def feed_line(state: State, value: Optional[Mapping[str, Any]], offset: int) -> None:
    """Take one line of the main transcript in."""
    line = value or {}
    if line.get("type") == "turn_ended":
        if state.segments:
            state.segments[-1].status = STATUSES.get(str(line.get("status")))
            state.segments[-1].error = text(line.get("error"))
        return
    texts, tools = _parts(line)
    if line.get("role") == "user":
        prompt = _prompt(state, texts)
        if prompt is not None:
            state.segments = [*state.segments[1 - KEPT :], Segment(state.segments_seen, prompt)]
            state.segments_seen += 1
    elif line.get("role") == "assistant" and state.segments:
        segment = state.segments[-1]
        segment.answered = bool(texts) and not tools
        segment.answer = "\n".join(texts) or segment.answer
        for number, part in enumerate(tools):
            segment.tools.append(_tool(part, f"line-{offset}-{number}"))


def last_text(value: Optional[Mapping[str, Any]]) -> Optional[str]:
    """What the assistant says in a line; None in any other line."""
    line = value or {}
    return "\n".join(_parts(line)[0]) or None if line.get("role") == "assistant" else None


def _parts(line: Mapping[str, Any]) -> tuple[list[str], list[Mapping[str, Any]]]:
    content = mapping(line.get("message")).get("content")
    if isinstance(content, str):
        return ([content] if content else []), []
    parts = [mapping(part) for part in content] if isinstance(content, list) else []
    texts = [text(part.get("text")) for part in parts if part.get("type") == "text"]
    tools = [part for part in parts if part.get("type") == "tool_use"]
    return [each for each in texts if each is not None], tools


def _prompt(state: State, texts: list[str]) -> Optional[str]:
    """What the user asked; other text of the user's role is the client's."""
    whole = "\n".join(texts)
    asked = _QUERY.search(whole)
    if asked is not None:
        state.tags_seen = True
        return asked[1]
    return None if state.tags_seen or not whole else whole


def _tool(part: Mapping[str, Any], tool_use_id: str) -> ToolEvent:
    name = text(part.get("name")) or "unknown"
    return ToolEvent("tool_use", 0, name, "other", "", tool_use_id, input=part.get("input"))


def restarted(state: State) -> None:
    """The file begins anew and its lines will come again."""
    state.segments, state.segments_seen = [], 0


def segment_of(state: State, turn: TurnDraft) -> Optional[Segment]:
    """The part of the transcript that is a turn's; None while that is not known."""
    if turn.tab:
        return None
    if turn.segment is not None:
        return next((s for s in state.segments if s.index == turn.segment), None)
    fresh = [s for s in state.segments if s.index >= state.segments_taken]
    if turn.prompt is not None:
        fitting = [s for s in fresh if _plain(s.prompt) == _plain(turn.prompt)]
        return fitting[-1] if fitting else None
    later = {
        _plain(other.prompt or "")
        for other in state.turns.values()
        if other.started_ns > turn.started_ns
    }
    own = [s for s in fresh if _plain(s.prompt) not in later]
    return own[-1] if own else None


def _plain(prompt: str) -> str:
    return " ".join(prompt.split())


def take(state: State, turn: TurnDraft) -> None:
    """Give a turn that is told as final its segment for good."""
    segment = segment_of(state, turn)
    if segment is not None:
        turn.segment = segment.index
        state.segments_taken = max(state.segments_taken, segment.index + 1)
