"""Small sessions for the tests of the store, and hypothesis strategies for large ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from hypothesis import strategies as st

from harness_tracing.model import (
    Failure,
    Gap,
    Message,
    ModelCall,
    Moment,
    Repository,
    Session,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
    Usage,
)
from harness_tracing.store import SessionChange, Store, TurnWrite

AGENT = "claude-code"
NOON_NS = 1_767_225_600_000_000_000
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


def store_path(folder: Path) -> Path:
    return folder / "home" / "store.sqlite3"


def session(session_id: str = "s-1", **fields: Any) -> Session:
    values: dict[str, Any] = {"project": "pricing", "started_at_ns": NOON_NS, **fields}
    return Session(AGENT, session_id, **values)


def turn(
    session_id: str = "s-1", turn_id: str = "p-1", steps: tuple[Step, ...] = (), **fields: Any
) -> Turn:
    values: dict[str, Any] = {
        "number": 1,
        "status": "completed",
        "started_at_ns": NOON_NS,
        "ended_at_ns": NOON_NS + 60 * SECOND_NS,
        "prompt": "Add FREESHIP",
        **fields,
    }
    return Turn(AGENT, session_id, turn_id, steps=steps, **values)


def call(call_id: str, at_s: int = 1, **fields: Any) -> ModelCall:
    start = NOON_NS + at_s * SECOND_NS
    return ModelCall(call_id, "claude-opus-4-5", start, start + SECOND_NS // 2, **fields)


def tool(tool_use_id: str, at_s: int = 2, status: Any = "ok", **fields: Any) -> ToolCall:
    start = NOON_NS + at_s * SECOND_NS
    return ToolCall(tool_use_id, "Bash", start, start + SECOND_NS // 2, status, **fields)


def change(
    *turns: Turn, final: bool = True, reader_state: Optional[bytes] = None, **session_fields: Any
) -> SessionChange:
    session_id = turns[0].session_id if turns else "s-1"
    writes = tuple(TurnWrite(each, final) for each in turns)
    return SessionChange(session(session_id, **session_fields), writes, reader_state)


def stored(folder: Path, *changes: SessionChange) -> Store:
    """A new store with these changes written."""
    store = Store.open(store_path(folder))
    for each in changes:
        store.write(each)
    return store


_count = st.none() | st.integers(0, 2**53)
_time = st.none() | st.integers(0, 2**63 - 1)
_text = st.text(max_size=30)
_maybe_text = st.none() | _text
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_usage = st.builds(Usage, _count, _count, _count, _count, _count, _count)
_failure = st.none() | st.builds(Failure, _text, _maybe_text)
_request = st.builds(ToolRequest, _text, _text, _json)
_message = st.builds(
    Message, _text, _maybe_text, _maybe_text, st.lists(_request, max_size=2).map(tuple), _maybe_text
)
_tool_status = st.sampled_from(["ok", "error", "denied", "interrupted", "unknown", "running"])
_turn_status = st.sampled_from(["completed", "failed", "interrupted", "open"])


def _steps(number: int) -> st.SearchStrategy[Step]:
    """Any step; its number makes its id and its start unlike any other's."""
    name, start = st.just(f"{number}"), st.just(NOON_NS + number)
    model_call = st.builds(
        ModelCall,
        name,
        _maybe_text,
        start,
        _time,
        usage=_usage,
        input_messages=st.lists(_message, max_size=2).map(tuple),
        output=st.none() | _message,
        finish_reason=_maybe_text,
        error=_failure,
        agent_id=_maybe_text,
        earlier_messages=_count,
        parameters=_json,
    )
    tool_call = st.builds(
        ToolCall,
        name,
        _text,
        start,
        _time,
        _tool_status,
        call_id=_maybe_text,
        input=_json,
        output=_maybe_text | st.just("a long output\n" * 200),
        result=_json,
        error=_failure,
    )
    subagent = st.builds(
        Subagent, name, _maybe_text, _maybe_text, start, _time, _turn_status, error=_failure
    )
    moment = st.builds(Moment, _text, start, name, details=_json, agent_id=_maybe_text)
    return st.one_of(model_call, tool_call, subagent, moment)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """Any turn, its steps in order of start."""
    steps = tuple(draw(_steps(number)) for number in range(draw(st.integers(0, 6))))
    gaps = draw(st.lists(st.builds(Gap, _text, _text), max_size=2))
    return Turn(
        AGENT,
        "s-1",
        "p-1",
        draw(st.integers(1, 10_000)),
        draw(_turn_status),
        draw(st.integers(0, 2**63 - 1)),
        draw(_time),
        prompt=draw(_maybe_text),
        response=draw(_maybe_text),
        model=draw(_maybe_text),
        usage=draw(_usage),
        steps=steps,
        gaps=tuple(gaps),
        error=draw(_failure),
        repository=draw(st.builds(Repository, _maybe_text, _maybe_text, _maybe_text)),
    )
