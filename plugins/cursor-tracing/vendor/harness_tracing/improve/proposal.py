"""What is proposed: a change of a project's files, why, and what it would have done."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional

import msgspec

Kind = Literal["rules_line", "stop_hook", "pre_tool_hook", "permission_deny", "slash_command"]
State = Literal["proposed", "applied", "reverted", "dismissed"]
How = Literal["line", "file", "hook", "deny"]


@dataclass(frozen=True)
class Change:
    """What is put into one file; `path` is relative to the project's folder.

    `line`: `text` as an item below `heading` (a new file begins with `fresh`). `file`: a file of
    its own with this text. `hook`: the command `text` is registered for `event`, for the tools
    that `matcher` names. `deny`: `entries` are denied. The last two are for Claude Code's settings.
    """

    path: str
    how: How
    text: str = ""
    heading: str = ""
    fresh: str = ""
    event: str = ""
    matcher: str = ""
    entries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """A turn that an evaluator was not content with, and what it said."""

    session_id: str
    turn_id: str
    number: int
    trace_id: str
    started_at_ns: int
    label: Optional[str]
    explanation: Optional[str]


@dataclass(frozen=True)
class Replay:
    """What a hook would have done in recorded turns.

    `rightly`: it would have stopped a turn that the evaluator was not content with. `wrongly`: one
    that was good, or that the evaluator has nothing to say of. The rest of `would_block` cannot
    be told. `runs` is how often the script was started.
    """

    would_block: int
    rightly: int
    wrongly: int
    seen: int
    runs: int = 0


@dataclass(frozen=True)
class Proposal:
    """A change for one project and agent, with its evidence and its price.

    `rule` is the evaluator's name, `turns` of `measurable` ones are those it was not content
    with, in `sessions` sessions. `confidence` is the lower bound of their rate (Wilson, 95 %).
    `cost_usd` (list prices), `tokens` and `seconds` are what these turns took. `why_not` says why
    it is not recommended, `note` what to know besides.
    """

    proposal_id: str
    rule: str
    kind: Kind
    agent: str
    folder: str
    project: str
    changes: tuple[Change, ...]
    text: str
    evidence: tuple[Evidence, ...] = ()
    turns: int = 0
    measurable: int = 0
    sessions: int = 0
    annotator_kind: str = "CODE"
    cost_usd: Optional[float] = None
    tokens: Optional[int] = None
    seconds: Optional[float] = None
    confidence: float = 0.0
    replay: Optional[Replay] = None
    recommended: bool = True
    why_not: Optional[str] = None
    note: Optional[str] = None
    diff: str = ""
    state: State = "proposed"
    created_at_ns: Optional[int] = None
    applied_at_ns: Optional[int] = None
    reverted_at_ns: Optional[int] = None

    @property
    def path(self) -> Path:
        """The file it is mainly about."""
        return Path(self.folder) / self.changes[0].path


def proposal_id(rule: str, kind: str, agent: str, folder: str) -> str:
    """The id of the proposal of that kind; the same each time it is made."""
    joined = "\x00".join((rule, kind, agent, folder))
    return "im_" + hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def to_json(proposal: Proposal) -> dict[str, Any]:
    """The proposal as plain JSON."""
    body: dict[str, Any] = msgspec.to_builtins(proposal)
    return {**body, "path": str(proposal.path)}


def from_json(body: Mapping[str, Any]) -> Proposal:
    """The proposal that `to_json` gave; msgspec.ValidationError for anything else."""
    return msgspec.convert(dict(body), Proposal)
