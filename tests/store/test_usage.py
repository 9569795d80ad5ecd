"""Sums are the sums over the turns, whoever wrote them and however they are grouped."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Optional
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tracing.model import Failure, ModelCall, Session, Step, ToolCall, Turn, Usage
from harness_tracing.prices import PriceTable, price_all
from harness_tracing.store import SessionChange, Store, TurnChoice, TurnWrite, UsageRow
from harness_tracing.store.usage import GROUPS
from tests.store.older import as_released
from tests.store.samples import AGENT, DAY_NS, NOON_NS, change, store_path, stored, tool, turn

PRICES = PriceTable.load()
ALL = TurnChoice()
HOUR_NS = 3600 * 10**9
_count = st.none() | st.integers(0, 90_000)
_usage = st.builds(Usage, _count, _count, _count, _count, _count, _count)


@st.composite
def _turns(draw: st.DrawFn, number: int) -> Turn:
    steps: list[Step] = []
    for n in range(draw(st.integers(0, 5))):
        at = NOON_NS + n
        took = draw(st.none() | st.integers(0, HOUR_NS))
        ended = None if took is None else at + took
        if draw(st.booleans()):
            status = draw(st.sampled_from(["ok", "error", "denied", "running", "unknown"]))
            name = draw(st.sampled_from(["Bash", "Edit"]))
            waited = draw(st.none() | st.integers(0, HOUR_NS))
            steps.append(ToolCall(f"t{n}", name, at, ended, status, waited_ns=waited))
        else:
            model = draw(st.sampled_from(["claude-opus-4-5", "gpt-5-codex", "no-price", None]))
            error = draw(st.none() | st.just(Failure("overloaded")))
            steps.append(ModelCall(f"c{n}", model, at, ended, draw(_usage), error=error))
    usage = sum((each.usage for each in steps if isinstance(each, ModelCall)), Usage())
    return Turn(
        draw(st.sampled_from(["claude-code", "codex"])),
        draw(st.sampled_from(["s-1", "s-2"])),
        f"p-{number}",
        number,
        draw(st.sampled_from(["completed", "failed", "interrupted", "open"])),
        NOON_NS + draw(st.integers(0, 72)) * HOUR_NS,
        draw(st.none() | st.integers(NOON_NS, NOON_NS + 99 * HOUR_NS)),
        usage=usage,
        steps=tuple(steps),
    )


@st.composite
def _histories(draw: st.DrawFn) -> list[TurnWrite]:
    return [as_write(draw(_turns(n)), draw(st.booleans())) for n in range(draw(st.integers(0, 5)))]


def as_write(of: Turn, final: bool = True) -> TurnWrite:
    priced = price_all(of.steps, PRICES)
    return TurnWrite(of, final, priced.cost.total if priced.cost else None, priced.unpriced)


def write(store: Store, writes: Iterable[TurnWrite]) -> None:
    for each in writes:
        project = "shop" if each.turn.agent == "codex" else "pricing"
        session = Session(each.turn.agent, each.turn.session_id, project)
        store.write(SessionChange(session, (each,)))


def add_up(rows: Iterable[UsageRow]) -> dict[str, object]:
    """Sums over groups, with what can be added."""
    listed = list(rows)
    known = [row.cost_usd for row in listed if row.cost_usd is not None]
    return {
        "turns": sum(row.turns for row in listed),
        "model_calls": sum(row.model_calls for row in listed),
        "tools": sum(row.tools for row in listed),
        "failures": sum(row.failures for row in listed),
        "duration_ns": sum(row.duration_ns or 0 for row in listed),
        "usage": sum((row.usage for row in listed), Usage()),
        "cost_usd": round(sum(known), 9) if known else None,
    }


def expected(writes: Iterable[TurnWrite]) -> dict[str, object]:
    """The same from the turns themselves."""
    listed = list(writes)
    steps = [step for each in listed for step in each.turn.steps]
    calls = [step for step in steps if isinstance(step, ModelCall)]
    tools = [step for step in steps if isinstance(step, ToolCall)]
    costs = [each.cost_usd for each in listed if each.cost_usd is not None]
    failed = [step for step in calls if step.error] + [t for t in tools if t.status == "error"]
    took = [
        max(0, each.turn.ended_at_ns - each.turn.started_at_ns)
        for each in listed
        if each.turn.ended_at_ns is not None
    ]
    return {
        "turns": len(listed),
        "model_calls": len(calls),
        "tools": len(tools),
        "failures": len(failed),
        "duration_ns": sum(took),
        "usage": sum((each.turn.usage for each in listed), Usage()),
        "cost_usd": round(sum(costs), 9) if costs else None,
    }


@settings(max_examples=40, deadline=None)
@given(_histories())
def test_sums_are_those_of_the_turns_in_every_grouping(writes: list[TurnWrite]) -> None:
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "store.sqlite3") as store:
        write(store, writes)
        whole = expected(writes)
        groupings: list[tuple[str, ...]] = [(), ("day",), ("agent",), ("project", "day")]
        for by in groupings:
            assert add_up(store.usage(by, ALL)) == whole, by
        models, tools = add_up(store.usage(("model",), ALL)), add_up(store.usage(("tool",), ALL))
        for name in ("model_calls", "usage", "cost_usd"):
            assert models[name] == whole[name], name
        assert tools["tools"] == whole["tools"]
        assert models["failures"] + tools["failures"] == whole["failures"]  # type: ignore[operator]


@settings(max_examples=20, deadline=None)
@given(_histories())
def test_an_older_store_gives_the_same_sums_before_and_after_it_is_summarized(
    writes: list[TurnWrite],
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(folder / "store.sqlite3") as fresh:
            write(fresh, writes)
            groupings = [(), *((group,) for group in GROUPS)]
            known = {by: fresh.usage(by, ALL) for by in groupings}
            listed = fresh.sessions()
        for schema in ("1.0", "1.1"):
            path = as_released(folder / "store.sqlite3", schema, folder / f"{schema}.sqlite3")
            with Store.open(path) as older:
                assert {by: older.usage(by, ALL) for by in groupings} == known
                assert older.sessions() == listed
                while older.catch_up():
                    pass
                assert older.backlog() == 0
                assert {by: older.usage(by, ALL) for by in groupings} == known
                assert older.sessions() == listed


def test_two_sessions_of_one_id_are_two(tmp_path: Path) -> None:
    with stored(tmp_path, change(turn())) as store:
        write(store, [as_write(replace(turn(), agent="codex"))])
        (row,) = store.usage((), ALL)
        assert (row.sessions, row.turns) == (2, 2)
        assert [(r.names, r.sessions) for r in store.usage(("agent",), ALL)] == [
            ((AGENT,), 1),
            (("codex",), 1),
        ]


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        (datetime.timezone.utc, {"2026-01-01": 2, "2026-01-02": 1}),
        (ZoneInfo("Asia/Kathmandu"), {"2026-01-01": 1, "2026-01-02": 2}),
        (ZoneInfo("America/New_York"), {"2025-12-31": 1, "2026-01-01": 2}),
    ],
    ids=str,
)
def test_days_are_those_of_the_zone(
    tmp_path: Path, zone: datetime.tzinfo, days: dict[str, int]
) -> None:
    # Midnight, a quarter past six in the evening, and two in the morning, all UTC.
    times = (NOON_NS, NOON_NS + 18 * HOUR_NS + HOUR_NS // 4, NOON_NS + 26 * HOUR_NS)
    turns = [turn(turn_id=f"p-{at}", started_at_ns=at, ended_at_ns=at) for at in times]
    with stored(tmp_path, *(change(each) for each in turns)) as store:
        assert {row.names[0]: row.turns for row in store.usage(("day",), ALL, zone)} == days


def test_days_of_23_and_25_hours_are_whole_days(tmp_path: Path) -> None:
    zone = ZoneInfo("Europe/Berlin")
    counts: dict[str, int] = defaultdict(int)
    changes = []
    for month, day in ((3, 28), (10, 24)):
        midnight = datetime.datetime(2026, month, day, tzinfo=zone)
        start_ns = int(midnight.timestamp()) * 10**9
        for hour in range(72):
            at = start_ns + hour * HOUR_NS
            local = datetime.datetime.fromtimestamp(at / 1e9, zone)
            counts[str(local.date())] += 1
            changes.append(change(turn(turn_id=f"p-{at}", started_at_ns=at, ended_at_ns=at)))
    writes = tuple(each for one in changes for each in one.turns)
    with stored(tmp_path, SessionChange(changes[0].session, writes)) as store:
        rows = store.usage(("day",), ALL, zone)
    assert {row.names[0]: row.turns for row in rows} == counts
    assert {counts["2026-03-29"], counts["2026-10-25"]} == {23, 25}


def test_only_the_chosen_turns_count(tmp_path: Path) -> None:
    later = turn("s-2", started_at_ns=NOON_NS + DAY_NS, ended_at_ns=NOON_NS + DAY_NS)
    with stored(tmp_path, change(turn()), change(later, project="shop")) as store:

        def turns(**choice: object) -> int:
            rows = store.usage((), TurnChoice(**choice))  # type: ignore[arg-type]
            return sum(row.turns for row in rows)

        assert turns() == 2
        assert (turns(project="shop"), turns(agent=AGENT), turns(agent="codex")) == (1, 2, 0)
        assert (turns(since_ns=NOON_NS + 1), turns(until_ns=NOON_NS + 1)) == (1, 1)


def test_an_empty_store_has_no_groups(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        assert [store.usage(by, ALL) for by in ((), ("day",), ("model",), ("tool",))] == [[]] * 4


def test_late_steps_are_added_up_at_once_whoever_wrote_them(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with stored(tmp_path, change(turn())) as store:
        store.write(change(turn(steps=(tool("late", status="error"),))))
        (row,) = store.usage((), ALL)
        assert (row.tools, row.failures, store.backlog()) == (1, 1, 0)

        import sqlite3

        older = sqlite3.connect(path)
        older.execute(
            "INSERT INTO steps (turn_key, step_id, span_id, kind, name, status, late)"
            " VALUES (1, 'tool:x', 'x', 'tool', 'Edit', 'ok', 1)"
        )
        older.execute("INSERT INTO step_bodies SELECT step_key + 1, body FROM step_bodies")
        older.commit()
        older.close()
        (row,) = store.usage((), ALL)
        assert (row.tools, store.sessions()[0].tools) == (2, 2)


def test_a_turn_of_several_models_splits_its_price(tmp_path: Path) -> None:
    usage = Usage(1000, 100, 0, 0, 0, 0)
    steps = tuple(
        ModelCall(f"c{n}", model, NOON_NS, NOON_NS, usage)
        for n, model in enumerate(["claude-opus-4-5", "gpt-5-codex", "no-price"])
    )
    mixed = as_write(turn(steps=steps, usage=usage + usage + usage))
    assert mixed.cost_usd is not None
    # The price of the day it was stored at stays, whatever the table says now.
    mixed = replace(mixed, cost_usd=2 * mixed.cost_usd)
    with stored(tmp_path) as store:
        store.write(SessionChange(Session(AGENT, "s-1", "p"), (mixed,)))
        rows = {row.names[0]: row for row in store.usage(("model",), ALL)}
    opus, codex, other = (rows[n] for n in ("claude-opus-4-5", "gpt-5-codex", "no-price"))
    assert (other.cost_usd, other.unpriced, opus.unpriced) == (None, 1, 0)
    assert opus.cost_usd is not None and codex.cost_usd is not None
    assert opus.cost_usd + codex.cost_usd == pytest.approx(mixed.cost_usd)
    alone: Optional[float] = as_write(turn(steps=steps[:1])).cost_usd
    assert opus.cost_usd == pytest.approx(2 * (alone or 0))
