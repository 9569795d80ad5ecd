"""Which calls wait for something: that is done by asking again, and no loop."""

from __future__ import annotations

import re
from functools import lru_cache

from harness_tracing.activity import Command
from harness_tracing.evaluate.seen import Seen

_TOOL = re.compile(
    r"bashoutput|taskoutput|taskget|tasklist|write_stdin|wait|wait_agent|list_agents|"
    r".*(sleep|poll|status|monitor).*",
    re.IGNORECASE,
)
_PROGRAMS = {"sleep", "wait", "watch", "curl", "ping", "nc"}
_ASKS = {"gh": "run", "kubectl": "get", "tail": "-f", "docker": "ps"}


def waiting_calls(seen: Seen) -> set[str]:
    """The ids of calls that wait: tools for it, and command lines with a command for it."""
    found = {call.tool_use_id for call in seen.calls if _waits(call.name)}
    found.update(command.tool.tool_use_id for command in seen.commands if is_waiting(command))
    return found


def is_waiting(command: Command) -> bool:
    """Whether a command that was executed waits, or looks whether something has come."""
    name = command.name
    return name in _PROGRAMS or (name in _ASKS and _ASKS[name] in command.words)


@lru_cache(maxsize=256)
def _waits(name: str) -> bool:
    return _TOOL.fullmatch(name.rsplit(".", 1)[-1]) is not None
