"""Whether the agent made the same call with the same outcome over and over."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache

from harness_tracing.activity.tools import is_hidden
from harness_tracing.evaluate.finding import About, Judgement
from harness_tracing.evaluate.seen import Seen
from harness_tracing.model import ToolCall

TOO_OFTEN = 3
ABOUT = About(
    "identical_call_loop",
    f"No tool was called {TOO_OFTEN} times with the same input and the same result while no file"
    " was edited.",
    {"none": 1.0, "loop": 0.0},
)
# Waiting is done by asking again.
_WAITS = re.compile(
    r"bashoutput|taskoutput|taskget|tasklist|write_stdin|wait|wait_agent|list_agents|"
    r".*(sleep|poll|status|monitor).*",
    re.IGNORECASE,
)
_WAITING_COMMAND = re.compile(r"\b(sleep|wait|watch|tail -f|gh run|kubectl get|curl)\b")


class IdenticalCallLoop:
    """Counts within a turn and a thread; an edit of any file begins anew."""

    about = ABOUT

    def judge(self, seen: Seen) -> Judgement:
        """The verdict on one turn; None for a turn with fewer calls than make a loop."""
        if len(seen.calls) < TOO_OFTEN:
            return None
        calls = [call for call in seen.calls if not _is_waiting(call)]
        if len(calls) < TOO_OFTEN:
            return None
        if all(is_hidden(call.input) or call.input is None for call in calls):
            return self.about.not_measurable("the inputs of its tools are hidden")
        known = [
            call
            for call in calls
            if not (call.input is None or is_hidden(call.input) or is_hidden(call.output))
        ]
        often = Counter(map(_outcome, known))
        if max(often.values(), default=0) < TOO_OFTEN:
            return self.about.finding("none", "no call was repeated over and over", seen.turn)
        return self._counted(seen, calls, {call.tool_use_id for call in known})

    def _counted(self, seen: Seen, calls: list[ToolCall], known: set[str]) -> Judgement:
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
        return self.about.finding("none", "no call was repeated over and over", seen.turn)


def _outcome(call: ToolCall) -> tuple[object, ...]:
    return call.agent_id, call.name, call.status, call.output


def _is_waiting(call: ToolCall) -> bool:
    if _waits(call.name):
        return True
    asked = call.input if isinstance(call.input, dict) else {}
    command = asked.get("command", asked.get("cmd"))
    return isinstance(command, str) and _WAITING_COMMAND.search(command) is not None


@lru_cache(maxsize=256)
def _waits(name: str) -> bool:
    return _WAITS.fullmatch(name.rsplit(".", 1)[-1]) is not None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
