"""A session with everything the tree can show, built from our own values."""

from __future__ import annotations

from harness_tracing.model import (
    Failure,
    Gap,
    Message,
    ModelCall,
    Moment,
    Repository,
    Session,
    Subagent,
    ToolCall,
    Turn,
    Usage,
)
from harness_tracing.store import SessionChange, Store, TurnWrite

START_NS = 1_764_684_192_000_000_000  # 2025-12-02 14:03:12 UTC
MS = 1_000_000
SECOND = 1000 * MS
MODEL = "claude-opus-4-5"


def at(seconds: float) -> int:
    return START_NS + int(seconds * SECOND)


def call(number: int, start: float, end: float, **fields: object) -> ModelCall:
    values: dict[str, object] = {
        "usage": Usage(13_099 + 1000 * number, 155, 12_000 + 1000 * number, 1_095, 0),
        "finish_reason": "tool_use",
        **fields,
    }
    return ModelCall(f"req_{number}", MODEL, at(start), at(end), **values)  # type: ignore[arg-type]


def tool(number: int, name: str, start: float, end: float, **fields: object) -> ToolCall:
    values: dict[str, object] = {"status": "ok", **fields}
    return ToolCall(f"toolu_{number}", name, at(start), at(end), **values)  # type: ignore[arg-type]


SESSION = Session(
    "claude-code",
    "4763c05f-538b-40c0-b223-85848c8ea809",
    "order-pricing",
    started_at_ns=at(-1),
    ended_at_ns=at(260),
    agent_version="2.1.330",
    cwd="/home/dev/order-pricing",
)

COMPLETED = Turn(
    "claude-code",
    SESSION.session_id,
    "prompt-1",
    1,
    "completed",
    at(0),
    at(29.4),
    prompt="Add the FREESHIP discount code to store/pricing.py.\nShipping becomes 0.",
    response="Added FREESHIP: shipping becomes 0, the subtotal stays as it is.\n\nAll checks pass.",
    model=MODEL,
    usage=Usage(79_495, 775, 75_000, 5_475, 0),
    repository=Repository("https://github.com/acme/order-pricing", "main", "1a2b3c4d5e6f7a8b"),
    steps=(
        call(1, 0.1, 2.4, output=Message("assistant", "I look first.", thinking="Which file?")),
        tool(1, "Read", 2.5, 2.512, call_id="req_1", input={"file_path": "store/pricing.py"}),
        tool(
            2,
            "Agent",
            2.6,
            11.0,
            call_id="req_1",
            input={"subagent_type": "Explore", "description": "find the tests", "prompt": "Find."},
        ),
        Subagent("a1", "Explore", "toolu_2", at(2.7), at(10.9), "completed", prompt="Find."),
        call(2, 2.8, 6.0, agent_id="a1"),
        tool(
            3,
            "Grep",
            6.1,
            6.14,
            call_id="req_2",
            agent_id="a1",
            input={"pattern": "PERCENT_OFF", "path": "tests"},
        ),
        call(3, 6.2, 10.8, agent_id="a1", finish_reason="end_turn"),
        call(4, 11.1, 14.0),
        tool(
            4,
            "Bash",
            14.1,
            25.3,
            call_id="req_4",
            status="error",
            waited_ns=int(2.5 * SECOND),
            wait_kind="permission",
            input={"command": "make check", "description": "Run the project's checks"},
            output="store/pricing.py:12: error: Incompatible types\nmake: *** [check] Error 2",
            error=Failure("exit_code", "exit code 2\nmake: *** [check] Error 2"),
        ),
        Moment("prompt", at(15), "m1", details={"text": "and mention it in the README"}),
        call(5, 25.4, 29.3, finish_reason="end_turn"),
    ),
)

FAILED = Turn(
    "claude-code",
    SESSION.session_id,
    "prompt-2",
    2,
    "failed",
    at(60),
    at(252),
    prompt="Now SAVE25.",
    model=MODEL,
    usage=Usage(14_099, 155, 13_000, 1_095, 0),
    error=Failure("overloaded_error", "Overloaded (529)"),
    gaps=(Gap("tokens of the failed attempt", "the agent's file does not hold them"),),
    steps=(
        Moment(
            "compaction",
            at(61),
            "m2",
            ended_at_ns=at(64),
            details={"trigger": "auto", "pre_tokens": 167_000, "post_tokens": 12_100},
        ),
        call(6, 65, 70),
        tool(5, "Edit", 70, 70.009, call_id="req_6", input={"file_path": "store/pricing.py"}),
        ModelCall(
            "req_7",
            MODEL,
            at(71),
            at(252),
            attempt=2,
            error=Failure("overloaded_error", "Overloaded (529)"),
        ),
    ),
)

INTERRUPTED = Turn(
    "claude-code",
    SESSION.session_id,
    "prompt-3",
    3,
    "interrupted",
    at(255),
    at(258),
    prompt="Try again.",
    steps=(tool(6, "Bash", 256, 258, status="interrupted", input={"command": "sleep 100"}),),
)

TURNS = (COMPLETED, FAILED, INTERRUPTED)

COSTS = {1: 0.1234, 2: 0.0213, 3: None}


def write(store: Store) -> None:
    """Put the session into a store."""
    writes = tuple(TurnWrite(turn, True, COSTS[turn.number]) for turn in TURNS)
    store.write(SessionChange(SESSION, writes))
