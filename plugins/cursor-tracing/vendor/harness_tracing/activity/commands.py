"""The commands an agent ran: each simple command of each command line, and how it ended."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from harness_tracing.activity import runners, shell, tools
from harness_tracing.activity.outcomes import Ended, Options, Outcome, ended, options_in
from harness_tracing.activity.runners import Check
from harness_tracing.activity.words import shell_script, unwrapped
from harness_tracing.model import ToolCall, Turn

_DEEPEST = 4


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

    @property
    def name(self) -> str:
        """The program it runs, without its folder."""
        return posixpath.basename(self.words[0]) if self.words else ""


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
    found = list(_commands(ends, call, output, Options(), tools.folder_of(call) or folder, 0))
    found = [_numbered(command, place) for place, command in enumerate(found)]
    if call.status in ("denied", "interrupted"):
        return [_unfinished(command, call) for command in found]
    return _read_from_output(found, output)


def folder_after(call: ToolCall, folder: Optional[str]) -> Optional[str]:
    """Where a shell stands after a call, for agents whose shell lives on (Claude Code's)."""
    text = tools.shell_text(call)
    if text is None or call.status == "denied" or "Shell cwd was reset to" in (call.output or ""):
        return folder
    for _, _, where in _followed(ended(shell.parsed(text), None), folder, outermost=True):
        folder = where
    return folder


def of_cell(call: ToolCall, folder: Optional[str] = None) -> list[Command]:
    """Commands named in a cell whose own tool calls were not recorded."""
    found: list[Command] = []
    for text in tools.cell_commands(call) if call.status != "denied" else ():
        ends = ended(shell.parsed(text), None)
        found += _commands(ends, call, "", Options(), folder, 0)
    return [_numbered(command, place) for place, command in enumerate(found)]


def _commands(
    ends: Sequence[Ended],
    call: ToolCall,
    output: str,
    options: Options,
    folder: Optional[str],
    depth: int,
) -> Iterator[Command]:
    for end, words, where in _followed(ends, folder):
        inner_options, text = shell_script(words)
        if text and depth < _DEEPEST:
            told = {"passed": True, "failed": False}.get(end.outcome)
            inner = ended(shell.parsed(text), told, output, options_in(inner_options, options))
            if end.why is not None:
                inner = [Ended(each.command, each.outcome, end.why) for each in inner]
            yield from _commands(inner, call, output, options, where, depth + 1)
        elif words or end.command.writes:
            yield _command(end, words, call, where)


def _followed(
    ends: Sequence[Ended], folder: Optional[str], *, outermost: bool = False
) -> Iterator[tuple[Ended, tuple[str, ...], Optional[str]]]:
    """Each command with its words and where it runs: `cd` counts until its subshell ends."""
    folders: dict[tuple[int, ...], Optional[str]] = {(): folder}
    for end in ends:
        words = unwrapped(end.command.words)
        depths = range(len(end.within), -1, -1)
        where = next(folders[end.within[:n]] for n in depths if end.within[:n] in folders)
        if words[:1] == ("cd",) and len(words) > 1:
            where = folders[end.within] = _joined(where, words[1])
        if not outermost or not end.within:
            yield end, words, where


def _command(end: Ended, words: tuple[str, ...], call: ToolCall, folder: Optional[str]) -> Command:
    return Command(
        words,
        " ".join(end.command.text.split("\n", 1)[0].split()),
        end.outcome,
        call,
        why=end.why,
        folder=folder,
        check=runners.check_of(words),
        writes=end.command.writes,
        heredoc=end.command.heredoc,
    )


def _joined(folder: Optional[str], to: str) -> Optional[str]:
    if to.startswith("/"):
        return posixpath.normpath(to)
    if to.startswith(("~", "$", "-")):
        return to
    return posixpath.normpath(posixpath.join(folder or ".", to))


def _numbered(command: Command, place: int) -> Command:
    return replace(command, place=place)


def _unfinished(command: Command, call: ToolCall) -> Command:
    if call.status == "denied":
        return replace(command, outcome="not run", why="it was not allowed")
    return replace(command, outcome="unknown", why="it was interrupted")


def _read_from_output(commands: list[Command], output: str) -> list[Command]:
    """Where a status is out of sight, what a runner printed tells; two of a kind tell nothing."""
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
