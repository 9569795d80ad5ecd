"""A session resumed in a new process, while only the dead one before is known."""

from __future__ import annotations

from recorded import Collected

from harness_tracing.agents import get
from harness_tracing.agents.base import HookEvent, Line

SECOND = 10**9
START = 1_795_380_190 * SECOND
STAMP = "2026-11-22T20:43:10.000Z"


def line(kind: str, **payload: object) -> Line:
    return Line(
        "main", {"timestamp": STAMP, "type": "event_msg", "payload": {"type": kind, **payload}}
    )


def statuses(*, hooked: bool, after_s: int) -> list[str]:
    """What became of a begun turn when its agent is said to be dead so long after."""
    reader, collected = get("codex").reader("s", "p", None), Collected()
    reader.time_is(START)
    reader.feed(line("task_started", turn_id="t1"))
    if hooked:
        payload = {"session_id": "s", "turn_id": "t1", "prompt": "Go on."}
        reader.feed(HookEvent("k", "UserPromptSubmit", START, payload, 7))
    reader.tick(START + after_s * SECOND, False)
    collected.take(reader)
    return [turn.status for turn in collected.whole()]


def test_a_turn_that_no_hook_has_told_of_yet_is_not_the_dead_process_s() -> None:
    assert statuses(hooked=False, after_s=1) in ([], ["open"])


def test_it_is_over_when_no_hook_tells_of_it_for_seconds() -> None:
    assert statuses(hooked=False, after_s=4) == ["interrupted"]


def test_a_turn_of_the_dead_process_is_over_at_once() -> None:
    assert statuses(hooked=True, after_s=1) == ["interrupted"]
