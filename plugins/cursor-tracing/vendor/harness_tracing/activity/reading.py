"""A turn read once: its commands, changes and reads, for whoever asks several questions of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Union

from harness_tracing.activity import tools
from harness_tracing.activity.commands import (
    Command,
    folder_after,
    is_unseen,
    of_cell,
    of_tool,
    tool_calls,
)
from harness_tracing.activity.edits import Edit, edits_by, reads_by
from harness_tracing.model import ToolCall, Turn

_SHELL_LIVES_ON = "claude-code"
_CHANGES = ("edit", "shell")


@dataclass(frozen=True)
class TurnActivity:
    """What a turn did, in order of its tool calls, those of sub-agents included.

    `commands` include those of code that calls tools. `unseen` are shell calls whose commands are
    not known: hidden by a content switch, not recorded, or too long to be read. `reads` are files
    with the call that read them.
    """

    turn: Turn
    calls: tuple[ToolCall, ...]
    commands: tuple[Command, ...]
    edits: tuple[Edit, ...]
    reads: tuple[tuple[str, ToolCall], ...]
    unseen: tuple[ToolCall, ...]


Readable = Union[Turn, TurnActivity]
"""A turn, or what was read of it already."""


def activity_of(turn: Readable) -> TurnActivity:
    """What a turn did."""
    if isinstance(turn, TurnActivity):
        return turn
    calls = tool_calls(turn)
    parents = {call.parent_tool_use_id for call in calls}
    lives_on = turn.agent == _SHELL_LIVES_ON
    commands: list[Command] = []
    edits: list[Edit] = []
    reads: list[tuple[str, ToolCall]] = []
    unseen: list[ToolCall] = []
    folder = turn.cwd
    for call in calls:
        # Only the main agent's shell of Claude Code keeps its folder from call to call.
        where = folder if call.agent_id is None else turn.cwd
        own: list[Command] = []
        kind = tools.kind_of(call)
        if kind == "shell":
            own = of_tool(call, where)
            if lives_on and call.agent_id is None and any(each.name == "cd" for each in own):
                folder = folder_after(call, where)
            if not own and is_unseen(call):
                unseen.append(call)
        elif isinstance(call.input, str) and call.tool_use_id not in parents:
            own = of_cell(call, where)
        commands += own
        if kind in _CHANGES:
            edits += edits_by(call, own)
        if own or kind == "read":
            reads += [(path, call) for path in reads_by(call, own)]
    return TurnActivity(
        turn, tuple(calls), tuple(commands), tuple(edits), tuple(reads), tuple(unseen)
    )


def activities_of(turns: Iterable[Readable]) -> list[TurnActivity]:
    """What each of some turns did."""
    return [activity_of(turn) for turn in turns]


def commands_of(turn: Readable) -> tuple[Command, ...]:
    """All commands a turn ran, in order. A call whose command line is not known gives none."""
    return activity_of(turn).commands


def edits_of(turn: Readable) -> tuple[Edit, ...]:
    """All changes a turn made, in order; what was refused or failed changed nothing."""
    return activity_of(turn).edits


def reads_of(turn: Readable) -> tuple[tuple[str, ToolCall], ...]:
    """The files a turn read whole or in part, with the call that did."""
    return activity_of(turn).reads
