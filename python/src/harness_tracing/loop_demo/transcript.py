"""How the demo speaks: prose as comments, commands behind a `$`, and what they print."""

from __future__ import annotations

from typing import Callable

Say = Callable[[str], None]
"""Prints one line."""


def heading(say: Say, text: str) -> None:
    """Begin a part of the demo."""
    say("")
    say(f"## {text}")


def prose(say: Say, text: str) -> None:
    """A paragraph, each line of it a comment."""
    say("")
    for line in text.strip().split("\n"):
        say(f"# {line.strip()}")


def command(say: Say, line: str) -> None:
    """A command as one would type it; its output follows."""
    say("")
    say(f"$ {line}")


def output(say: Say, text: str) -> None:
    """What a command printed."""
    for line in text.rstrip().split("\n") if text.strip() else ():
        say(line.rstrip())
