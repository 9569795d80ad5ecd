"""A session in facts: what was done in which order, what changed, what was checked, what it cost.

Pure: turns in, values out. Tool calls are numbered through the session, and everything refers to
them by these numbers.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Optional

from harness_tracing import activity
from harness_tracing.activity import Command, Edit, Gate, TurnActivity, Verification
from harness_tracing.model import ModelCall, Subagent, ToolCall, Turn
from harness_tracing.observe.labels import telling_argument
from harness_tracing.observe.summary import spending
from harness_tracing.observe.summary.spending import ContextPoint, Spent, Times, ToolSpent
from harness_tracing.prices import PriceTable

_LONGEST_WAITS = 5


@dataclass(frozen=True)
class ToolLine:
    """A tool call: its number in the session, what it was about, and whose it is."""

    number: int
    turn: int
    tool: ToolCall
    what: str
    agent: Optional[str] = None

    @property
    def background(self) -> bool:
        """Whether it was asked to go on in the background."""
        asked = self.tool.input
        return isinstance(asked, Mapping) and asked.get("run_in_background") is True


@dataclass(frozen=True)
class Changed:
    """An edit with the checks that passed after it, by number, and whether it is code."""

    number: int
    turn: int
    edit: Edit
    path: Optional[str]
    is_code: bool
    verified_by: tuple[tuple[int, str], ...] = ()
    """Number and command of the first checks that passed after it, and of the first gate."""


@dataclass(frozen=True)
class Checked:
    """A check that was run; `is_gate`: it is the project's gate, the whole of it."""

    number: int
    turn: int
    command: Command
    is_gate: bool


