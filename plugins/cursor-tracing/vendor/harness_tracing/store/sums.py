"""What a turn did, added up: by model, by tool, and in all.

A final turn's sums are written with it. Those of a turn that is not summarized (it still runs,
or an older version wrote it) are counted from its steps whenever they are asked for.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from harness_tracing.model import ModelCall
from harness_tracing.store import codec
from harness_tracing.store.choice import USAGE

if TYPE_CHECKING:
    from harness_tracing.prices import Priced, PriceTable

MODEL_COLUMNS = f"model, calls, failures, unpriced, duration_ns, {USAGE}, cost_usd"
TOOL_COLUMNS = "tool, calls, failures, denied, duration_ns, waited_ns"
_SUM_OF_USAGE = ", ".join(f"sum({column})" for column in USAGE.split(", "))
_TOOK = "sum(max(0, ended_at_ns - started_at_ns))"


class Sums(NamedTuple):
    """The sums of one turn: counts for its own row, rows for turn_models and turn_tools."""

    model_calls: int
    tools: int
    subagents: int
    failures: int
    models: list[tuple[Any, ...]]
    tool_rows: list[tuple[Any, ...]]


def of_turn(connection: sqlite3.Connection, turn_key: int) -> Sums:
    """The sums of a turn as its steps are now."""
    counts = dict.fromkeys(("model_call", "tool", "subagent"), 0)
    failures = 0
    for kind, status, count in connection.execute(
        "SELECT kind, status, count(*) FROM steps WHERE turn_key = ? GROUP BY kind, status",
        (turn_key,),
    ):
        if kind in counts:
            counts[kind] += count
            failures += count if status in ("error", "failed") else 0
    calls, tool_calls, subagents = counts.values()
    tools = _tools(connection, turn_key) if tool_calls else []
    models = _models(connection, turn_key) if calls else []
    return Sums(calls, tool_calls, subagents, failures, models, tools)


def write(connection: sqlite3.Connection, turn_key: int, *, anew: bool = True) -> None:
    """Keep the sums of a final turn; the caller holds the transaction.

    Without `anew` it has none yet.
    """
    sums = of_turn(connection, turn_key)
    if anew:
        for table in ("turn_models", "turn_tools"):
            connection.execute(f"DELETE FROM {table} WHERE turn_key = ?", (turn_key,))
    insert_rows(connection, turn_key, sums)
    connection.execute(
        "UPDATE turns SET model_calls = ?, tools = ?, subagents = ?, failures = ?, summarized = 1"
        " WHERE turn_key = ?",
        (sums.model_calls, sums.tools, sums.subagents, sums.failures, turn_key),
    )


def insert_rows(
    connection: sqlite3.Connection, turn_key: int, sums: Sums, schema: str = "main"
) -> None:
    """Put a turn's sums by model and by tool into the tables of that schema, for older ones."""
    for table, columns, rows in (
        ("turn_models", MODEL_COLUMNS, sums.models),
        ("turn_tools", TOOL_COLUMNS, sums.tool_rows),
    ):
        if not rows:
            continue
        places = ", ".join("?" * (columns.count(",") + 2))
        connection.executemany(
            f"INSERT INTO {schema}.{table} (turn_key, {columns}) VALUES ({places})",
            [(turn_key, *row) for row in rows],
        )


def _tools(connection: sqlite3.Connection, turn_key: int) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT ifnull(name, '') AS tool, count(*), sum(status = 'error'), sum(status = 'denied'),"
        f" {_TOOK}, sum(waited_ns) FROM steps WHERE turn_key = ? AND kind = 'tool' GROUP BY tool",
        (turn_key,),
    ).fetchall()


def _models(connection: sqlite3.Connection, turn_key: int) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT ifnull(model, '') AS named, count(*), sum(status = 'error'),"
        " sum(input_tokens IS NOT NULL AND output_tokens IS NOT NULL),"
        f" {_TOOK}, {_SUM_OF_USAGE}"
        " FROM steps WHERE turn_key = ? AND kind = 'model_call' GROUP BY named",
        (turn_key,),
    ).fetchall()
    cost_usd, names = connection.execute(
        "SELECT cost_usd, unpriced_models FROM turns WHERE turn_key = ?", (turn_key,)
    ).fetchone()
    unpriced = codec.decode_names(names)
    if cost_usd is not None and (len(rows) > 1 or unpriced):
        return _apart(connection, turn_key, rows, cost_usd)
    return [
        (
            model,
            calls,
            failures,
            known if unpriced and _name(model) in unpriced else 0,
            *rest,
            cost_usd,
        )
        for model, calls, failures, known, *rest in rows
    ]


def _apart(
    connection: sqlite3.Connection, turn_key: int, rows: list[tuple[Any, ...]], cost_usd: float
) -> list[tuple[Any, ...]]:
    """The price of a turn split over its models, as the prices of its calls stand to each other.

    Their sum stays the price that the turn was stored with, also when prices change.
    """
    from harness_tracing.prices import Priced, price

    costs: dict[str, Priced] = {}
    unpriced: dict[str, int] = {}
    for (body,) in connection.execute(
        "SELECT body FROM steps JOIN step_bodies USING (step_key)"
        " WHERE turn_key = ? AND kind = 'model_call'",
        (turn_key,),
    ):
        call = codec.decode_step("model_call", body)
        if isinstance(call, ModelCall):
            priced, model = price(call, _prices()), codec.text_column(call.model) or ""
            costs[model] = costs.get(model, Priced()) + priced
            unpriced[model] = unpriced.get(model, 0) + len(priced.unpriced)
    shares = {model: each.cost.total for model, each in costs.items() if each.cost is not None}
    shares = shares or {row[0]: 0.0 for row in rows}
    whole = sum(shares.values())

    def share(model: str) -> Optional[float]:
        if model not in shares:
            return None
        return cost_usd * shares[model] / whole if whole else cost_usd / len(shares)

    return [
        (model, calls, failures, unpriced.get(model, 0), *rest, share(model))
        for model, calls, failures, _, *rest in rows
    ]


def _name(model: str) -> str:
    from harness_tracing.prices import UNKNOWN_MODEL

    return model or UNKNOWN_MODEL


@cache
def _prices() -> PriceTable:
    from harness_tracing.prices import PriceTable

    return PriceTable.load()
