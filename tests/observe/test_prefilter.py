"""What the store leaves out before spans are made: never a turn that holds a matching span."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness_tracing.model import (
    Failure,
    Message,
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
)
from harness_tracing.observe.export import Selection, exported
from harness_tracing.observe.filter import Filter
from harness_tracing.spans.json_form import iso_time
from harness_tracing.store import SessionChange, Store, TurnWrite
from harness_tracing.store.matching import Is
from tests.observe.examples import SESSION, TURNS
from tests.spans.random_turns import SECOND_NS, START_NS, turns

PROJECT = "random"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("prefilter") / "store.sqlite3") as opened:
        yield opened


NAMES = {"a": "Bash", "b": "Basic", "c": "nul \x00", "d": "half \ud83d"}


def _named(turn: Turn) -> Turn:
    """The turn with names of tools that a filter may know, and some that a span cannot have."""
    steps = [
        replace(step, name=NAMES[step.tool_use_id]) if isinstance(step, ToolCall) else step
        for step in turn.steps
    ]
    return replace(turn, steps=tuple(steps))


def _apart(drawn: list[Turn]) -> list[Turn]:
    """Each turn and, so that nothing else makes up for it, each step in a turn of its own."""
    found = []
    for turn in drawn:
        found.append(turn)
        for number, step in enumerate(turn.steps):
            status = turn.status if number % 2 else "completed"
            found.append(replace(turn, status=status, error=None, steps=(step,)))
    return [
        replace(turn, session_id=f"s-{len(turn.steps)}", turn_id=f"t-{number}", number=number)
        for number, turn in enumerate(found, 1)
    ]


def _put(store: Store, turns_apart: list[Turn]) -> None:
    """These turns and nothing else."""
    for row in store.sessions():
        store.delete_session(row.agent, row.session_id)
    for session_id in sorted({turn.session_id for turn in turns_apart}):
        own = [turn for turn in turns_apart if turn.session_id == session_id]
        session = Session(own[0].agent, session_id, PROJECT, started_at_ns=START_NS)
        writes = tuple(TurnWrite(turn, turn.status != "open") for turn in own)
        store.write(SessionChange(session, writes))


TEXT_COLUMNS = {
    "name": [
        "Bash",
        "Basic",
        "nul \ufffd",
        "Turn 1",
        "compaction",
        "sub-agent",
        "model call",
        "mock-model",
        "\x00",
    ],
    "kind": ["LLM", "TOOL", "AGENT", "CHAIN"],
    "attributes.openinference.span.kind": ["LLM", "TOOL"],
    "status_code": ["OK", "ERROR", "UNSET"],
    "status_message": ["a", "The turn failed"],
    "attributes.error.type": ["failed", "error", "denied"],
    "attributes.tool.name": ["Bash", "Basic", "nul \ufffd", "nul \x00"],
    "attributes.harness.tool.status": ["ok", "error", "running", "denied", "unknown"],
    "attributes.harness.turn.status": ["completed", "failed", "open", "interrupted"],
    "attributes.harness.span.type": ["turn", "tool", "model_call", "moment", "subagent"],
    "attributes.harness.agent": ["claude-code", "agent", "codex"],
    "attributes.session.id": ["s-1", "s-0", "s-"],
    "attributes.llm.model_name": ["claude-opus-5-5", "mock-model", ""],
    "attributes.input.value": ["a", ""],
    "parent_id": ["00f067aa0ba902b7"],
}
NUMBER_COLUMNS = ["attributes.harness.turn.number", "attributes.llm.token_count.total"]
SIGNS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
MOMENTS = st.integers(-4, 14).map(lambda second: iso_time(START_NS + second * SECOND_NS))


@st.composite
def leaves(draw: st.DrawFn) -> str:
    """A test of one column, often one that is true of something."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return (
            f"{draw(st.sampled_from(['start_time', 'end_time']))} {draw(SIGNS)} '{draw(MOMENTS)}'"
        )
    if kind == 1:
        number = draw(st.integers(-1, 4) | st.sampled_from([2**63, 1.5]))
        return f"{draw(st.sampled_from(NUMBER_COLUMNS))} {draw(SIGNS)} {number}"
    column = draw(st.sampled_from(sorted(TEXT_COLUMNS)))
    wanted = [f"'{text}'" for text in TEXT_COLUMNS[column]]
    value = st.sampled_from([*wanted, "'zzz'", "1"])
    if kind == 2:
        return f"{column} is {draw(st.sampled_from(['null', 'not null']))}"
    if kind in (3, 4):
        pattern = draw(value).strip("'")[: draw(st.integers(0, 3))]
        end = draw(st.sampled_from(["%", "_", "%a", ""]))
        return f"{column} {draw(st.sampled_from(['like', 'not like', 'ilike']))} '{pattern}{end}'"
    if kind == 5:
        return f"{column} in ({draw(value)}, {draw(value)})"
    return f"{column} {draw(SIGNS)} {draw(value)}"


EXPRESSIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
        inner.map(lambda part: f"not ({part})"),
    ),
    max_leaves=5,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(turns.map(_named), min_size=1, max_size=2),
    st.lists(EXPRESSIONS, min_size=30, max_size=30),
    st.sampled_from(["turns", "calls"]),
)
def test_a_turn_with_a_matching_span_is_never_left_out(
    shelf: Store, drawn: list[Turn], expressions: list[str], shape: Any
) -> None:
    _put(shelf, _apart(drawn))
    everything = exported(shelf, Selection(project=PROJECT), shape).spans
    for expression in expressions:
        wanted = Filter(expression)
        kept = [span for span in everything if wanted.matches(span)]
        chosen = {ref.trace_id for ref in shelf.matching_turns(where=wanted.where(shape))}
        assert {span["context"]["trace_id"] for span in kept} <= chosen, expression
    last = exported(shelf, Selection(project=PROJECT, filter=wanted), shape).spans
    assert last == kept


def _lone_steps() -> list[Step]:
    """Steps of every kind, status and time that a span can come from."""
    statuses = ("ok", "error", "denied", "interrupted", "unknown", "running")
    steps: list[Step] = [
        ToolCall("a", name, START_NS, START_NS + SECOND_NS, status)  # type: ignore[arg-type]
        for name in NAMES.values()
        for status in statuses
    ]
    for start, end in ((None, None), (-2, 1), (1, None), (None, 12), (11, 13)):
        at = [None if second is None else START_NS + second * SECOND_NS for second in (start, end)]
        for output in (None, Message("assistant", "done")):
            steps.append(ModelCall("m", "mock-model", at[0], at[1], output=output))
        steps.append(ModelCall("m", "", at[0], at[1], error=Failure("overloaded_error")))
        steps.append(ToolCall("a", "Basic", at[0], at[1], "ok"))
        for status in ("completed", "failed", "interrupted", "open"):
            steps.append(Subagent("s", None, None, at[0], at[1], status))  # type: ignore[arg-type]
        for kind in ("compaction", "prompt"):
            steps.append(Moment(kind, at[0] or START_NS, "m", ended_at_ns=at[1]))
    return steps


def _lone_turns() -> list[Turn]:
    """Turns of every status and end, one of each with nothing in it, the steps among them."""
    ends = (None, START_NS - 1, START_NS, START_NS + 10 * SECOND_NS)
    shells = [
        Turn("claude-code", "s-0", "", 0, status, START_NS, ended_at_ns=end)  # type: ignore[arg-type]
        for status in ("completed", "failed", "interrupted", "open")
        for end in ends
    ]
    steps = _lone_steps()
    found = [*shells, *(replace(shells[n % len(shells)], steps=(s,)) for n, s in enumerate(steps))]
    found += [replace(shells[3], steps=(step,)) for step in steps]
    return [
        replace(turn, session_id=f"s-{len(turn.steps)}", turn_id=f"t-{number}", number=number)
        for number, turn in enumerate(found, 1)
    ]


def _every_test(column: str) -> Iterator[str]:
    """Tests of a column with each value it may have and each operator."""
    yield f"{column} is null"
    if column in NUMBER_COLUMNS:
        for sign in ("=", "!=", "<", "<=", ">", ">="):
            yield from (f"{column} {sign} {number}" for number in (-1, 1, 2, 1.5, 2**63, "'2'"))
        return
    if column.endswith("_time"):
        for sign in ("=", "!=", "<", "<=", ">", ">="):
            for second in (-3, -2, 0, 1, 10, 12, 14):
                yield f"{column} {sign} '{iso_time(START_NS + second * SECOND_NS)}'"
        yield f"{column} like '2026%'"
        return
    for text in (*TEXT_COLUMNS[column], "zzz"):
        yield from (f"{column} {sign} '{text}'" for sign in ("=", "!=", "<", "<=", ">", ">="))
        yield f"{column} in ('{text}', 'zzz')"
        yield from (f"{column} {word} '{text[:2]}%'" for word in ("like", "not like"))
        yield f"{column} ilike '{text[:2].swapcase()}%'"
        yield f"{column} like '{text[:1]}_%{text[-1:]}'"


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_each_test_alone_never_leaves_out_a_match(shelf: Store, shape: Any) -> None:
    _put(shelf, _lone_turns())
    everything = exported(shelf, Selection(project=PROJECT), shape).spans
    kinds = {span["kind"] for span in everything}
    assert kinds == ({"LLM", "TOOL"} if shape == "turns" else {"LLM", "TOOL", "AGENT", "CHAIN"})
    for column in (*TEXT_COLUMNS, *NUMBER_COLUMNS, "start_time", "end_time"):
        for test in _every_test(column):
            for expression in (test, f"not ({test})"):
                wanted = Filter(expression)
                kept = {span["context"]["trace_id"] for span in everything if wanted.matches(span)}
                chosen = shelf.matching_turns(where=wanted.where(shape))
                assert kept <= {ref.trace_id for ref in chosen}, expression