@dataclass(frozen=True)
class FileFacts:
    """A file that was read or edited, with the numbers of the calls that did."""

    path: str
    read: tuple[int, ...] = ()
    edited: tuple[int, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Something that took long: a model call, a tool, or a person."""

    kind: Literal["model", "tool", "person"]
    what: str
    turn: int
    duration_ns: int
    number: Optional[int] = None


@dataclass(frozen=True)
class TurnFacts:
    """A turn with what its own commands verify; None: it edited no code and ran no check."""

    number: int
    turn: Turn
    verification: Optional[Verification]


@dataclass(frozen=True)
class Summary:
    """All facts of a session (see the classes of its parts)."""

    turns: tuple[TurnFacts, ...]
    tools: tuple[ToolLine, ...]
    changes: tuple[Changed, ...]
    checks: tuple[Checked, ...]
    files: tuple[FileFacts, ...]
    gate: Optional[Gate]
    verification: Verification
    numbers: Mapping[int, int]
    """The number of each tool call, by its `id()`."""
    models: tuple[Spent, ...]
    agents: tuple[Spent, ...]
    turns_spent: tuple[Spent, ...]
    tools_spent: tuple[ToolSpent, ...]
    times: Times
    context: tuple[ContextPoint, ...]
    waits: tuple[Wait, ...]

    def number_of(self, tool: ToolCall) -> int:
        """The number of a tool call of the session."""
        return self.numbers[id(tool)]


def summary_of(
    turns: Sequence[Turn],
    table: PriceTable,
    *,
    given_gate: Optional[str] = None,
    configured_gate: Optional[str] = None,
    on_disk: Optional[Mapping[str, str]] = None,
) -> Summary:
    """The facts of a session's turns.

    `given_gate` is the project's gate where somebody says so, `configured_gate` the one that
    config.yaml names, `on_disk` the text of the files in its folder that may declare it (see
    activity.GATE_FILES).
    """
    read = activity.activities_of(turns)
    calls = [call for each in read for call in each.calls]
    numbers = {id(call): place for place, call in enumerate(calls, start=1)}
    gate = activity.gate_of(read, given=given_gate, configured=configured_gate, on_disk=on_disk)
    root = next((turn.cwd for turn in turns if turn.cwd), None)
    context = spending.context(turns)
    return Summary(
        turns=tuple(_turn(each, gate, root) for each in read),
        tools=tuple(line for turn in turns for line in _tools(turn, numbers)),
        changes=tuple(_changes(read, gate, numbers)),
        checks=tuple(_checks(read, gate, root, numbers)),
        files=_files(read, numbers),
        gate=gate,
        verification=activity.verification_of(read, gate),
        numbers=numbers,
        models=tuple(spending.by_model(turns, table)),
        agents=tuple(spending.by_agent(turns, table)),
        turns_spent=tuple(spending.by_turn(turns, table)),
        tools_spent=tuple(spending.by_tool(turns, context)),
        times=spending.times(turns),
        context=tuple(context),
        waits=_waits(turns, numbers),
    )


def _turn(read: TurnActivity, gate: Optional[Gate], root: Optional[str]) -> TurnFacts:
    found = activity.verification_of([read], gate, root)
    told = found.verdict != "nothing_edited"
    return TurnFacts(read.turn.number, read.turn, found if told else None)


def _tools(turn: Turn, numbers: Mapping[int, int]) -> Iterable[ToolLine]:
    agents = {step.agent_id: step.type for step in turn.steps if isinstance(step, Subagent)}
    for call in activity.tool_calls(turn):
        agent = None if call.agent_id is None else agents.get(call.agent_id) or call.agent_id[:8]
        what = seen_from(telling_argument(call.input), turn.cwd)
        yield ToolLine(numbers[id(call)], turn.number, call, what, agent)


def seen_from(path: str, folder: Optional[str]) -> str:
    """A path as seen from a folder, when it lies in there."""
    root = folder.rstrip("/") + "/" if folder else None
    return path[len(root) :] if root and path.startswith(root) else path


def _changes(
    turns: Sequence[TurnActivity], gate: Optional[Gate], numbers: Mapping[int, int]
) -> Iterable[Changed]:
    passed = {id(edit): checks for edit, checks in activity.verified_by(turns, gate)}
    for each in turns:
        folder = each.turn.cwd
        for edit in each.edits:
            named = [(numbers[id(check.tool)], check.text) for check in passed.get(id(edit), [])]
            path = None if edit.path is None else seen_from(edit.path, folder)
            number, code = numbers[id(edit.tool)], id(edit) in passed
            yield Changed(number, each.turn.number, edit, path, code, tuple(named))


def _checks(
    turns: Sequence[TurnActivity],
    gate: Optional[Gate],
    root: Optional[str],
    numbers: Mapping[int, int],
) -> Iterable[Checked]:
    for each in turns:
        for command in each.commands:
            runs = activity.runs_gate(command, gate, root) if gate else None
            if command.check is not None or runs is not None:
                number = numbers[id(command.tool)]
                yield Checked(number, each.turn.number, command, runs == "whole")


def _files(turns: Sequence[TurnActivity], numbers: Mapping[int, int]) -> tuple[FileFacts, ...]:
    read: dict[str, list[int]] = {}
    edited: dict[str, list[int]] = {}
    for each in turns:
        folder = each.turn.cwd
        for path, call in each.reads:
            read.setdefault(_shown(path, folder), []).append(numbers[id(call)])
        for edit in each.edits:
            if edit.path is not None:
                edited.setdefault(_shown(edit.path, folder), []).append(numbers[id(edit.tool)])
    return tuple(
        FileFacts(path, _unique(read.get(path, ())), _unique(edited.get(path, ())))
        for path in dict.fromkeys([*read, *edited])
    )


def _shown(path: str, folder: Optional[str]) -> str:
    return posixpath.normpath(seen_from(path, folder))


def _unique(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(numbers))


def _waits(turns: Sequence[Turn], numbers: Mapping[int, int]) -> tuple[Wait, ...]:
    found: list[Wait] = []
    for turn in turns:
        starters = {step.tool_use_id for step in turn.steps if isinstance(step, Subagent)}
        for step in turn.steps:
            if isinstance(step, ModelCall):
                name = step.model or "model not known"
                found += _wait("model", name, turn, step.started_at_ns, step.ended_at_ns, None)
            elif isinstance(step, ToolCall):
                number, waited = numbers[id(step)], step.waited_ns or 0
                if waited:
                    why = step.wait_kind or "a person"
                    found.append(Wait("person", why, turn.number, waited, number))
                if step.tool_use_id not in starters and not step.name.endswith("wait_agent"):
                    start, end = step.started_at_ns, step.ended_at_ns
                    end = None if end is None else end - waited
                    found += _wait("tool", step.name, turn, start, end, number)
    return tuple(sorted(found, key=lambda wait: -wait.duration_ns)[:_LONGEST_WAITS])


def _wait(
    kind: Literal["model", "tool"],
    what: str,
    turn: Turn,
    start: Optional[int],
    end: Optional[int],
    number: Optional[int],
) -> list[Wait]:
    if start is None or end is None or end <= start:
        return []
    return [Wait(kind, what, turn.number, end - start, number)]
