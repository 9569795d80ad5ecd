"""A turn as rules look at it: what was done in it, read once and shared by all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from harness_tracing.activity import Command, Edit, Gate, activity_of
from harness_tracing.activity.reading import TurnActivity
from harness_tracing.activity.tools import is_hidden
from harness_tracing.model import ModelCall, Moment, ToolCall, Turn


@dataclass(frozen=True)
class Seen:
    """One turn with the project's gate, if one is known. Rules get a session's turns in order."""

    turn: Turn
    gate: Optional[Gate] = None

    @cached_property
    def did(self) -> TurnActivity:
        """What the agent did in it, sub-agents included."""
        return activity_of(self.turn)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls in order of start."""
        return self.did.calls

    @cached_property
    def place(self) -> dict[str, int]:
        """Where each tool call stands among them, by its id."""
        return {call.tool_use_id: place for place, call in enumerate(self.calls)}

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands that were executed, or tried."""
        return self.did.commands

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The changes to files."""
        return self.did.edits

    @property
    def reads(self) -> tuple[tuple[str, ToolCall], ...]:
        """The files that were read, each with the call that did."""
        return self.did.reads

    @property
    def unseen(self) -> tuple[ToolCall, ...]:
        """Shell calls whose command line is hidden or was not recorded."""
        return self.did.unseen

    @cached_property
    def hidden(self) -> tuple[ToolCall, ...]:
        """The calls whose input or output a content switch hid."""
        return tuple(call for call in self.calls if is_hidden(call.input) or is_hidden(call.output))

    @cached_property
    def compactions(self) -> tuple[Moment, ...]:
        """Where a thread lost its earlier messages for a summary."""
        return tuple(
            step
            for step in self.turn.steps
            if isinstance(step, Moment) and step.kind == "compaction"
        )

    @property
    def answer(self) -> Optional[str]:
        """The text that the turn ended with; None when it is hidden or there is none."""
        response = self.turn.response
        return None if response is None or is_hidden(response) else response

    @property
    def answer_is_hidden(self) -> bool:
        """Whether a content switch hid the answer."""
        return is_hidden(self.turn.response)

    @property
    def went_before(self) -> Optional[str]:
        """Why the conversation is older than this turn, if it is the first one that is known.

        None when it began with it.
        """
        steps = self.turn.steps
        calls = (each for each in steps if isinstance(each, ModelCall) and each.agent_id is None)
        first = next(calls, None)
        if first is not None and first.earlier_messages:
            return "the session goes on from one that was not looked at"
        untraced = any("before it was traced" in gap.why for gap in self.turn.gaps)
        if self.turn.number > 1 or untraced:
            return "the session began before it was traced"
        return None