def _left(store: Store, expression: str, shape: Any = "turns") -> int:
    """How many of the example's three turns have to be read for it."""
    return len(store.matching_turns(where=Filter(expression).where(shape)))


@pytest.mark.parametrize(
    ("expression", "shape", "turns_read"),
    [
        ("kind = 'LLM'", "turns", 3),
        ("kind = 'CHAIN'", "turns", 0),
        ("kind = 'CHAIN'", "calls", 1),
        ("status_code = 'ERROR'", "turns", 3),
        ("status_code = 'ERROR' and kind = 'TOOL'", "turns", 2),
        ("status_code = 'OK' and kind = 'LLM'", "turns", 1),
        ("attributes.tool.name = 'Grep'", "turns", 1),
        ("attributes.tool.name like 'Ba%'", "turns", 2),
        ("name like 'Ba%' and kind = 'TOOL'", "turns", 2),
        ("not attributes.tool.name in ('Bash', 'Edit')", "turns", 1),
        ("attributes.error.type = 'exit_code' and kind = 'TOOL'", "turns", 2),
        ("attributes.harness.turn.number between 2 and 9", "turns", 2),
        ("start_time >= '2025-12-02T14:07:20Z'", "turns", 2),
        ("kind = 'LLM' and start_time >= '2025-12-02T14:07:20Z'", "turns", 1),
        ("end_time < '2025-12-02T14:03:30Z'", "turns", 1),
        ("attributes.session.id = 'another'", "turns", 0),
        ("attributes.input.value like '%pytest%'", "turns", 3),
    ],
)
def test_turns_that_cannot_match_are_not_read(
    store: Store, expression: str, shape: str, turns_read: int
) -> None:
    assert _left(store, expression, shape) == turns_read


def test_an_expression_of_many_tests_is_still_answered(store: Store) -> None:
    many = " or ".join(f"name = 'n{number}'" for number in range(500))
    assert _left(store, many) == len(TURNS)
    wanted = Filter(f"{many} or name = 'Edit'")
    found = exported(store, Selection(session_id=SESSION.session_id, filter=wanted), "turns")
    assert [span["name"] for span in found.spans] == ["Edit"]


def test_values_are_bound_and_columns_are_known() -> None:
    with pytest.raises(ValueError, match="no condition"):
        Is("1=1; drop table turns --", "=", ("x",))
    with pytest.raises(ValueError, match="no condition"):
        Is("name", "= 1 or 1 =", ("x",))


@pytest.mark.parametrize(
    "value", ["'; drop table turns; --", "x' or '1'='1", "%' or 1=1 --", 'a"b', "\\'", "‘x’", "/*"]
)
def test_what_looks_like_sql_is_a_text(store: Store, value: str) -> None:
    text = value.replace("'", "''")
    for sign in ("=", "like", "!="):
        wanted = Filter(f"attributes.tool.name {sign} '{text}'")
        found = exported(store, Selection(session_id=SESSION.session_id, filter=wanted), "turns")
        assert bool(found.spans) == (sign == "!=")
    assert len(store.turns(SESSION.agent, SESSION.session_id)) == len(TURNS)


def test_every_name_finds_its_spans(store: Store) -> None:
    everything = exported(store, Selection(session_id=SESSION.session_id), "calls").spans
    names = {span["name"] for span in everything}
    assert len(names) > 5
    for name in sorted(names):
        wanted = Filter(f"name = '{name}'")
        found = exported(store, Selection(session_id=SESSION.session_id, filter=wanted), "calls")
        assert found.spans == [span for span in everything if span["name"] == name]
