"""The commands an agent ran: each simple command of each command line, and how it ended."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Optional

from harness_tracing.activity import runners, shell, tools
from harness_tracing.activity.outcomes import Ended, Options, Outcome, ended, options_in
from harness_tracing.activity.runners import Check
from harness_tracing.model import ToolCall, Turn

_DEEPEST = 4
_NO_OPTIONS = Options()


@dataclass(frozen=True)
class Command:
    """One simple command as an agent ran it.

    `words` are without wrappers (``env``, ``uv run``, ``bash -c``) and quotes, `text` is as
    written. `outcome` is concluded from the status of the whole command line or, where that hides
    it, from what the command is known to print (`shown`: the latter); `why` says why it is not
    known. `folder` is where it ran as far as its command line tells. `place` orders commands
    within their tool call. `check` says what it checks.
    """

    words: tuple[str, ...]
    text: str
    outcome: Outcome
    tool: ToolCall
    place: int = 0
    why: Optional[str] = None
    shown: bool = False
    folder: Optional[str] = None
    check: Optional[Check] = None
    writes: tuple[str, ...] = ()
    heredoc: Optional[str] = None

    @cached_property
    def name(self) -> str:
        """The program it runs, without its folder."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    @classmethod
    def of(cls, end: Ended, tool: ToolCall, place: int, folder: Optional[str]) -> Command:
        """A command of a script with how it ended."""
        simple, known = end.command, end.command.known
        words, check, writes = known.bare, known.check, simple.writes
        how = (end.outcome, tool, place, end.why, False, folder)
        return cls(words, known.line, *how, check, writes, simple.heredoc)


def tool_calls(turn: Turn) -> list[ToolCall]:
    """The tool calls of a turn in order of start."""
    return [step for step in turn.steps if isinstance(step, ToolCall)]


def is_unseen(call: ToolCall) -> bool:
    """Whether a shell call ran commands that are not known: hidden, not recorded, too long."""
    if tools.kind_of(call) != "shell" or call.status in ("denied", "error"):
        return False
    text = tools.shell_text(call)
    if text is None:
        return True
    script = shell.parsed(text)
    return not script.whole and not script.statements


def of_tool(call: ToolCall, folder: Optional[str] = None) -> list[Command]:
    """The commands of one shell call, which begins in `folder` unless it says otherwise."""
    text = tools.shell_text(call)
    if text is None:
        return []
    output = tools.output_of(call)
    ends = ended(shell.parsed(text), tools.succeeded(call), output)
    found = _Found(call, output)
    found.take(ends, _NO_OPTIONS, tools.folder_of(call) or folder)
    if call.status in ("denied", "interrupted"):
        return [_unfinished(command, call) for command in found.commands]
    return _read_from_output(found.commands, output)


def folder_after(call: ToolCall, folder: Optional[str]) -> Optional[str]:
    """Where a shell stands after a call, for agents whose shell lives on (Claude Code's)."""
    text = tools.shell_text(call)
    if text is None or call.status == "denied":
        return folder
    if "Shell cwd was reset to" in (call.output or ""):
        return folder
    for _, where in _followed(ended(shell.parsed(text), None), folder, outermost=True):
        folder = where
    return folder


def of_cell(call: ToolCall, folder: Optional[str] = None) -> list[Command]:
    """Commands named in a cell whose own tool calls were not recorded."""
    found = _Found(call, "")
    for text in tools.cell_commands(call) if call.status != "denied" else ():
        found.take(ended(shell.parsed(text), None), _NO_OPTIONS, folder)
    return found.commands


class _Found:
    """The commands of a tool call, numbered as they are found."""

    def __init__(self, call: ToolCall, output: str) -> None:
        self.call, self.output = call, output
        self.commands: list[Command] = []

    def take(
        self, ends: Sequence[Ended], options: Options, folder: Optional[str], depth: int = 0
    ) -> None:
        """Add what ended, and what shells among it were told to run."""
        for end, where in _followed(ends, folder):
            known = end.command.known
            if known.script and depth < _DEEPEST:
                told = {"passed": True, "failed": False}.get(end.outcome)
                options_there = options_in(known.options, options)
                inner = ended(shell.parsed(known.script), told, self.output, options_there)
                if end.why is not None:
                    inner = [Ended(each.command, each.outcome, end.why) for each in inner]
                self.take(inner, options, where, depth + 1)
            elif known.bare or end.command.writes:
                place = len(self.commands)
                self.commands.append(Command.of(end, self.call, place, where))


def _followed(
    ends: Sequence[Ended], folder: Optional[str], *, outermost: bool = False
) -> Iterator[tuple[Ended, Optional[str]]]:
    """Each command with the folder it runs in: `cd` counts until its subshell ends."""
    folders: dict[tuple[int, ...], Optional[str]] = {(): folder}
    for end in ends:
        if end.within:
            depths = range(len(end.within), -1, -1)
            where = next(folders[end.within[:n]] for n in depths if end.within[:n] in folders)
        else:
            where = folders[()]
        words = end.command.known.bare
        if words[:1] == ("cd",) and len(words) > 1:
            where = folders[end.within] = _joined(where, words[1])
        if not outermost or not end.within:
            yield end, where


def _joined(folder: Optional[str], to: str) -> Optional[str]:
    if to.startswith("/"):
        return posixpath.normpath(to)
    if to.startswith(("~", "$", "-")):
        return to
    return posixpath.normpath(posixpath.join(folder or ".", to))


def _unfinished(command: Command, call: ToolCall) -> Command:
    if call.status == "denied":
        return replace(command, outcome="not run", why="it was not allowed")
    return replace(command, outcome="unknown", why="it was interrupted")


def _read_from_output(commands: list[Command], output: str) -> list[Command]:
    """Where a status is out of sight, what a runner printed tells; two of a kind tell nothing."""
    unknown = [each for each in commands if each.check is not None and each.outcome == "unknown"]
    if not unknown:
        return commands
    runs = [command.check.runner for command in commands if command.check is not None]
    read = []
    for command in commands:
        if command.outcome == "unknown" and command.check and runs.count(command.check.runner) == 1:
            passed = runners.said(command.check, output)
            if passed is not None:
                outcome: Outcome = "passed" if passed else "failed"
                command = replace(command, outcome=outcome, why=None, shown=True)
        read.append(command)
    return read
