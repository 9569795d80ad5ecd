"""Values of the model to and from what the store's columns and bodies hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, field, fields, is_dataclass, make_dataclass
from functools import cache
from typing import Any, NamedTuple, Optional, Union, get_type_hints

import msgspec

from harness_tracing.decoding import decoder_of
from harness_tracing.errors import StoreError
from harness_tracing.model import (
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    Usage,
    step_id,
)
from harness_tracing.store.deflate import DeflateError, compress, decompress

COMPRESS_ABOVE_BYTES = 1024
PROMPT_START_CHARACTERS = 500
_DEEPEST_NESTING = 200
_LARGEST_COUNT = 2**53
_LARGEST_INTEGER = 2**63 - 1
_Count = Optional[int]
Counts = tuple[_Count, _Count, _Count, _Count, _Count, _Count]
_NO_USAGE = Usage()
_NO_COUNTS: Counts = (None, None, None, None, None, None)
_KINDS: dict[str, type[Any]] = {
    "model_call": ModelCall,
    "tool": ToolCall,
    "subagent": Subagent,
    "moment": Moment,
}


class StepColumns(NamedTuple):
    """The narrow row of a step: what lists and filters need (see schema.sql)."""

    step_id: str
    parent_id: Optional[str]
    kind: str
    name: Optional[str]
    status: Optional[str]
    agent_id: Optional[str]
    model: Optional[str]
    started_at_ns: Optional[int]
    ended_at_ns: Optional[int]
    waited_ns: Optional[int]
    usage: Usage
    error_type: Optional[str]


def step_columns(step: Step) -> StepColumns:
    """The columns of a step; `status` and `name` mean what schema.sql says."""
    if isinstance(step, ModelCall):
        return _model_call_columns(step)
    if isinstance(step, ToolCall):
        return _tool_columns(step)
    if isinstance(step, Subagent):
        return _subagent_columns(step)
    return _moment_columns(step)


def status_of(step: Step) -> Optional[str]:
    """The status column alone: what a step is, without its other columns."""
    if isinstance(step, ModelCall):
        return _call_status(step)
    return None if isinstance(step, Moment) else step.status


def _model_call_columns(call: ModelCall) -> StepColumns:
    return StepColumns(
        step_id=step_id(call),
        parent_id="moment:" + call.moment_id if call.moment_id else _agent_step(call.agent_id),
        kind="model_call",
        name=call.kind,
        status=_call_status(call),
        agent_id=call.agent_id,
        model=call.model,
        started_at_ns=call.started_at_ns,
        ended_at_ns=call.ended_at_ns,
        waited_ns=None,
        usage=call.usage,
        error_type=call.error.type if call.error else None,
    )


def _call_status(call: ModelCall) -> str:
    if call.error is not None:
        return "error"
    return "running" if call.output is None and call.ended_at_ns is None else "ok"


def _tool_columns(tool: ToolCall) -> StepColumns:
    return StepColumns(
        step_id=step_id(tool),
        parent_id=_tool_parent(tool),
        kind="tool",
        name=tool.name,
        status=tool.status,
        agent_id=tool.agent_id,
        model=None,
        started_at_ns=tool.started_at_ns,
        ended_at_ns=tool.ended_at_ns,
        waited_ns=tool.waited_ns,
        usage=_NO_USAGE,
        error_type=tool.error.type if tool.error else None,
    )


def _tool_parent(tool: ToolCall) -> Optional[str]:
    if tool.parent_tool_use_id is not None:
        return "tool:" + tool.parent_tool_use_id
    return "call:" + tool.call_id if tool.call_id else _agent_step(tool.agent_id)


def _subagent_columns(agent: Subagent) -> StepColumns:
    return StepColumns(
        step_id=step_id(agent),
        parent_id="tool:" + agent.tool_use_id
        if agent.tool_use_id
        else _agent_step(agent.parent_agent_id),
        kind="subagent",
        name=agent.type,
        status=agent.status,
        agent_id=agent.parent_agent_id,
        model=None,
        started_at_ns=agent.started_at_ns,
        ended_at_ns=agent.ended_at_ns,
        waited_ns=None,
        usage=_NO_USAGE,
        error_type=agent.error.type if agent.error else None,
    )


def _moment_columns(moment: Moment) -> StepColumns:
    return StepColumns(
        step_id=step_id(moment),
        parent_id=_agent_step(moment.agent_id),
        kind="moment",
        name=moment.kind,
        status=None,
        agent_id=moment.agent_id,
        model=None,
        started_at_ns=moment.at_ns,
        ended_at_ns=moment.ended_at_ns,
        waited_ns=None,
        usage=_NO_USAGE,
        error_type=None,
    )


def _agent_step(agent_id: Optional[str]) -> Optional[str]:
    return None if agent_id is None else "agent:" + agent_id


def usage_columns(usage: Usage) -> dict[str, Optional[int]]:
    """The six counts by column; one that is no sane count (beyond 2**53) is not known."""
    return dict(zip(vars(usage), usage_values(usage)))


def usage_values(usage: Usage) -> Counts:
    """The six counts in the order of Usage, each as `usage_columns` has it."""
    if usage is _NO_USAGE:
        return _NO_COUNTS
    return (
        _count(usage.input_tokens),
        _count(usage.output_tokens),
        _count(usage.cache_read_tokens),
        _count(usage.cache_write_tokens),
        _count(usage.cache_write_1h_tokens),
        _count(usage.reasoning_tokens),
    )


def _count(tokens: Optional[int]) -> Optional[int]:
    return None if tokens is None or abs(tokens) > _LARGEST_COUNT else tokens


def time_column(at_ns: Optional[int]) -> Optional[int]:
    """A time as the column holds it; one beyond 64 bits (a broken clock) is not known."""
    return None if at_ns is None or abs(at_ns) > _LARGEST_INTEGER else at_ns


def text_column(text: Optional[str]) -> Optional[str]:
    """The text as SQLite can hold it: halves of surrogate pairs standing alone become U+FFFD."""
    return None if text is None else whole_text(text)


def whole_text(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD (pairs become the character they mean)."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def prompt_start(prompt: Optional[str]) -> Optional[str]:
    """The beginning of a prompt, for lists."""
    return None if prompt is None else whole_text(prompt[:PROMPT_START_CHARACTERS])


def encode(value: Union[Session, Turn, Step]) -> bytes:
    """The body of a value: JSON, compressed where it is large.

    Lone surrogates become U+FFFD; values nested deeper than 200 levels are named as such.
    """
    try:
        body = msgspec.json.encode(value)
    except (UnicodeEncodeError, RecursionError):
        body = msgspec.json.encode(_writable(value, 0))
    return compress(body) if len(body) > COMPRESS_ABOVE_BYTES else body


def _writable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if depth > _DEEPEST_NESTING:
        return "[nested too deeply to be stored]"
    if is_dataclass(value):
        return {f.name: _writable(getattr(value, f.name), depth + 1) for f in fields(value)}
    if isinstance(value, dict):
        return {whole_text(str(k)): _writable(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(item, depth + 1) for item in value]
    return value


def decode_step(kind: str, body: bytes) -> Optional[Step]:
    """The step of a body; None for a kind that only a newer version knows."""
    step_type = _KINDS.get(kind)
    if step_type is None:
        return None
    step: Step = _decoded(body, step_type)
    return step


def decode_turn(body: bytes, steps: tuple[Step, ...]) -> Turn:
    """The turn of a body, with its steps."""
    header = _decoded(body, _turn_header_type())
    return Turn(steps=steps, **vars(header))


def decode_session(body: bytes) -> Session:
    """The session of a body."""
    session: Session = _decoded(body, Session)
    return session


def encode_names(names: tuple[str, ...]) -> Optional[str]:
    """Names as a JSON list; None for none."""
    return msgspec.json.encode([whole_text(n) for n in names]).decode() if names else None


def encode_numbers(numbers: Iterable[int]) -> str:
    """Numbers as a JSON list, for json_each."""
    return msgspec.json.encode(list(numbers)).decode()


def decode_names(text: Optional[str]) -> tuple[str, ...]:
    """The names of a JSON list; none for None."""
    return tuple(msgspec.json.decode(text, type=list[str])) if text else ()


def _decoded(body: bytes, value_type: Any) -> Any:
    try:
        return decoder_of(value_type).decode(body if body[:1] == b"{" else decompress(body))
    except (msgspec.MsgspecError, DeflateError) as error:
        raise StoreError(
            f"a stored {value_type.__name__} cannot be read ({error}); "
            "if a newer version wrote it, use that version: `harness bootstrap` installs it"
        ) from error


@cache
def _turn_header_type() -> type[Any]:
    """Turn without `steps`: those are rows of their own, and of four types."""
    hints = get_type_hints(Turn)
    members = [(f.name, hints[f.name], _default(f)) for f in fields(Turn) if f.name != "steps"]
    return make_dataclass("Turn", members, frozen=True)


def _default(member: Field[Any]) -> Any:
    return field(default=member.default)
