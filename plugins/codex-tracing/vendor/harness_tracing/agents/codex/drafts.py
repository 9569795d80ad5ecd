"""The reader's working state: what is known so far of turns that are not closed.

Everything here is plain data, so that a snapshot of it is one JSON document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from harness_tracing.agents.reading import Header
from harness_tracing.model import Failure, Gap, Message, Repository, ToolRequest, TurnStatus, Usage


@dataclass
class CallDraft:
    """A model call: what went in, what came out. `cut_ns` is when its stream broke off."""

    call_id: str
    agent_id: Optional[str] = None
    model: Optional[str] = None
    provider: Optional[str] = None
    effort: Optional[str] = None
    started_ns: Optional[int] = None
    ended_ns: Optional[int] = None
    cut_ns: Optional[int] = None
    usage: Optional[Usage] = None
    inputs: list[Message] = field(default_factory=list)
    earlier: Optional[int] = None
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    tools: list[ToolRequest] = field(default_factory=list)
    error: Optional[Failure] = None
    attempt: int = 1
    moment_id: Optional[str] = None


@dataclass
class ToolDraft:
    """A tool call as the rollout tells it.

    `asked`: a model asked for it by this id; what runs inside a code cell has no call of its
    own. `kind` is the type of its item, `status` that item's.
    """

    tool_use_id: str
    name: str
    agent_id: Optional[str] = None
    asked: bool = False
    call_id: Optional[str] = None
    input: Any = None
    asked_ns: Optional[int] = None
    output: Optional[str] = None
    output_ns: Optional[int] = None
    kind: Optional[str] = None
    status: Optional[str] = None
    exit_code: Optional[int] = None
    item_started_ns: Optional[int] = None
    item_ended_ns: Optional[int] = None
    duration_ns: Optional[int] = None
    item_output: Optional[str] = None
    result: Any = None
    mcp_server: Optional[str] = None


@dataclass
class HookTimes:
    """What hooks told of a tool call. `turn_id` is that of the thread it ran in."""

    tool_use_id: str
    name: str
    turn_id: Optional[str] = None
    agent_id: Optional[str] = None
    input: Any = None
    pre_ns: Optional[int] = None
    post_ns: Optional[int] = None
    wait_ns: Optional[int] = None
    response: Any = None


@dataclass
class AgentDraft:
    """A sub-agent within one turn; `running` while a turn of its own is open."""

    agent_id: str
    tool_use_id: Optional[str] = None
    prompt: Optional[str] = None
    response: Optional[str] = None
    status: Optional[TurnStatus] = None
    error: Optional[Failure] = None
    first_ns: Optional[int] = None
    last_ns: Optional[int] = None
    has_lines: bool = False
    running: bool = False
    seen_ns: int = 0


@dataclass
class MomentDraft:
    """A moment of a turn; `agent_id` where it happened in a sub-agent."""

    moment_id: str
    kind: str
    at_ns: int
    ended_at_ns: Optional[int] = None
    details: dict[str, Any] = field(default_factory=dict)
    agent_id: Optional[str] = None
    between_turns: bool = False


@dataclass
class End:
    """How and when a turn ended; `seen_ns` is when we learned of it."""

    status: TurnStatus
    at_ns: int
    seen_ns: int


@dataclass
class TurnDraft:
    """A turn of the main thread while it is not closed. `cells` are its calls that run code.

    `compacting` and `steering` are what hooks told: they stand for what no rollout tells.
    """

    turn_id: str
    number: int
    started_ns: Optional[int] = None
    hook_ns: Optional[int] = None
    prompt: Optional[str] = None
    prompt_id: Optional[str] = None
    hook_prompt: Optional[str] = None
    hook_prompt_ns: Optional[int] = None
    response: Optional[str] = None
    hook_response: Optional[str] = None
    model: Optional[str] = None
    cwd: Optional[str] = None
    repository: Repository = field(default_factory=Repository)
    cause: Optional[str] = None
    error: Optional[Failure] = None
    calls: dict[str, CallDraft] = field(default_factory=dict)
    tools: dict[str, ToolDraft] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    agents: dict[str, AgentDraft] = field(default_factory=dict)
    moments: dict[str, MomentDraft] = field(default_factory=dict)
    compacting: list[MomentDraft] = field(default_factory=list)
    steering: list[MomentDraft] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    answered_ns: Optional[int] = None
    stop_ns: Optional[int] = None
    interrupt_ns: Optional[int] = None
    last_ns: int = 0
    active_ns: int = 0
    has_lines: bool = False
    end: Optional[End] = None
    closed: bool = False
    left_running: list[str] = field(default_factory=list)


@dataclass
class Thread:
    """One conversation with a model and the file it is written to. Lives across turns.

    `turn_id` is the thread's own turn, `root_turn_id` the main thread's turn it works in.
    `count` is how many messages it holds, None where that cannot be known. `folded`: its work
    is the main agent's (a review). `skipping`: it is in a turn that was told as final. Lines
    before `history_until` are copies of its parent's.
    """

    thread_id: str
    path: Optional[str] = None
    turn_id: Optional[str] = None
    root_turn_id: Optional[str] = None
    running: bool = False
    skipping: bool = False
    folded: bool = False
    seen_meta: bool = False
    history_until: Optional[int] = None
    history_ns: Optional[int] = None
    mirrored: list[str] = field(default_factory=list)
    inputs: list[Message] = field(default_factory=list)
    input_ns: Optional[int] = None
    count: Optional[int] = 0
    call: Optional[CallDraft] = None
    calls: int = 0
    last_call_id: Optional[str] = None
    attempt: int = 1
    has_records: bool = False
    total: Optional[int] = None
    model: Optional[str] = None
    effort: Optional[str] = None
    provider: Optional[str] = None


@dataclass
class AgentMeta:
    """What is known of a sub-agent whichever turn it works in."""

    type: Optional[str] = None
    parent_id: Optional[str] = None
    hook_start_ns: Optional[int] = None
    hook_end_ns: Optional[int] = None


@dataclass
class State:
    """All a Codex reader knows; `version` changes when its meaning does.

    `repository` is what holds for the next turn to begin.
    """

    session_id: str
    project: str
    version: int = 1
    now_ns: int = 0
    active_ns: int = 0
    turn_count: int = 0
    turns: dict[str, TurnDraft] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    headers: dict[str, Header] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    agents: dict[str, AgentMeta] = field(default_factory=dict)
    turn_roots: dict[str, str] = field(default_factory=dict)
    hooks: dict[str, HookTimes] = field(default_factory=dict)
    left_tools: dict[str, str] = field(default_factory=dict)
    told_calls: list[str] = field(default_factory=list)
    waiting_moments: dict[str, MomentDraft] = field(default_factory=dict)
    no_rollout: bool = False
    served: bool = False
    started_ns: Optional[int] = None
    ended_ns: Optional[int] = None
    end_reason: Optional[str] = None
    end_seen_ns: Optional[int] = None
    agent_version: Optional[str] = None
    cwd: Optional[str] = None
    repository: Repository = field(default_factory=Repository)
    pid: Optional[int] = None
    attributes: dict[str, str] = field(default_factory=dict)
