"""Asking a person in a terminal, also where standard input is a pipe: questionary and rich.

Slow to import, so only `harness setup` loads it, once it knows that there is somebody to ask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

import questionary
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_input
from prompt_toolkit.output import create_output
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness_tracing.observe.text import plain
from harness_tracing.setup.wizard import Validate

_STYLE = questionary.Style([("qmark", "fg:ansicyan bold"), ("answer", "fg:ansigreen")])


class NoTerminalError(Exception):
    """There is nobody to ask."""


class TerminalAsker:
    """An `Asker` for a person."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str = "", style: str = "") -> None:
        """Tell something, on lines of its own."""
        self._console.print(Text(plain(text), style=style))

    def table(self, rows: Iterable[tuple[str, str]]) -> None:
        """Show names and what they are."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for name, value in rows:
            table.add_row(Text(plain(name), style="bold"), Text(plain(value)))
        self._console.print(table)

    def select(self, question: str, choices: Mapping[str, str], default: str) -> str:
        """One of some choices, each with the text it is shown as."""
        shown = [questionary.Choice(title, value=value) for value, title in choices.items()]
        return str(
            _answer(
                questionary.select(
                    question, shown, default=default, style=_STYLE, instruction="(arrow keys)"
                )
            )
        )

    def text(self, question: str, default: str = "", validate: Optional[Validate] = None) -> str:
        """A line of text; Enter takes the default."""
        told = _answer(
            questionary.text(question, default=default, validate=_checker(validate), style=_STYLE)
        )
        return str(told).strip()

    def hidden(self, question: str, validate: Optional[Validate] = None) -> str:
        """A line that does not appear on the screen but as asterisks."""
        told = _answer(questionary.password(question, validate=_checker(validate), style=_STYLE))
        return str(told).strip()

    def confirm(self, question: str, default: bool = True) -> bool:
        """Yes or no."""
        return bool(_answer(questionary.confirm(question, default=default, style=_STYLE)))


def _answer(question: Any) -> Any:
    return question.unsafe_ask()


def _checker(validate: Optional[Validate]) -> Optional[Callable[[str], Any]]:
    if validate is None:
        return None

    def check(text: str) -> Any:
        problem = validate(text.strip())
        return True if problem is None else problem

    return check


@contextmanager
def opened(environ: Mapping[str, str]) -> Iterator[TerminalAsker]:
    """Somebody to ask: at the controlling terminal, whatever standard input and output are.

    Raises NoTerminalError where there is none. What is asked never goes to standard output.
    """
    with ExitStack() as stack:
        reading, writing = _streams(stack)
        stack.enter_context(
            create_app_session(
                input=create_input(stdin=reading), output=create_output(stdout=writing)
            )
        )
        yield TerminalAsker(
            Console(file=writing, highlight=False, markup=False, emoji=False, _environ=environ)
        )


def _streams(stack: ExitStack) -> Sequence[Any]:
    standard = (sys.stdin, sys.stdout, sys.stderr)
    if not any(stream is not None and stream.isatty() for stream in standard):
        # Started by a program: a terminal that is still attached is somebody else's.
        raise NoTerminalError
    if os.name != "posix":
        if not sys.stdin.isatty():
            raise NoTerminalError
        return sys.stdin, sys.stderr
    terminal = Path("/dev/tty")
    try:
        reading = stack.enter_context(terminal.open(encoding="utf-8"))
        writing = stack.enter_context(terminal.open("w", encoding="utf-8", errors="replace"))
    except OSError:
        raise NoTerminalError from None
    if os.tcgetpgrp(reading.fileno()) != os.getpgrp():
        raise NoTerminalError  # in the background reading would only stop us
    stack.enter_context(_silent(reading.fileno()))
    return reading, writing


@contextmanager
def _silent(descriptor: int) -> Iterator[None]:
    """The terminal itself echoes nothing: a key may be pasted before it is asked for."""
    import termios

    before = termios.tcgetattr(descriptor)
    silent = list(before)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
