"""Spans as turns again: of every recording, and of whatever a server may hold."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness_tracing.errors import RemoteError
from harness_tracing.model import Session, Turn
from harness_tracing.observe.remote.fields import read
from harness_tracing.observe.remote.turns import session_of
from harness_tracing.observe.tree import View, turn_tree
from harness_tracing.prices import PriceTable, price_all
from harness_tracing.spans import spans, to_json
from harness_tracing.spans.attributes import ATTRIBUTES
from harness_tracing.spans.usage import turn_usage
from harness_tracing.store import Store, TurnRow, TurnWrite
from harness_tracing.store.read import in_order
from tests.recorded import play, recordings

RECORDINGS = [each for agent in ("claude-code", "codex", "cursor") for each in recordings(agent)]
SOME = RECORDINGS[::2]
PRICES = PriceTable.load()
STATUSES = ("failed", "error", "interrupted", "denied")


def _without_bare_failure(value: Any) -> Any:
    """A failure without a message only says the status again; in a span nothing else does."""
    error = getattr(value, "error", None)
    bare = error is not None and error.message is None and error.type in STATUSES
    return replace(value, error=None) if bare else value


def _shown(turn: Turn, cost: Any, unpriced: tuple[str, ...]) -> str:
    """The turn's tree as text."""
    steps = tuple(map(_without_bare_failure, in_order(turn.steps)))
    turn = _without_bare_failure(replace(turn, steps=steps, usage=turn_usage(turn, steps)))
    row = TurnRow(turn, turn.status != "open", turn.usage, cost, unpriced, frozenset())
    console = Console(file=io.StringIO(), width=110, color_system=None)
    console.print(turn_tree(row, View(full=True)))
    return console.file.getvalue()  # type: ignore[attr-defined]


def _read_back(turns: list[Turn], session: Session, shape: Any) -> tuple[TurnWrite, ...]:
    told = [
        to_json(span)
        for turn in turns
        for span in spans(turn, session, shape, PRICES, harness_version="1")
    ]
    found = [read({**each, "span_kind": each["kind"]}, own_times=True) for each in told]
    return session_of(session.session_id, session.project, found).turns


@pytest.mark.parametrize("folder", SOME, ids=lambda f: f"{f.parent.name}-{f.name}")
def test_a_recordings_turns_look_as_they_did(folder: Path) -> None:
    for collected in play(folder).values():
        session, turns = collected.session, collected.whole()
        if not turns:
            continue
        back = _read_back(turns, session, "calls")
        assert [each.turn.number for each in back] == [turn.number for turn in turns]
        for turn, write in zip(turns, back):
            priced = price_all(turn.steps, PRICES)
            cost = priced.cost.total if priced.cost else None
            was = _shown(turn, cost, priced.unpriced)
            assert _shown(write.turn, write.cost_usd, write.unpriced_models) == was


KEYS = st.sampled_from(
    [row.key.replace(".N.", ".0.") for row in ATTRIBUTES] + ["x", "metadata.a.b"]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["turn", "tool", "moment", "model_call", "subagent", "open", "application/json"]
    ),
    st.lists(st.text(max_size=3), max_size=2),
    st.just({"a": 1}),
)
ATTRIBUTE_SETS = st.dictionaries(KEYS, VALUES, max_size=8)
TIMES = st.sampled_from([None, "2026-01-01T00:00:00Z", "2025-01-01T00:00:00.5+01:00", "soon"])
STRANGE = st.fixed_dictionaries(
    {
        "name": st.sampled_from([None, "", "a"]),
        "context": st.fixed_dictionaries(
            {"trace_id": st.sampled_from(["t", "u"]), "span_id": st.sampled_from("abcd")}
        ),
        "parent_id": st.sampled_from([None, *"abcdx"]),
        "span_kind": st.sampled_from([None, "LLM", "TOOL", "AGENT", "CHAIN", "GUARDRAIL", "?"]),
        "start_time": st.just("2026-01-01T00:00:00Z"),
        "end_time": TIMES,
        "status_code": st.sampled_from([None, "OK", "ERROR", "UNSET", "?"]),
        "status_message": st.sampled_from([None, "", "it broke"]),
        "attributes": ATTRIBUTE_SETS,
        "events": st.lists(
            st.fixed_dictionaries(
                {"name": VALUES, "timestamp": TIMES, "attributes": ATTRIBUTE_SETS}
            ),
            max_size=2,
        ),
    }
)


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(STRANGE, max_size=5))
def test_whatever_a_server_holds_can_be_stored_and_shown(told: list[dict[str, Any]]) -> None:
    change = session_of("s", "p", [read(each, own_times=True) for each in told])
    spans = {(each["context"]["trace_id"], each["context"]["span_id"]) for each in told}
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "store.sqlite3") as store:
        store.write(change)
        rows = store.turn_rows(change.session.agent, "s")
        assert len(rows) == len(change.turns)
        assert len(rows) + sum(len(row.turn.steps) for row in rows) >= len(spans)
        for row in rows:
            assert _shown(row.turn, row.cost_usd, row.unpriced_models)


def test_what_is_no_span_is_an_error() -> None:
    with pytest.raises(RemoteError, match="without ids"):
        read({"name": "x"})
