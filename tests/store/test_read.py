"""Lists, look-ups and the order of steps."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from harness_tracing.errors import StoreError
from harness_tracing.model import Failure, Moment, Session, Subagent, Usage, span_id, trace_id
from harness_tracing.store import SessionChange, TurnWrite
from harness_tracing.store.codec import COMPRESS_ABOVE_BYTES
from harness_tracing.store.read import AgentRow, in_order
from tests.store import samples
from tests.store.samples import AGENT, DAY_NS, NOON_NS, SECOND_NS, change, session, stored, turn


def test_a_session_row_counts_and_adds_up_its_turns(tmp_path: Path) -> None:
    steps = (
        samples.call("r1", 1),
        samples.tool("t1", 2, call_id="r1"),
        samples.tool("t2", 3, status="error", error=Failure("exit", "1")),
        samples.call("r2", 4, error=Failure("overloaded")),
        Subagent("a1", "Explore", "t1", NOON_NS, NOON_NS, "failed"),
        Moment("compaction", NOON_NS + 9 * SECOND_NS, "m1"),
    )
    writes = (
        TurnWrite(turn(usage=Usage(100, 10, 50), steps=steps), True, 0.5, ("x", "y")),
        TurnWrite(
            turn(turn_id="p-2", number=2, status="open", prompt="And?", usage=Usage(7)),
            False,
            0.25,
            ("x",),
        ),
        TurnWrite(turn(turn_id="p-3", number=3, status="interrupted", prompt=None), True, None),
    )
    with stored(tmp_path, SessionChange(session(), writes)) as store:
        (row,) = store.sessions()

    assert (row.agent, row.session_id, row.project) == (AGENT, "s-1", "pricing")
    assert (row.turns, row.model_calls, row.tools, row.subagents, row.failures) == (3, 2, 2, 1, 3)
    assert row.usage == Usage(107, 10, 50)
    assert (row.cost_usd, row.unpriced_models) == (0.75, ("x", "y"))
    assert (row.first_prompt, row.last_status, row.open) == ("Add FREESHIP", "interrupted", True)
    assert (row.started_at_ns, row.ended_at_ns) == (NOON_NS, None)
    assert row.last_event_ns == NOON_NS + 60 * SECOND_NS


def test_a_session_without_turns_is_listed_with_nothing_counted(tmp_path: Path) -> None:
    with stored(tmp_path, SessionChange(session())) as store:
        (row,) = store.sessions()

    assert (row.turns, row.cost_usd, row.first_prompt, row.open) == (0, None, None, False)
    assert row.usage == Usage()


def test_sessions_are_filtered_and_the_latest_active_comes_first(tmp_path: Path) -> None:
    changes = [
        SessionChange(Session("claude-code", "old", "pricing", NOON_NS)),
        SessionChange(Session("codex", "new", "pricing", NOON_NS + 2 * DAY_NS)),
        SessionChange(Session("claude-code", "mid", "other", NOON_NS + DAY_NS)),
    ]
    with stored(tmp_path, *changes) as store:
        assert [row.session_id for row in store.sessions()] == ["new", "mid", "old"]
        assert [row.session_id for row in store.sessions(limit=1)] == ["new"]
        assert [row.session_id for row in store.sessions(agent="claude-code")] == ["mid", "old"]
        assert [row.session_id for row in store.sessions(project="pricing")] == ["new", "old"]
        assert [r.session_id for r in store.sessions(since_ns=NOON_NS + DAY_NS)] == ["new", "mid"]
        assert [
            row.session_id
            for row in store.sessions(agent="claude-code", project="pricing", since_ns=0, limit=5)
        ] == ["old"]


def test_a_session_is_found_by_a_unique_beginning_of_its_id(tmp_path: Path) -> None:
    ids = ["abc", "abcd", "abx", "q%_\u00e9"]
    with stored(tmp_path, *(SessionChange(session(each)) for each in ids)) as store:

        def found(prefix: str) -> object:
            row = store.session(prefix)
            return row and row.session_id

        assert (found("abx"), found("abcd"), found("q%"), found("q_")) == (
            "abx",
            "abcd",
            ids[3],
            None,
        )
        assert found("abc") == "abc"
        with pytest.raises(StoreError, match=r"abc \(claude-code\), abcd \(.*, abx"):
            store.session("ab")


def test_one_id_in_two_agents_needs_the_agents_name(tmp_path: Path) -> None:
    changes = [SessionChange(Session(agent, "s-1", "p")) for agent in ("claude-code", "codex")]
    with stored(tmp_path, *changes) as store:
        with pytest.raises(StoreError, match="codex"):
            store.session("s-1")
        row = store.session("s-1", agent="codex")
        assert row is not None and row.agent == "codex"
        assert store.session("s-1", agent="cursor") is None


def test_many_candidates_are_not_all_listed(tmp_path: Path) -> None:
    changes = [SessionChange(session(f"s-{number:02}")) for number in range(15)]
    with stored(tmp_path, *changes) as store, pytest.raises(StoreError, match=r"s-09.*…$"):
        store.session("s-")


def test_turns_are_found_by_trace_and_by_any_of_their_spans(tmp_path: Path) -> None:
    whole = turn(steps=(samples.call("r1"), samples.tool("t1")))
    other = turn(turn_id="p-2", number=2)
    names = (AGENT, "s-1", "p-1")
    with stored(tmp_path, change(whole, other)) as store:
        assert store.turn_by_trace_id(trace_id(*names).upper()) == whole
        assert store.turn_by_span_id(span_id(*names)) == whole
        assert store.turn_by_span_id(span_id(*names, "tool:t1")) == whole
        assert store.turn_by_span_id("0" * 16) is None
        assert store.turn_by_trace_id("0" * 32) is None


def test_turns_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    listed = [turn(turn_id=f"p-{number}", number=number) for number in (2, 10, 1)]
    with stored(tmp_path, change(*listed)) as store:
        assert [each.number for each in store.turns(AGENT, "s-1")] == [1, 2, 10]
        assert store.turns(AGENT, "unknown") == []


def test_a_step_without_a_start_stands_behind_what_asked_for_it() -> None:
    call, later = samples.call("r1", 5), samples.call("r2", 9)
    unseen = replace(samples.tool("t1", call_id="r1"), started_at_ns=None, ended_at_ns=None)
    agent = Subagent("a1", None, "t1", None, None, "open")

    assert in_order((agent, later, unseen, call)) == (call, unseen, agent, later)


def test_a_tool_that_code_called_stands_behind_the_tool_that_ran_the_code() -> None:
    call, cell, later = samples.call("r1", 5), samples.tool("t1", 6), samples.call("r2", 9)
    inner = replace(
        samples.tool("exec-1", parent_tool_use_id="t1"), started_at_ns=None, ended_at_ns=None
    )

    assert in_order((inner, later, cell, call)) == (call, cell, inner, later)


def test_steps_that_name_each_other_as_parent_are_still_ordered() -> None:
    one = Subagent("a1", None, None, None, None, "open", parent_agent_id="a2")
    two = Subagent("a2", None, None, None, None, "open", parent_agent_id="a1")

    assert set(in_order((one, two))) == {one, two}


def test_projects_say_which_agents_worked_in_them(tmp_path: Path) -> None:
    changes = [
        change(turn(session_id="a"), turn(session_id="a", turn_id="p-2", number=2)),
        SessionChange(Session("codex", "b", "pricing", NOON_NS)),
        SessionChange(Session("codex", "c", "other", NOON_NS + DAY_NS)),
    ]
    with stored(tmp_path, *changes) as store:
        other, pricing = store.projects()

    assert (other.project, other.sessions, other.turns) == ("other", 1, 0)
    assert (pricing.project, pricing.agents) == ("pricing", ("claude-code", "codex"))
    assert (pricing.sessions, pricing.turns) == (2, 2)
    assert (other.last_event_ns, pricing.last_event_ns) == (
        NOON_NS + DAY_NS,
        NOON_NS + 60 * SECOND_NS,
    )


def test_agents_say_when_something_was_last_captured_however_large_a_session_is(
    tmp_path: Path,
) -> None:
    large = {"note": "long " * COMPRESS_ABOVE_BYTES}
    changes = [
        SessionChange(Session("claude-code", "a", "p", NOON_NS, pid=1, attributes=large)),
        SessionChange(Session("claude-code", "imported", "p", NOON_NS + DAY_NS)),
        SessionChange(Session("codex", "imported", "p", NOON_NS)),
    ]
    with stored(tmp_path, *changes) as store:
        assert store.agents() == [AgentRow("claude-code", 2, NOON_NS), AgentRow("codex", 1, None)]


def test_open_sessions_are_those_with_a_turn_that_is_not_final(tmp_path: Path) -> None:
    running = turn(session_id="live", status="open", ended_at_ns=None)
    with stored(tmp_path, change(turn()), change(running, final=False, pid=42)) as store:
        assert [(each.session_id, each.pid) for each in store.open_sessions()] == [("live", 42)]
        store.write(change(replace(running, status="interrupted", ended_at_ns=NOON_NS)))
        assert store.open_sessions() == []


def test_what_a_newer_minor_version_added_is_passed_over(tmp_path: Path) -> None:
    whole = turn(steps=(samples.tool("t1"), samples.tool("t2", 3)))
    with stored(tmp_path, change(whole)) as store:
        with sqlite3.connect(samples.store_path(tmp_path)) as newer:
            newer.execute("ALTER TABLE steps ADD COLUMN mood TEXT")
            for table in ("step_bodies", "turn_bodies"):
                newer.execute(
                    f"UPDATE {table} SET body ="
                    " CAST('{\"mood\":[1],' || substr(CAST(body AS TEXT), 2) AS BLOB)"
                )
            newer.execute("UPDATE steps SET kind = 'dream' WHERE step_id = 'tool:t2'")
            newer.execute("PRAGMA user_version = 1999")
        newer.close()

        (back,) = store.turns(AGENT, "s-1")
        assert back == replace(whole, steps=whole.steps[:1])
