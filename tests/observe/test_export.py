"""Which spans an export holds, and where it goes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness_tracing.errors import StoreError
from harness_tracing.observe.export import Selection, default_file, exported
from harness_tracing.observe.filter import Filter
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.observe.examples import SESSION, TURNS, at


def names(found: list[dict]) -> list[str]:
    return [span["name"] for span in found]


def test_a_sessions_spans_come_in_order_of_its_turns(store: Store) -> None:
    found = exported(store, Selection(session_id=SESSION.session_id), "turns").spans
    numbers = [span["attributes"]["harness.turn.number"] for span in found]
    assert numbers == sorted(numbers)
    assert [name for name in names(found) if name.startswith("Turn")] == [
        "Turn 1",
        "Turn 2",
        "Turn 3",
    ]


def test_the_beginning_of_a_session_id_is_enough(store: Store) -> None:
    short = exported(store, Selection(session_id=SESSION.session_id[:8]), "calls")
    assert short == exported(store, Selection(session_id=SESSION.session_id), "calls")


def test_a_trace_is_one_turn_and_a_span_is_one_span(store: Store) -> None:
    everything = exported(store, Selection(session_id=SESSION.session_id), "calls").spans
    one = everything[3]["context"]
    of_trace = exported(store, Selection(trace_id=one["trace_id"]), "calls").spans
    assert of_trace == [s for s in everything if s["context"]["trace_id"] == one["trace_id"]]
    assert exported(store, Selection(span_id=one["span_id"]), "calls").spans == [everything[3]]


def test_a_span_that_only_the_other_shape_has_is_an_error_that_says_so(store: Store) -> None:
    everything = exported(store, Selection(session_id=SESSION.session_id), "calls").spans
    model_call = next(s for s in everything if s["attributes"]["harness.span.type"] == "model_call")
    with pytest.raises(StoreError, match="--shape calls"):
        exported(store, Selection(span_id=model_call["context"]["span_id"]), "turns")


def test_the_filter_keeps_what_it_is_true_for(store: Store) -> None:
    wanted = Filter("status_code = 'ERROR' and attributes.tool.name like 'Ba%'")
    selection = Selection(session_id=SESSION.session_id, filter=wanted)
    assert names(exported(store, selection, "turns").spans) == ["Bash", "Bash"]


def test_every_turn_is_one_llm_span_in_shape_turns(store: Store) -> None:
    wanted = Filter("attributes.openinference.span.kind = 'LLM'")
    selection = Selection(session_id=SESSION.session_id, filter=wanted)
    assert len(exported(store, selection, "turns").spans) == len(TURNS)


def _second_session(store: Store) -> None:
    later = replace(SESSION, session_id="later", started_at_ns=at(9000), ended_at_ns=at(9001))
    turn = replace(
        TURNS[2], session_id="later", turn_id="x", started_at_ns=at(9000), ended_at_ns=at(9001)
    )
    store.write(SessionChange(later, (TurnWrite(replace(turn, number=1, steps=()), True),)))


def test_a_project_gives_its_latest_turns_up_to_the_limit(store: Store) -> None:
    _second_session(store)
    some = exported(store, Selection(project="order-pricing", limit=2), "turns")
    assert some.more
    assert [span["attributes"]["session.id"] for span in some.spans] == [
        SESSION.session_id,
        "later",
    ]
    assert some.spans[0]["attributes"]["harness.turn.number"] == 3
    everything = exported(store, Selection(project="order-pricing"), "turns")
    assert not everything.more
    exact = exported(
        store, Selection(project="order-pricing", limit=len(everything.spans)), "turns"
    )
    assert exact == everything


def test_only_turns_since_then_are_exported(store: Store) -> None:
    _second_session(store)
    found = exported(store, Selection(project="order-pricing", since_ns=at(8000)), "turns").spans
    assert {span["attributes"]["session.id"] for span in found} == {"later"}
    nothing = Selection(project="order-pricing", since_ns=at(10_000))
    assert exported(store, nothing, "turns").spans == []


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (Selection(session_id="nope"), "no session 'nope'"),
        (Selection(trace_id="0" * 32), "no trace"),
        (Selection(span_id="0" * 16), "no span"),
        (Selection(project="nope"), "no project 'nope'"),
        (Selection(project="nope", session_id=SESSION.session_id), "belongs to project"),
    ],
)
def test_what_is_not_there_is_an_error(store: Store, selection: Selection, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        exported(store, selection, "turns")


@pytest.mark.parametrize(
    ("selection", "folder"),
    [
        (Selection(session_id="4763c05f"), r"session_4763c05f_\d{8}_\d{6}"),
        (Selection(trace_id="ab", project="p"), r"trace_ab_\d{8}_\d{6}"),
        (Selection(span_id="cd"), r"span_cd_\d{8}_\d{6}"),
        (Selection(project="my app"), r"spans_my_app_\d{8}_\d{6}"),
        (Selection(session_id="../../etc"), r"session_\.\._\.\._etc_\d{8}_\d{6}"),
    ],
)
def test_the_default_file_is_named_after_what_it_holds(selection: Selection, folder: str) -> None:
    path = default_file(selection, at(0))
    assert path.name == "spans.json"
    assert path.parent.parent.as_posix() == ".arize-tmp-traces"
    assert re.fullmatch(folder, path.parent.name)
