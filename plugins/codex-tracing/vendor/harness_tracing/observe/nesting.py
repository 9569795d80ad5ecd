"""The flat steps of a turn as the tree they form: calls, their tools, sub-agents below those."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from harness_tracing.model import ModelCall, Step, Subagent, ToolCall, step_id


@dataclass(frozen=True)
class Node:
    """A step and what it led to, in order of start."""

    step: Step
    children: tuple[Node, ...] = ()


def nested(steps: Iterable[Step]) -> tuple[Node, ...]:
    """The top-level steps of a turn with everything else below them, in the order given.

    A tool lies below the call that asked for it, a sub-agent below the tool that started it,
    a sub-agent's steps below the sub-agent, a compaction's call below the compaction. A step
    whose parent is not there, or that would lie below itself, comes at the top: every step
    appears exactly once.
    """
    unique = {step_id(step): step for step in steps}
    parents = {key: _parent(step, unique) for key, step in unique.items()}
    below: dict[Optional[str], list[str]] = {}
    for key in unique:
        parent = parents[key]
        if parent is not None and _leads_back(key, parents):
            parents[key] = parent = None
        below.setdefault(parent, []).append(key)
    return _nodes(None, below, unique)


def _parent(step: Step, known: dict[str, Step]) -> Optional[str]:
    candidates: list[str] = []
    if isinstance(step, ToolCall) and step.call_id is not None:
        candidates.append("call:" + step.call_id)
    if isinstance(step, ModelCall) and step.moment_id is not None:
        candidates.append("moment:" + step.moment_id)
    owner = step.agent_id if not isinstance(step, Subagent) else step.parent_agent_id
    if isinstance(step, Subagent) and step.tool_use_id is not None:
        candidates.append("tool:" + step.tool_use_id)
    if owner is not None:
        candidates.append("agent:" + owner)
    return next((key for key in candidates if key in known), None)


def _leads_back(key: str, parents: dict[str, Optional[str]]) -> bool:
    above, seen = parents[key], {key}
    while above is not None:
        if above in seen:
            return above == key
        seen.add(above)
        above = parents[above]
    return False


def _nodes(
    parent: Optional[str], below: dict[Optional[str], list[str]], steps: dict[str, Step]
) -> tuple[Node, ...]:
    return tuple(Node(steps[key], _nodes(key, below, steps)) for key in below.get(parent, ()))
