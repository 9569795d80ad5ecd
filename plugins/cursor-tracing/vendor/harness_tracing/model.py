"""What a coding-agent session consists of: frozen values that every other module speaks in.

Times are Unix nanoseconds (UTC). ``None`` means *not known*; whatever could not be
seen is named by a :class:`Gap`, never replaced by a guess, a zero or a placeholder.
This module imports nothing of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, Optional, Union

TurnStatus = Literal["completed", "failed", "interrupted", "open"]
ToolStatus = Literal["ok", "error", "denied", "interrupted", "unknown", "running"]
Json = Any


@dataclass(frozen=True)
class Gap:
    """Something that happened but could not be seen: `what` is missing, and `why`."""

    what: str
    why: str


IMPORTED = Gap("hook times", "imported: the agent's own files tell of it, no hook did")
"""What a turn says that no hook told of."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call, or their sum over several.

    `input_tokens` is ALL input: uncached, cache reads and cache writes together.
    `cache_write_tokens` holds every cache write; `cache_write_1h_tokens` says how many
    of those live for an hour. `output_tokens` includes `reasoning_tokens`.
    """

    input_tokens: Optional[int] = None
    output_tokens: Optional[int] = None
    cache_read_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    cache_write_1h_tokens: Optional[int] = None
    reasoning_tokens: Optional[int] = None

    def __add__(self, other: Usage) -> Usage:
        """The sum; a count that only one side knows keeps that side's value."""
        return Usage(
            *(
                b if a is None else a if b is None else a + b
                for a, b in zip(_counts(self), _counts(other))
            )
        )

    @property
    def total_tokens(self) -> Optional[int]:
        """Input and output together, or None when neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)


def _counts(usage: Usage) -> tuple[Optional[int], ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
    )


@dataclass(frozen=True)
class Failure:
    """Why something failed: a short machine-readable `type`, the message as the agent gave it."""

    type: str
    message: Optional[str] = None


@dataclass(frozen=True)
class ToolRequest:
    """A tool call as a model asked for it. `arguments` is the parsed JSON."""

    tool_use_id: str
    name: str
    arguments: Json = None


@dataclass(frozen=True)
class Message:
    """One message to or from a model.

    `role` is system, user, assistant or tool; `tool_call_id` is set on a tool's result.
    """

    role: str
    content: Optional[str] = None
    thinking: Optional[str] = None
    tool_requests: tuple[ToolRequest, ...] = ()
    tool_call_id: Optional[str] = None


@dataclass(frozen=True)
class ModelCall:
    """One request to a model and what came back.

    `call_id` identifies the request within its turn; `request_id` and `message_id` are the
    provider's. `input_messages` are only those new since the thread's previous call,
    `earlier_messages` counts the rest (None: not known). `attempt` counts from 1; an attempt
    that failed has an `error` and no output. `kind` tells calls that are no part of the
    conversation ("compaction"); such a call hangs below the Moment `moment_id`. `agent_id`
    names the sub-agent that made the call.
    """

    call_id: str
    model: Optional[str]
    started_at_ns: Optional[int]
    ended_at_ns: Optional[int]
    usage: Usage = Usage()
    input_messages: tuple[Message, ...] = ()
    output: Optional[Message] = None
    finish_reason: Optional[str] = None
    error: Optional[Failure] = None
    request_id: Optional[str] = None
    message_id: Optional[str] = None
    agent_id: Optional[str] = None
    earlier_messages: Optional[int] = None
    attempt: int = 1
    kind: Optional[str] = None
    moment_id: Optional[str] = None
    provider: Optional[str] = None
    parameters: Json = None
    redactions: int = 0


@dataclass(frozen=True)
class ToolCall:
    """One tool call: asked for by the model call `call_id`, run by the agent.

    `input` is the parsed arguments, `output` the text the model got back, `result` the
    agent's structured result where it has one. `waited_ns` is the time a person took to
    allow it or to answer; `started_at_ns`..`ended_at_ns` includes it. `status` is "running"
    only while the turn is open. `parent_tool_use_id` is the tool call that made this one, where
    no model did (code that calls tools).
    """

    tool_use_id: str
    name: str
    started_at_ns: Optional[int]
    ended_at_ns: Optional[int]
    status: ToolStatus
    call_id: Optional[str] = None
    input: Json = None
    output: Optional[str] = None
    result: Json = None
    waited_ns: Optional[int] = None
    wait_started_at_ns: Optional[int] = None
    wait_kind: Optional[str] = None
    error: Optional[Failure] = None
    agent_id: Optional[str] = None
    mcp_server: Optional[str] = None
    parent_tool_use_id: Optional[str] = None
    redactions: int = 0


@dataclass(frozen=True)
class Moment:
    """Something worth a place in the tree that is neither call nor tool.

    `kind`: compaction, prompt (a message queued while the turn ran), model_switch,
    hook_feedback, notification … `details` holds plain JSON. A compaction has
    `ended_at_ns`; its own model call, where known, is a ModelCall with this `moment_id`.
    `between_turns` is true for one that happened outside every turn: it is shown at the edge of
    the turn that follows, or of the one before when none does, and keeps its own times.
    """

    kind: str
    at_ns: int
    moment_id: str
    ended_at_ns: Optional[int] = None
    details: Json = None
    agent_id: Optional[str] = None
    between_turns: bool = False
    redactions: int = 0


@dataclass(frozen=True)
class Subagent:
    """An agent started by the tool call `tool_use_id`; its own steps hang below it.

    `parent_agent_id` is the sub-agent that started it, None for the main agent.
    """

    agent_id: str
    type: Optional[str]
    tool_use_id: Optional[str]
    started_at_ns: Optional[int]
    ended_at_ns: Optional[int]
    status: TurnStatus
    prompt: Optional[str] = None
    response: Optional[str] = None
    parent_agent_id: Optional[str] = None
    background: bool = False
    error: Optional[Failure] = None
    redactions: int = 0


Step = Union[ModelCall, ToolCall, Subagent, Moment]


@dataclass(frozen=True)
class Repository:
    """Where a turn worked, as its cwd said when it began. `url` has no userinfo and no query."""

    url: Optional[str] = None
    branch: Optional[str] = None
    commit: Optional[str] = None


@dataclass(frozen=True)
class Turn:
    """One prompt and everything that followed until the agent was done with it.

    `steps` are flat and in order of start: which call asked for a tool, which tool started a
    sub-agent and whose a step is say `ToolCall.call_id`, `Subagent.tool_use_id` and `agent_id`.
    `usage` is the whole turn's, sub-agents and compaction included. `ended_at_ns` is None
    while the turn is open. `answered_at_ns` is when the answer was complete, which is before
    the end when background agents ran on. `cause` says what started a turn that no person
    typed ("task_notification"), `caused_by` the tool call behind it. `traceparent` (W3C) names
    the span of an outer trace that the turn belongs to, `join` how it shows that: by a link, or
    by hanging below it in that trace.
    """

    agent: str
    session_id: str
    turn_id: str
    number: int
    status: TurnStatus
    started_at_ns: int
    ended_at_ns: Optional[int] = None
    answered_at_ns: Optional[int] = None
    prompt: Optional[str] = None
    response: Optional[str] = None
    model: Optional[str] = None
    usage: Usage = Usage()
    steps: tuple[Step, ...] = ()
    gaps: tuple[Gap, ...] = ()
    error: Optional[Failure] = None
    cause: Optional[str] = None
    caused_by: Optional[str] = None
    cwd: Optional[str] = None
    repository: Repository = Repository()
    redactions: int = 0
    traceparent: Optional[str] = None
    join: Literal["link", "child"] = "link"


@dataclass(frozen=True)
class Session:
    """One session of an agent: what its turns share.

    `agent_version` is the client's own. `pid` is the agent's process where known.
    `cost_usd_reported` is what the agent itself says it spent, for comparison only.
    """

    agent: str
    session_id: str
    project: str
    started_at_ns: Optional[int] = None
    ended_at_ns: Optional[int] = None
    agent_version: Optional[str] = None
    cwd: Optional[str] = None
    transcript_path: Optional[str] = None
    user_id: Optional[str] = None
    pid: Optional[int] = None
    pid_started_at_ns: Optional[int] = None
    end_reason: Optional[str] = None
    cost_usd_reported: Optional[float] = None
    attributes: dict[str, str] = field(default_factory=dict)


def step_id(step: Step) -> str:
    """The step's id within its turn; the same step has the same id on every replay."""
    if isinstance(step, ModelCall):
        return "call:" + step.call_id
    if isinstance(step, ToolCall):
        return "tool:" + step.tool_use_id
    if isinstance(step, Subagent):
        return "agent:" + step.agent_id
    return "moment:" + step.moment_id


def trace_id(agent: str, session_id: str, turn_id: str) -> str:
    """The OpenTelemetry trace id of a turn: 32 hex digits derived from what names it."""
    return _digest(agent, session_id, turn_id)[:32]


def span_id(agent: str, session_id: str, turn_id: str, item: str = "") -> str:
    """The span id of an item of a turn (see :func:`step_id`); of the turn itself without one."""
    return _digest(agent, session_id, turn_id, item)[:16]


_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)


def outer_span(traceparent: Optional[str]) -> Optional[tuple[str, str]]:
    """Trace id and span id that a W3C traceparent names; None when it is not well-formed.

    Only version 00 ends after the flags; a later version may say more.
    """
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None or (found[3] and found[0].startswith("00")):
        return None
    return found[1], found[2]


def _digest(*parts: str) -> str:
    import hashlib  # late: it loads OpenSSL, and lists of sessions derive no ids

    joined = "\x00".join(("harness", *parts))
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()
