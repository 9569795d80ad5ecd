"""The reader's working state: what is known so far of turns that are not closed.

Everything here is plain data, so that a snapshot of it is one JSON document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from harness_tracing.agents.reading import Header
from harness_tracing.model import (
    Failure,
    Gap,
    Message,
    ToolRequest,
    TurnStatus,
    Usage,
)


@dataclass
class CallDraft:
    """A request to a model, keyed by the id of its api-request line (else by requestId)."""

    call_id: str
    agent_id: Optional[str] = None
    model: Optional[str] = None
    started_at_ns: Optional[int] = None
    start_guessed: bool = False
    ended_at_ns: Optional[int] = None
    raw_usage: Optional[dict[str, Any]] = None
    usage: Optional[Usage] = None
    inputs: list[Message] = field(default_factory=list)
    earlier: Optional[int] = 0
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    was_thinking: bool = False
    tools: list[ToolRequest] = field(default_factory=list)
    finish_reason: Optional[str] = None
    error: Optional[Failure] = None
    request_id: Optional[str] = None
    message_id: Optional[str] = None
    lines: list[str] = field(default_factory=list)
    answered: bool = False
    aborted: bool = False
    attempt: int = 1
    parameters: Optional[dict[str, Any]] = None
    kind: Optional[str] = None
    moment_id: Optional[str] = None


@dataclass
class ToolDraft:
    """A tool call as the transcript tells it."""

    tool_use_id: str
    name: str
    agent_id: Optional[str] = None
    call_id: Optional[str] = None
    input: Any = None
    asked_at_ns: Optional[int] = None
    result_at_ns: Optional[int] = None
    output: Optional[str] = None
    result: Any = None
    is_error: bool = False
    denial: Optional[str] = None
    decision: Optional[str] = None
    decided_by: Optional[str] = None
    cut_short: bool = False
    output_file: Optional[str] = None
    full_output: Optional[str] = None


@dataclass
class HookTimes:
    """What hooks told of a tool call: exact times, waits, and its end."""

    tool_use_id: str
    name: str
    agent_id: Optional[str] = None
    prompt_id: Optional[str] = None
    input: Any = None
    pre_ns: Optional[int] = None
    post_ns: Optional[int] = None
    duration_ns: Optional[int] = None
    wait_ns: Optional[int] = None
    wait_kind: Optional[str] = None
    answered_ns: Optional[int] = None
    failed: bool = False
    interrupted: bool = False
    denied: Optional[str] = None
    error: Optional[str] = None
    response: Any = None


@dataclass
class AgentDraft:
    """A sub-agent within one turn."""

    agent_id: str
    type: Optional[str] = None
    tool_use_id: Optional[str] = None
    parent_agent_id: Optional[str] = None
    background: bool = False
    hook_start_ns: Optional[int] = None
    hook_end_ns: Optional[int] = None
    first_ns: Optional[int] = None
    last_ns: Optional[int] = None
    prompt: Optional[str] = None
    response: Optional[str] = None
    error: Optional[Failure] = None
    finished: bool = False
    over: bool = False
    over_seen_ns: Optional[int] = None
    over_ns: Optional[int] = None
    resumed_ns: Optional[int] = None
    last_call_id: Optional[str] = None
    has_lines: bool = False


@dataclass
class MomentDraft:
    """A compaction, a queued prompt, hook feedback …"""

    moment_id: str
    kind: str
    at_ns: int
    ended_at_ns: Optional[int] = None
    details: dict[str, Any] = field(default_factory=dict)
    agent_id: Optional[str] = None
    between_turns: bool = False


@dataclass
class End:
    """How and when a turn ended. `firm`: nothing can follow; else it waits for quiet."""

    status: TurnStatus
    at_ns: int
    firm: bool
    seen_ns: int


@dataclass
class TurnDraft:
    """A turn that is open, or closed with background agents still to come."""

    turn_id: str
    number: Optional[int] = None
    prompt: Optional[str] = None
    prompt_ns: Optional[int] = None
    prompt_uuid: Optional[str] = None
    hook_ns: Optional[int] = None
    hook_prompt: Optional[str] = None
    cause: Optional[str] = None
    caused_by: Optional[str] = None
    cwd: Optional[str] = None
    branch: Optional[str] = None
    calls: dict[str, CallDraft] = field(default_factory=dict)
    tools: dict[str, ToolDraft] = field(default_factory=dict)
    agents: dict[str, AgentDraft] = field(default_factory=dict)
    moments: dict[str, MomentDraft] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    has_lines: bool = False
    stop_ns: Optional[int] = None
    stop_message: Optional[str] = None
    failure: Optional[Failure] = None
    failure_ns: Optional[int] = None
    feedback: bool = False
    beside: bool = False
    answered_ns: Optional[int] = None
    last_ns: int = 0
    active_ns: int = 0
    last_call_id: Optional[str] = None
    end: Optional[End] = None
    closed: bool = False
    left_running: list[str] = field(default_factory=list)


@dataclass
class Typed:
    """A shell command that the user typed after `!`, until the lines that follow it."""

    command: str
    at_ns: Optional[int]


@dataclass
class Thread:
    """One conversation with a model: the main one or a sub-agent's. Lives across turns.

    `count` is how many messages it holds, None where that cannot be known.
    """

    turn_id: Optional[str] = None
    messages: list[Message] = field(default_factory=list)
    count: Optional[int] = 0
    pending: Optional[str] = None
    skipping: bool = False
    last_ns: Optional[int] = None
    typed: Optional[Typed] = None


@dataclass
class Request:
    """An api-request line whose turn is not known yet: the line names none."""

    call_id: str
    at_ns: Optional[int]
    model: Optional[str] = None
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Refusal:
    """A prompt that never got to the model, as the transcript tells it; `text` ends with it.

    `number` is its turn's: the line stands where the prompt's would.
    """

    number: int
    kind: str
    reason: Optional[str]
    text: str
    at_ns: int


@dataclass
class Compaction:
    """A compaction being put together from hooks and lines."""

    started_ns: Optional[int] = None
    ended_ns: Optional[int] = None
    trigger: Optional[str] = None
    instructions: Optional[str] = None
    summary: Optional[str] = None
    prompt_id: Optional[str] = None


@dataclass
class Unpaid:
    """A compaction whose usage is not known yet; `header` is its turn once that is closed."""

    at_ns: int
    ended_at_ns: Optional[int] = None
    turn_id: Optional[str] = None
    model: Optional[str] = None
    header: Optional[Header] = None


@dataclass
class State:
    """All a Claude Code reader knows; `version` changes when its meaning does."""

    session_id: str
    project: str
    version: int = 2
    now_ns: int = 0
    turn_count: int = 0
    turns: dict[str, TurnDraft] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    closed_unseen: list[str] = field(default_factory=list)
    told_tools: list[str] = field(default_factory=list)
    told_calls: list[str] = field(default_factory=list)
    threads: dict[str, Thread] = field(default_factory=dict)
    hooks: dict[str, HookTimes] = field(default_factory=dict)
    agent_turns: dict[str, str] = field(default_factory=dict)
    agent_links: dict[str, dict[str, Any]] = field(default_factory=dict)
    agents_done: dict[str, Optional[int]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    branches: dict[str, Thread] = field(default_factory=dict)
    held: list[Request] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    waiting_moments: dict[str, MomentDraft] = field(default_factory=dict)
    compaction: Optional[Compaction] = None
    unpaid: dict[str, Unpaid] = field(default_factory=dict)
    boundaries_ns: list[int] = field(default_factory=list)
    last_header: Optional[Header] = None
    headers: dict[str, Header] = field(default_factory=dict)
    transcript: Optional[str] = None
    started_ns: Optional[int] = None
    ended_ns: Optional[int] = None
    end_reason: Optional[str] = None
    end_seen_ns: Optional[int] = None
    forked_ns: Optional[int] = None
    copied: bool = False
    own_replies: bool = False
    origin_cost_unknown: bool = False
    summaries: bool = False
    agent_version: Optional[str] = None
    cwd: Optional[str] = None
    entrypoint: Optional[str] = None
    pid: Optional[int] = None
    active_ns: int = 0
    seen: dict[str, Usage] = field(default_factory=dict)
    reported: dict[str, Usage] = field(default_factory=dict)
    reported_usd: Optional[float] = None
    main_model: Optional[str] = None
    unattributed: dict[str, Usage] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
