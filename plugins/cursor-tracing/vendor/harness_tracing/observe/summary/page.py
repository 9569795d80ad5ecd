"""The facts of a session for the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness_tracing.activity.verification import Verification
from harness_tracing.observe.rows import Listed, Row, column, sentence, words
from harness_tracing.observe.styles import CAREFUL, FAILED, QUIET, STATUS_STYLES
from harness_tracing.observe.summary.facts import Changed, Checked, Summary, ToolLine
from harness_tracing.observe.summary.spending import ContextPoint, Spent
from harness_tracing.observe.text import clock, duration, money, plural, tokens

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

VERDICTS = {
    "verified": ("verified", "green"),
    "partial": ("partly verified", CAREFUL),
    "not_verified": ("not verified", FAILED),
    "nothing_edited": ("nothing to verify", QUIET),
    "no_gate": ("no gate known", CAREFUL),
    "cannot_tell": ("cannot tell", CAREFUL),
}
_OUTCOMES = {"passed": "green", "failed": FAILED, "not passed": FAILED}
_MOST_CALLS = 16
_MOST_FILES = 40

Zone = Optional[datetime.tzinfo]


def summary_page(
    summary: Summary, zone: Zone = None, findings: Iterable[RenderableType] = ()
) -> Iterator[RenderableType]:
    """Everything of a summary below the session's header, part by part; times in `zone`.

    `findings` are what evaluators say of the session, as it is to be printed.
    """
    yield from _part("Turns that did not complete", _cut_off(summary))
    yield from _verdict(summary)
    yield from findings
    yield from _part("Tool calls", _tools(summary, zone))
    yield from _part("Changes", [_change(each) for each in summary.changes])
    yield from _part("Checks", [_check(each) for each in summary.checks])
    yield from _part("Files", _files(summary))
    yield from _part("Where the tokens and the money went", _spent(summary))
    yield from _part("Where the time went", _times(summary))
    yield from _part("Context, call by call", _context(summary.context))
    yield from _part("Longest", _waits(summary))


def _part(title: str, lines: Sequence[RenderableType]) -> Iterator[RenderableType]:
    if lines:
        yield Text()
        yield Text(title, "bold")
        yield from lines


def _cut_off(summary: Summary) -> list[RenderableType]:
    return [
        sentence(
            Text(f"  turn {each.number}"),
            Text(each.turn.status, STATUS_STYLES[each.turn.status]),
            words(": ".join(filter(None, (error.type, error.message))) if error else "", QUIET),
        )
        for each in summary.turns
        if each.turn.status in ("failed", "interrupted")
        for error in [each.turn.error]
    ]


def _verdict(summary: Summary) -> Iterator[RenderableType]:
    yield Text()
    yield from _told(summary.verification, summary, Text("Verification", "bold"))
    gate = summary.gate
    if gate is not None:
        yield sentence(Text("  gate", QUIET), words(f"{gate.text} ({gate.source})", QUIET))
    own = [turn for turn in summary.turns if turn.verification is not None]
    if len(summary.turns) > 1 and own:
        for turn in own:
            assert turn.verification is not None
            yield from _told(turn.verification, summary, Text(f"  turn {turn.number}"))


def _told(found: Verification, summary: Summary, head: Text) -> Iterator[RenderableType]:
    name, style = VERDICTS[found.verdict]
    evidence = []
    if found.last_edit is not None:
        evidence.append(f"last code edit #{summary.number_of(found.last_edit.tool)}")
    if found.run is not None:
        evidence.append(f"gate #{summary.number_of(found.run.tool)}")
    yield sentence(head, Text(name, style), words(", ".join(evidence), QUIET))
    yield Text("  " + words(found.reason).plain)


def _tools(summary: Summary, zone: Zone) -> list[RenderableType]:
    lines: list[RenderableType] = []
    width = len(str(len(summary.tools))) + 1
    for turn in summary.turns:
        own = [line for line in summary.tools if line.turn == turn.number]
        asked = words(turn.turn.prompt or turn.turn.cause or "", QUIET)
        lines.append(Row(sentence(Text(f"  turn {turn.number}"), asked), []))
        lines += [_tool(line, width, zone) for line in own]
    return lines if summary.tools else []


def _tool(line: ToolLine, width: int, zone: Zone) -> Row:
    tool = line.tool
    at = "" if tool.started_at_ns is None else clock(tool.started_at_ns, zone)
    style = STATUS_STYLES[tool.status]
    number = Text(f"  #{line.number}".rjust(width + 3), "bold")
    name = words(tool.name, "" if style == QUIET else style)
    agent = words(f"({line.agent})" if line.agent else "", QUIET)
    known = tool.started_at_ns is not None and tool.ended_at_ns is not None
    took = duration(tool.ended_at_ns - tool.started_at_ns) if known else "–"  # type: ignore[operator]
    facts = [Text("in the background", QUIET)] if line.background else []
    facts += [Text(f"waited {duration(tool.waited_ns)}", CAREFUL)] if tool.waited_ns else []
    facts += [Text(tool.status, style), column(took, 8)]
    return Row(
        sentence(number, Text(at or "        ", QUIET), agent, name, words(line.what)), facts
    )


def _change(change: Changed) -> Row:
    edit = change.edit
    kind = {"update": "", "unknown": ""}.get(edit.kind, edit.kind)
    path = change.path if change.path is not None else "files it does not name"
    lines = f"+{edit.added} −{edit.removed}" if edit.diff is not None else ""
    by = words(f"by `{edit.by.text}`" if edit.by else "", QUIET)
    checks = [f"#{number} `{command}`" for number, command in change.verified_by]
    if checks:
        after = words(f"then passed: {', '.join(checks)}", "green")
    else:
        after = Text("no check passed after it" if change.is_code else "no code", QUIET)
    left = sentence(Text(f"  #{change.number}", "bold"), words(path), words(kind), Text(lines), by)
    return Row(sentence(left, after), [])


def _check(check: Checked) -> Row:
    command = check.command
    kind = "the gate" if check.is_gate else command.check.kind if command.check else "of the gate"
    shown = " by its output" if command.shown else ""
    outcome = Text(command.outcome + shown, _OUTCOMES.get(command.outcome, CAREFUL))
    why = words(f"({command.why})" if command.why else "", QUIET)
    left = sentence(Text(f"  #{check.number}", "bold"), words(command.text), Text(kind, QUIET))
    return Row(sentence(left, outcome, why), [])


def _files(summary: Summary) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for file in summary.files[:_MOST_FILES]:
        told = [("read", file.read), ("edited", file.edited)]
        said = [f"{what} {_listed(numbers)}" for what, numbers in told if numbers]
        lines.append(Row(Text("  ") + words(file.path), [words(", ".join(said), QUIET)]))
    more = len(summary.files) - _MOST_FILES
    return [*lines, Text(f"  … {plural(more, 'more file')}", QUIET)] if more > 0 else lines


def _listed(numbers: Sequence[int]) -> str:
    shown = " ".join(f"#{number}" for number in numbers[:6])
    return f"{shown} …" if len(numbers) > 6 else shown


def _spent(summary: Summary) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for title, rows, least in (
        ("model", summary.models, 1),
        ("agent", summary.agents, 2),
        # The only one where an agent tells the tokens of whole turns, not of calls.
        ("turn", summary.turns_spent, 2 if summary.models else 1),
    ):
        if len(rows) >= least:
            lines.append(_spent_table(title, rows))
    return lines or [Text("  not known: the agent did not tell", QUIET)]


class _Fitting:
    """A table of rows of texts without empty columns; a narrow output gets fewer columns.

    `dispensable` columns go in that order until the rest fits.
    """

    def __init__(self, columns: Sequence[str], dispensable: Sequence[str]) -> None:
        self.columns, self.dispensable = tuple(columns), tuple(dispensable)
        self.rows: list[tuple[str, ...]] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        cells = {name: [row[place] for row in self.rows] for place, name in enumerate(self.columns)}
        kept = {name: column for name, column in cells.items() if any(column)}
        for name in self.dispensable:
            if self._width(kept) > options.max_width:
                kept.pop(name, None)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for place, name in enumerate(kept):
            shown = name if place else "  " + name
            table.add_column(
                shown, justify="right" if place else "left", no_wrap=True, overflow="ellipsis"
            )
        first = self.columns[0]
        for row in zip(*kept.values()):
            texts = [words(cell) for cell in row]
            table.add_row(Text("  ") + texts[0] if first in kept else texts[0], *texts[1:])
        yield table

    @staticmethod
    def _width(columns: Mapping[str, Sequence[str]]) -> int:
        widths = (max(map(len, (name, *column))) for name, column in columns.items())
        return sum(width + 2 for width in widths) + 2


def _spent_table(title: str, rows: Sequence[Spent]) -> RenderableType:
    columns = (title, "calls", "tokens in", "cached", "out", "cost", "time")
    table = _Fitting(columns, dispensable=("time", "cached", "calls", "out"))
    for row in rows:
        cost = "no price" if row.cost_usd is None else money(row.cost_usd)
        known = row.usage.total_tokens is not None
        cost += "+" if row.unpriced and row.cost_usd is not None else ""
        table.rows.append(
            (
                row.name,
                str(row.calls) if row.calls else "",
                tokens(row.usage.input_tokens),
                tokens(row.usage.cache_read_tokens),
                tokens(row.usage.output_tokens),
                cost if known and row.calls else "",
                duration(row.time_ns),
            )
        )
    return table


def _times(summary: Summary) -> list[RenderableType]:
    times = summary.times
    if not times.turns_ns:
        return []
    parts = (
        ("models", times.models_ns),
        ("tools", times.tools_ns),
        ("waiting for a person", times.person_ns),
        ("the rest", times.other_ns),
    )
    shares = [f"{name} {duration(ns)} ({_percent(ns, times.turns_ns)})" for name, ns in parts if ns]
    lines: list[RenderableType] = [Listed(f"  {duration(times.turns_ns)} in turns:", shares)]
    if times.between_ns:
        lines.append(Text(f"  {duration(times.between_ns)} between turns", QUIET))
    if summary.tools_spent:
        columns = ("tool", "calls", "failed", "time", "waited", "context grew")
        table = _Fitting(columns, dispensable=("waited", "failed", "calls"))
        for row in summary.tools_spent:
            grew = "" if row.grew_tokens is None else f"{row.grew_tokens:+d}"
            waited = duration(row.waited_ns) if row.waited_ns else ""
            failed = str(row.failed) if row.failed else ""
            took = duration(row.time_ns)
            table.rows.append((row.name, str(row.calls), failed, took, waited, grew))
        lines.append(table)
    return lines


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 1 else "< 1 %"


def _context(points: Sequence[ContextPoint]) -> list[RenderableType]:
    shown = list(points)
    if len(points) > _MOST_CALLS:
        growing = sorted(points[1:], key=lambda point: -(point.grew or 0))[: _MOST_CALLS - 2]
        kept = {id(each) for each in (points[0], points[-1], *growing)}
        shown = [point for point in points if id(point) in kept]
    lines: list[RenderableType] = []
    for point in shown:
        grew = "" if point.grew is None else f"{point.grew:+d}"
        after = "after a compaction" if point.compacted else _after(point.after)
        where = f"  turn {point.turn} call {point.call}".ljust(18)
        size, growth = Text(tokens(point.input_tokens).rjust(7)), Text(grew.rjust(8))
        lines.append(Row(sentence(Text(where, QUIET), size, growth, words(after, QUIET))))
    left_out = len(points) - len(shown)
    if left_out:
        lines.append(Text(f"  {plural(left_out, 'call')} that grew less not shown", QUIET))
    return lines


def _after(names: Sequence[str]) -> str:
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    told = [name if count == 1 else f"{count} × {name}" for name, count in counts.items()]
    return f"after {', '.join(told)}" if told else ""


def _waits(summary: Summary) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for wait in summary.waits:
        number = f"#{wait.number}" if wait.number is not None else ""
        what = {"model": "model", "tool": "tool", "person": "waiting for"}[wait.kind]
        said = sentence(Text(f"  {what}"), words(wait.what), Text(number, "bold"))
        lines.append(
            Row(said, [Text(f"turn {wait.turn}", QUIET), column(duration(wait.duration_ns), 10)])
        )
    return lines
