"""How the demo speaks: prose as comments, commands behind a `$`, and what they print."""

from __future__ import annotations

from itertools import groupby
from typing import Callable

_MOST_ADDED = 20
_SHOWN_ADDED = 12

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


def shortened(diff: str) -> str:
    """Text with a diff in it; of a long run of added lines the beginning is enough."""
    lines: list[str] = []
    for added, run in groupby(diff.split("\n"), lambda line: line[:1] == "+"):
        found = list(run)
        if added and len(found) > _MOST_ADDED:
            left_out = len(found) - _SHOWN_ADDED
            found = [*found[:_SHOWN_ADDED], f"… and {left_out} more lines, left out here"]
        lines += found
    return "\n".join(lines)
