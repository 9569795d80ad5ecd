"""Sums over turns, as a table, as JSON and as a chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from harness_tracing.errors import TracerError
from harness_tracing.observe.columns import BETWEEN, text_width
from harness_tracing.observe.text import duration, first_line, money, plural, tokens

if TYPE_CHECKING:
    from harness_tracing.store import UsageRow

_NOT_KNOWN = "(not known)"
_MOST_BARS = 30
_LEAST_NAME = 8
_TELLING_NAME = 24  # so much of a name tells models and days apart
_SPARED = (
    "time",
    "tools",
    "turns",
    "failed",
    "out",
    "in",
)  # what goes first, so that names are told apart
_ROOM_FOR_ALL_COLUMNS = 120


def cache_hit_rate(row: UsageRow) -> Optional[float]:
    """The part of the input that was read from a cache; None when that is not known."""
    read, whole = row.usage.cache_read_tokens, row.usage.input_tokens
    return None if read is None or not whole else read / whole


def report(row: UsageRow, by: Sequence[str]) -> dict[str, Any]:
    """One group as plain JSON, under the names it was asked by."""
    import msgspec

    per_tool = "tool" in by
    took = None if row.duration_ns is None else row.duration_ns / 1e6
    numbers = {
        "sessions": row.sessions,
        "turns": row.turns,
        "failed_turns": row.failed_turns,
        "model_calls": None if per_tool else row.model_calls,
        "tool_calls": None if "model" in by else row.tools,
        "denied": row.denied if per_tool else None,
        "failures": row.failures,
        **msgspec.to_builtins(row.usage),
        "total_tokens": row.usage.total_tokens,
        "cache_hit_rate": cache_hit_rate(row),
        "cost_usd": row.cost_usd,
        "unpriced": row.unpriced,
        "duration_ms": took,
        "waited_ms": None if row.waited_ns is None else row.waited_ns / 1e6,
    }
    return {**{name: value or None for name, value in zip(by, row.names)}, **numbers}


def table(rows: Sequence[UsageRow], by: Sequence[str], width: int) -> list[str]:
    """Lines of a table: its header, then one per group; narrow outputs get fewer columns.

    Made by hand, as there may be hundreds of lines, which take rich longer than adding up does.
    """
    names = [[*by], *([_named(name) for name in row.names] for row in rows)]
    named = [max(map(text_width, column)) for column in zip(*names)]
    wanted = sum(min(each, _TELLING_NAME) + len(BETWEEN) for each in named)
    cells = [_cells(row) for row in rows]
    columns = {name: [name, *(each[name] for each in cells)] for name in _columns(by, width)}
    for name in _SPARED:
        if wanted + _width(columns) > width:
            columns.pop(name, None)
    room = max(_LEAST_NAME, (width - _width(columns) + len(BETWEEN)) // len(by) - len(BETWEEN))
    widths = [min(each, room) for each in named] + [*map(_widest, columns.values())]
    lines = [[*left, *right] for left, right in zip(names, zip(*columns.values()))]
    return [_aligned(line, widths, len(by)) for line in lines]


def _widest(column: Sequence[str]) -> int:
    return max(map(text_width, column))


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(map(_widest, columns.values())) + len(BETWEEN) * max(0, len(columns) - 1)


def _named(name: str) -> str:
    return first_line(name) or _NOT_KNOWN


def _aligned(line: Sequence[str], widths: Sequence[int], names: int) -> str:
    """Names at the left of their columns, cut where they are too long; numbers at the right."""
    cells = []
    for place, (cell, width) in enumerate(zip(line, widths)):
        while text_width(cell) > width:
            cell = cell.rstrip("…")[:-1] + "…"
        blanks = " " * (width - text_width(cell))
        cells.append(cell + blanks if place < names else blanks + cell)
    return BETWEEN.join(cells).rstrip()


def _columns(by: Sequence[str], width: int) -> tuple[str, ...]:
    if "tool" in by:
        return ("turns", "calls", "failed", "denied", "time", "waited")
    counts: tuple[str, ...] = ("turns", "calls") if "model" in by else ("turns", "calls", "tools")
    use: tuple[str, ...] = ("in", "cached", "written", "out", "reasoned", "at list prices")
    if width < _ROOM_FOR_ALL_COLUMNS:
        counts = ("turns", "calls") if "model" in by else ("turns", "tools")
        use = ("in", "out", "at list prices")
    if width < _ROOM_FOR_ALL_COLUMNS and len(by) > 1:
        return ("turns", *use)
    return (*counts, "failed", *use, "time")


def _cells(row: UsageRow) -> dict[str, str]:
    usage, rate = row.usage, cache_hit_rate(row)
    return {
        "turns": str(row.turns),
        "calls": str(row.model_calls or row.tools),
        "tools": str(row.tools),
        "failed": str(row.failures or "-"),
        "denied": str(row.denied or "-"),
        "in": _tokens(usage.input_tokens),
        "cached": "" if rate is None else f"{rate:.0%}",
        "written": _tokens(usage.cache_write_tokens),
        "out": _tokens(usage.output_tokens),
        "reasoned": _tokens(usage.reasoning_tokens),
        "at list prices": price(row),
        "time": duration(row.duration_ns),
        "waited": duration(row.waited_ns),
    }


def price(row: UsageRow) -> str:
    """The cost at list prices, and how much of it is not known."""
    unpriced = f"{row.unpriced} unpriced" if row.unpriced else ""
    if row.cost_usd is None:
        return unpriced
    return money(row.cost_usd) + (f" + {unpriced}" if unpriced else "")


def summary(row: UsageRow) -> Iterator[tuple[str, str]]:
    """The sums over everything, as name and value."""
    usage, rate = row.usage, cache_hit_rate(row)
    yield "sessions", f"{row.sessions:,}"
    yield "turns", f"{row.turns:,}" + (f", {row.failed_turns:,} failed" if row.failed_turns else "")
    yield "model calls", f"{row.model_calls:,}"
    yield "tool calls", f"{row.tools:,}"
    yield "failures", f"{row.failures:,} calls, tools and sub-agents"
    yield "input tokens", _exact(usage.input_tokens)
    yield "  from the cache", _exact(usage.cache_read_tokens) + (f", {rate:.1%}" if rate else "")
    yield "  into the cache", _exact(usage.cache_write_tokens)
    yield "output tokens", _exact(usage.output_tokens)
    yield "  reasoning", _exact(usage.reasoning_tokens)
    yield "at list prices", _price_in_words(row)
    yield "time of turns", duration(row.duration_ns) or "not known"


def _price_in_words(row: UsageRow) -> str:
    known = "not known" if row.cost_usd is None else money(row.cost_usd)
    if not row.unpriced:
        return known
    return f"{known}, without the unpriced models of {plural(row.unpriced, 'turn')}"


def _exact(count: Optional[int]) -> str:
    return "not known" if count is None else f"{count:,}"


def _tokens(count: Optional[int]) -> str:
    return "" if count is None else tokens(count)


def plot(rows: Sequence[UsageRow], by: Sequence[str], path: Path) -> None:
    """Draw the groups as bars: tokens and cost, of tools calls and failures.

    Raises TracerError where the picture cannot be written. Needs matplotlib (extra `plot`).
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TracerError(f"matplotlib is there and cannot be loaded: {error}") from error

    shown = list(rows[-_MOST_BARS:]) if "day" in by else _largest(rows, by)
    names = [" · ".join(map(_named, row.names)) for row in shown]
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    bars = range(len(shown))
    if "tool" in by:
        _bars(upper, "calls", [row.tools for row in shown])
        _bars(lower, "failures", [row.failures for row in shown])
    else:
        _bars(upper, "tokens", [row.usage.total_tokens or 0 for row in shown])
        _bars(lower, "USD at list prices", [row.cost_usd or 0.0 for row in shown])
    lower.set_xticks(list(bars), [_drawable(name) for name in names], rotation=45, ha="right")
    figure.suptitle(f"by {' and '.join(by)}")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise TracerError(f"the chart cannot be written to {path}: {error}") from error


def _bars(axes: Any, label: str, values: Sequence[float]) -> None:
    axes.bar(range(len(values)), values, color="#4c78a8")
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)


def _largest(rows: Sequence[UsageRow], by: Sequence[str]) -> list[UsageRow]:
    def size(row: UsageRow) -> float:
        return row.tools if "tool" in by else row.usage.total_tokens or 0

    return sorted(rows, key=size, reverse=True)[:_MOST_BARS]


def _drawable(name: str) -> str:
    """A name short enough for an axis, its dollar signs no formulas."""
    short = name if len(name) <= 40 else name[:39] + "…"
    return short.replace("$", r"\$")
