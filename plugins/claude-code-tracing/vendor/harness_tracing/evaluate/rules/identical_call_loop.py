"""Whether the agent made the same call with the same outcome over and over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Optional

from harness_tracing.evaluate.finding import About, Finding, Judgement
from harness_tracing.evaluate.seen import Seen
from harness_tracing.evaluate.waiting import waiting_calls
from harness_tracing.model import ToolCall

TOO_OFTEN = 3
ABOUT = About(
    "identical_call_loop",
    f"No tool was called {TOO_OFTEN} times with the same input and the same result while no file"
    " was edited.",
    {"none": 1.0, "loop": 0.0},
    begins_anew=(
        "With every edit of any file, and with every turn. Threads count apart. Tools and "
        "commands that wait for something are left out."
    ),
    evidence="The calls that were alike, the last first.",
    not_measurable_when=(
        "Inputs or results of three calls of one tool are hidden, or no result was recorded."
    ),
)


class IdenticalCallLoop:
    """Counts within a turn and a thread; an edit of any file begins anew."""

    about = ABOUT

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on one turn; None for a turn with fewer calls than make a loop."""
        if len(seen.calls) < TOO_OFTEN:
            return None
        waiting = waiting_calls(seen)
        calls = [call for call in seen.calls if call.tool_use_id not in waiting]
        if len(calls) < TOO_OFTEN:
            return None
        hidden = {call.tool_use_id for call in seen.hidden}
        known = [
            call
            for call in calls
            if call.tool_use_id not in hidden and call.input is not None and call.output is not None
        ]
        if _has_many((each.name, each.status, len(each.output or "")) for each in known):
            said = self._loop(seen, calls, {call.tool_use_id for call in known})
            if said is not None:
                return said
        if hidden and _has_many((c.agent_id, c.name) for c in calls if c.tool_use_id in hidden):
            return self.about.not_measurable("what its tools were asked or returned is hidden")
        if not known:
            return self.about.not_measurable("what its tools returned was not recorded")
        return self.about.finding("none", "no call was repeated over and over", seen.turn)

    def _loop(self, seen: Seen, calls: list[ToolCall], known: set[str]) -> Optional[Finding]:
        edited = {edit.tool.tool_use_id for edit in seen.edits}
        same: dict[tuple[object, ...], list[ToolCall]] = {}
        for call in calls:
            if call.tool_use_id in edited:
                same.clear()
            if call.tool_use_id not in known:
                continue
            key = (_as_text(call.input), *_outcome(call))
            same.setdefault(key, []).append(call)
            if len(same[key]) >= TOO_OFTEN:
                text = (
                    f"{call.name} was called {TOO_OFTEN} times with the same input and the same"
                    " result, with no edit in between"
                )
                return self.about.finding("loop", text, seen.turn, tuple(reversed(same[key])))
        return None


def _has_many(keys: Iterable[object]) -> bool:
    return max(Counter(keys).values(), default=0) >= TOO_OFTEN


def _outcome(call: ToolCall) -> tuple[object, ...]:
    return call.agent_id, call.name, call.status, call.output


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
