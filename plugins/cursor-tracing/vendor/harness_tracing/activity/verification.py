"""Whether the project's gate passed after the last change to its code."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Optional

from harness_tracing.activity.commands import Command
from harness_tracing.activity.edits import Edit
from harness_tracing.activity.gate import Gate, runs_gate
from harness_tracing.activity.reading import Readable, activities_of
from harness_tracing.model import ToolCall

Verdict = Literal["verified", "partial", "not_verified", "nothing_edited", "no_gate", "cannot_tell"]
"""``partial``: narrower checks passed, the gate did not run. ``no_gate``: none is known."""

_NAMED_CHECKS = 3
_DID_NOT_PASS = ("failed", "not passed")


@dataclass(frozen=True)
class Verification:
    """A verdict with its reason in words and the evidence.

    `run` is the run of the gate that decided, `checks` are the other checks after the last edit.
    """

    verdict: Verdict
    reason: str
    gate: Optional[Gate] = None
    last_edit: Optional[Edit] = None
    run: Optional[Command] = None
    checks: tuple[Command, ...] = ()


def verification_of(
    turns: Sequence[Readable], gate: Optional[Gate], folder: Optional[str] = None
) -> Verification:
    """Whether `gate` passed after the last code edit of the turns (one turn, or a whole session).

    `folder` is the project's, by default where the first turn began. Edits of prose and outside of
    it do not count. Sub-agents' edits and checks do.
    """
    return _Judge(turns, gate, folder).verdict()


class _Judge:
    def __init__(
        self, turns: Sequence[Readable], gate: Optional[Gate], folder: Optional[str] = None
    ) -> None:
        self.gate = gate
        read = activities_of(turns)
        self.folder = folder or next((each.turn.cwd for each in read if each.turn.cwd), None)
        calls = [call for each in read for call in each.calls]
        self.order = {id(call): place for place, call in enumerate(calls)}
        self.commands = [command for each in read for command in each.commands]
        self.unseen = [call for each in read for call in each.unseen]
        everything = [edit for each in read for edit in each.edits]
        self.edits = [edit for edit in everything if edit.is_code(self.folder)]
        self.only_prose = bool(everything) and not self.edits

    def verdict(self) -> Verification:
        if not self.edits:
            return self._without_edits()
        last = max(self.edits, key=lambda edit: (self.order[id(edit.tool)], edit.place))
        after = [each for each in self.commands if self.is_after(each, last)]
        checks = tuple(each for each in after if each.check and each.outcome != "not run")
        hidden = any(self._call_is_after(call, last) for call in self.unseen)
        if self.gate is None and hidden:
            reason = "commands that ran after the last code edit are hidden"
            return Verification("cannot_tell", reason, None, last, checks=checks)
        if self.gate is None:
            reason = "no gate of the project is known" + _passed(
                checks, "; what passed after the edit"
            )
            return Verification("no_gate", reason, None, last, checks=checks)
        runs = [each for each in after if runs_gate(each, self.gate, self.folder) == "whole"]
        others = tuple(each for each in checks if each not in runs)
        if runs:
            return self._by_run(self.gate, last, runs, others)
        return self._without_run(self.gate, last, others)

    def _without_edits(self) -> Verification:
        if self.unseen:
            return Verification("cannot_tell", "the commands it ran are hidden", self.gate)
        prose = "only prose or files outside of the project were edited"
        reason = prose if self.only_prose else "no code was edited"
        return Verification("nothing_edited", reason, self.gate)

    def _by_run(
        self, gate: Gate, last: Edit, runs: list[Command], others: tuple[Command, ...]
    ) -> Verification:
        known = [run for run in runs if run.outcome != "unknown"]
        run = known[-1] if known else runs[-1]
        verdict: Verdict = "verified"
        reason = f"`{gate.text}` passed after the last code edit"
        if run.outcome in _DID_NOT_PASS:
            verdict, reason = "not_verified", f"`{gate.text}` failed after the last code edit"
        elif run.outcome == "unknown":
            verdict, reason = "cannot_tell", f"how `{gate.text}` ended is not known: {run.why}"
        return Verification(verdict, reason, gate, last, run, others)

    def _without_run(self, gate: Gate, last: Edit, others: tuple[Command, ...]) -> Verification:
        if any(self._call_is_after(call, last) for call in self.unseen):
            reason = "commands that ran after the last code edit are hidden"
            return Verification("cannot_tell", reason, gate, last, checks=others)
        if not last.certain:
            reason = f"`{last.by.text if last.by else last.tool.name}` may have changed code"
            return Verification("cannot_tell", reason, gate, last, checks=others)
        before = [each for each in self.commands if runs_gate(each, gate, self.folder) == "whole"]
        missing = "ran only before the last code edit" if before else "did not run"
        if any(each.outcome == "passed" for each in others):
            narrower = _passed(others, "; narrower checks that passed after it")
            reason = f"`{gate.text}` {missing}{narrower}"
            return Verification("partial", reason, gate, last, checks=others)
        run = before[-1] if before else None
        return Verification("not_verified", f"`{gate.text}` {missing}", gate, last, run, others)

    def is_after(self, command: Command, edit: Edit) -> bool:
        if command.tool is edit.tool:
            return command.place > edit.place
        return self._call_is_after(command.tool, edit)

    def _call_is_after(self, call: ToolCall, edit: Edit) -> bool:
        begun, ended = call.started_at_ns, edit.tool.ended_at_ns
        if begun is not None and ended is not None:
            return begun >= ended
        return self.order[id(call)] > self.order[id(edit.tool)]


def _passed(checks: Sequence[Command], what: str) -> str:
    names = dict.fromkeys(f"`{each.text}`" for each in checks if each.outcome == "passed")
    return f"{what}: {', '.join(names)}" if names else ""


def verified_by(
    turns: Sequence[Readable], gate: Optional[Gate]
) -> Iterator[tuple[Edit, list[Command]]]:
    """Each edit of code with checks that passed after it: the first few, and the first gate."""
    judge = _Judge(turns, gate)
    passed = [each for each in judge.commands if each.outcome == "passed"]
    gates = [each for each in passed if gate and runs_gate(each, gate, judge.folder) == "whole"]
    checks = [each for each in passed if each.check is not None]
    places = [judge.order[id(each.tool)] for each in checks]
    for edit in judge.edits:
        first = bisect_left(places, judge.order[id(edit.tool)])
        named: dict[str, Command] = {}
        for check in islice(checks, first, None):
            if judge.is_after(check, edit):
                named.setdefault(check.text, check)
            if len(named) == _NAMED_CHECKS:
                break
        whole = next((each for each in gates if judge.is_after(each, edit)), None)
        found = [*named.values()]
        if whole is not None and whole.text not in named:
            found.append(whole)
        yield edit, found
