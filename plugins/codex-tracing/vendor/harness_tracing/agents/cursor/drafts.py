"""The reader's working state: what hooks and transcript told of turns that are not final.

Everything here is plain data, so that a snapshot of it is one JSON document. Of a turn's tools
the events are kept as they came; which belong to one call is worked out when the turn is built,
so that it does not depend on the order they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from harness_tracing.model import Failure, TurnStatus, Usage

# How turns are named that only the transcript tells of: by where their prompt stands.
BY_LINE = "line:"
# How turns are named that inline completion made: several edits, and no prompt.
TAB = "tab-"


@dataclass
class ToolEvent:
    """One event about a tool call. `subject` is what events without an id are matched by."""

    event: str
    at_ns: int
    name: str
    kind: str
    subject: str = ""
    tool_use_id: Optional[str] = None
    parent_id: Optional[str] = None
    input: Any = None
    output: Any = None
    content: Optional[str] = None
    edits: Any = None
    duration_ns: Optional[int] = None
    failure: Optional[Failure] = None
    interrupted: bool = False
    denied: bool = False
    mcp_server: Optional[str] = None
    agent_id: Optional[str] = None

    @property
    def begins(self) -> bool:
        """Whether it stands at a call's beginning."""
        return self.event.startswith(("pre", "before"))


@dataclass
class Said:
    """A text of the model's, or of the user's while the turn ran."""

    at_ns: int
    text: str
    duration_ns: Optional[int] = None
    usage: Optional[Usage] = None


@dataclass
class CompactionDraft:
    """A compaction as preCompact told it."""

    at_ns: int
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class AgentDraft:
    """A sub-agent within one turn."""

    agent_id: str
    tool_use_id: str
    type: Optional[str] = None
    background: bool = False
    started_ns: Optional[int] = None
    ended_ns: Optional[int] = None
    status: Optional[TurnStatus] = None
    task: Optional[str] = None
    summary: Optional[str] = None
    answer: Optional[str] = None
    conversation_id: Optional[str] = None
    parent_agent_id: Optional[str] = None
    thoughts: list[Said] = field(default_factory=list)
    responses: list[Said] = field(default_factory=list)
    error: Optional[Failure] = None
    transcript: Optional[str] = None


@dataclass
class End:
    """How and when a turn ended. `firm`: the conversation has gone on or is over."""

    status: TurnStatus
    at_ns: int
    firm: bool
    seen_ns: int
    told: bool = True


@dataclass
class TurnDraft:
    """A turn that is not final. `generation` is its id in the IDE, None where Cursor has none."""

    turn_id: str
    started_ns: int
    generation: Optional[str] = None
    run_ids: list[str] = field(default_factory=list)
    announced: bool = False
    number: Optional[int] = None
    prompt_ns: Optional[int] = None
    prompt: Optional[str] = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    queued: list[Said] = field(default_factory=list)
    model: Optional[str] = None
    cwd: Optional[str] = None
    thoughts: list[Said] = field(default_factory=list)
    responses: list[Said] = field(default_factory=list)
    tools: list[ToolEvent] = field(default_factory=list)
    agents: dict[str, AgentDraft] = field(default_factory=dict)
    compactions: list[CompactionDraft] = field(default_factory=list)
    stop_ns: Optional[int] = None
    stop_usage: Optional[Usage] = None
    error: Optional[str] = None
    segment: Optional[int] = None
    lost: int = 0
    last_ns: int = 0
    active_ns: int = 0
    end: Optional[End] = None

    @property
    def tab(self) -> bool:
        """Whether it holds the edits of inline completion, and nothing of an agent's."""
        return self.turn_id.startswith(TAB)


@dataclass
class Segment:
    """A user's message in the transcript and what followed it."""

    index: int
    prompt: str
    answer: Optional[str] = None
    answered: bool = False
    tools: list[ToolEvent] = field(default_factory=list)
    status: Optional[TurnStatus] = None
    error: Optional[str] = None


@dataclass
class ClosedTurn:
    """What is kept of a final turn, for what comes late."""

    turn_id: str
    number: int
    status: TurnStatus
    started_ns: int
    ended_ns: int
    ids: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    agents: dict[str, AgentDraft] = field(default_factory=dict)


@dataclass
class State:
    """All a Cursor reader knows; `version` changes when its meaning does.

    `alone`: no hook has told of anything, the transcript's lines are all there is.
    """

    session_id: str
    project: str
    version: int = 1
    now_ns: int = 0
    turn_count: int = 0
    turns: dict[str, TurnDraft] = field(default_factory=dict)
    closed: dict[str, ClosedTurn] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    segments_seen: int = 0
    segments_taken: int = 0
    tags_seen: bool = False
    tool_ids_seen: bool = False
    lost: int = 0
    transcript: Optional[str] = None
    started_ns: Optional[int] = None
    begun: bool = False
    ended_ns: Optional[int] = None
    end_reason: Optional[str] = None
    final_status: Optional[str] = None
    end_seen_ns: Optional[int] = None
    active_ns: int = 0
    agent_version: Optional[str] = None
    roots: list[str] = field(default_factory=list)
    background: bool = False
    alone: bool = False
