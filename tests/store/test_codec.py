"""Bodies that an older version wrote are read by this one."""

from __future__ import annotations

import json

from harness_tracing.model import Turn
from harness_tracing.store.codec import decode_turn, encode

TURN = Turn("claude-code", "s", "t", 1, "completed", 1, 2, prompt="hello")


def test_a_turn_from_before_outer_traces_is_read() -> None:
    told = json.loads(encode(TURN))
    for new in ("traceparent", "join", "steps"):
        del told[new]

    assert decode_turn(json.dumps(told).encode(), ()) == TURN


def test_a_turn_keeps_its_outer_trace() -> None:
    turn = Turn("claude-code", "s", "t", 1, "completed", 1, traceparent="00-ab-cd-01", join="child")
    told = json.loads(encode(turn))
    del told["steps"]

    assert decode_turn(json.dumps(told).encode(), ()) == turn
