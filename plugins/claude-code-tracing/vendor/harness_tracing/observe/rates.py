"""How often evaluators were content, as a table, as JSON and as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional

from rich.cells import cell_len

from harness_tracing.errors import TracerError
from harness_tracing.observe.text import first_line, money
from harness_tracing.store import RateRow

_BETWEEN = "  "
_LEAST_NAME = 8
_MOST_BARS = 30
_NUMBERS = ("judged", "passed", "rate", "not measurable", "no verdict", "no score", "cost")
# Columns that are left out when they are empty in every line, and where there is no room.
_SPARED = ("cost", "no score", "no verdict", "not measurable")


def report(row: RateRow, by: Sequence[str]) -> dict[str, Any]:
    """One group as plain JSON, under the names it was asked by.

    `pass_rate` is that of the judged: of those that have a score. It is null without any.
    """
    counts = row.counts
    return {
        **dict(zip(by, row.names)),
        "sessions": row.sessions,
        "judged": counts.judged,
        **asdict(counts),
        "pass_rate": counts.pass_rate,
        "cost_usd": row.cost_usd,
    }


def table(rows: Sequence[RateRow], by: Sequence[str], width: int) -> list[str]:
    """Lines of a table: its header, then one per group; narrow outputs get fewer columns."""
    names = [[*by], *([first_line(name) for name in row.names] for row in rows)]
    cells = [_cells(row) for row in rows]
    columns = {
        name: [name, *(each[name] for each in cells)]
        for name in _NUMBERS
        if name not in _SPARED or any(each[name] for each in cells)
    }
    wanted = sum(max(map(cell_len, column)) + len(_BETWEEN) for column in zip(*names))
    for name in _SPARED:
        if wanted + _width(columns) > width:
            columns.pop(name, None)
    room = width - _width(columns) - len(_BETWEEN) * len(by)
    widths = _shares([max(map(cell_len, column)) for column in zip(*names)], room)
    numbers = list(zip(*columns.values()))
    ends = [max(map(cell_len, column)) for column in columns.values()]
    return [
        _BETWEEN.join(
            [_fitted(name, size) for name, size in zip(left, widths)]
            + [cell.rjust(size) for cell, size in zip(right, ends)]
        ).rstrip()
        for left, right in zip(names, numbers)
    ]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """How wide each name's column may be: short ones as they are, the rest share what is left."""
    shares = list(wanted)
    shortest_first = sorted(range(len(wanted)), key=lambda place: wanted[place])
    for waiting, place in zip(range(len(wanted), 0, -1), shortest_first):
        shares[place] = max(_LEAST_NAME, min(wanted[place], room // waiting))
        room -= shares[place]
    return shares


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(cell_len, column)) + len(_BETWEEN) for column in columns.values())


def _fitted(name: str, width: int) -> str:
    while cell_len(name) > width:
        name = name.rstrip("…")[:-1] + "…"
    return name + " " * (width - cell_len(name))


def _cells(row: RateRow) -> dict[str, str]:
    counts = row.counts
    rate = counts.pass_rate
    return {
        "judged": str(counts.judged),
        "passed": str(counts.passed),
        "rate": "–" if rate is None else f"{rate:.0%}",
        "not measurable": str(counts.not_measurable or ""),
        "no verdict": str(counts.errors or ""),
        "no score": str(counts.unscored or ""),
        "cost": "" if row.cost_usd is None else money(row.cost_usd),
    }


def plot(rows: Sequence[RateRow], by: Sequence[str], path: Path) -> None:
    """Draw pass rates: over days a line for each of the rest, else bars.

    Raises TracerError where the picture cannot be written. Needs matplotlib (extra `plot`).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if "day" in by:
        _lines(axes, rows, by.index("day"))
    else:
        _bars(axes, rows)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("part that passed")
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise TracerError(f"the chart cannot be written to {path}: {error}") from error


def _lines(axes: Any, rows: Sequence[RateRow], day: int) -> None:
    days = sorted({row.names[day] for row in rows})
    of: dict[str, dict[str, Optional[float]]] = {}
    for row in rows:
        name = _name([*row.names[:day], *row.names[day + 1 :]]) or "all"
        of.setdefault(name, {})[row.names[day]] = row.counts.pass_rate
    for name, rates in sorted(of.items()):
        points = [(days.index(at), rate) for at, rate in rates.items() if rate is not None]
        axes.plot(*zip(*points), marker="o", label=name) if points else None
    axes.set_xticks(range(len(days)), days, rotation=45, ha="right")
    if axes.lines:
        axes.legend(loc="lower left", fontsize="small")


def _bars(axes: Any, rows: Sequence[RateRow]) -> None:
    shown = rows[:_MOST_BARS]
    axes.bar(range(len(shown)), [row.counts.pass_rate or 0.0 for row in shown], color="#4c78a8")
    names = [f"{_name(row.names)} ({row.counts.judged})" for row in shown]
    axes.set_xticks(range(len(shown)), names, rotation=45, ha="right")


def _name(names: Sequence[str]) -> str:
    """A name short enough for a chart, its dollar signs no formulas."""
    name = " · ".join(first_line(each) for each in names)
    return (name if len(name) <= 40 else name[:39] + "…").replace("$", r"\$")
