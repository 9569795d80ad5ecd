"""Which texts of a turn the search index holds.

The index keeps no texts and forgets a turn only when told exactly what it was given. So what
:func:`document` makes of a stored turn must not change without a migration that empties the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Optional

from harness_tracing.model import ModelCall, Step, Subagent, ToolCall, Turn
from harness_tracing.store.codec import whole_text
from harness_tracing.store.terms import spaced

Where = Literal["prompt", "response", "command", "output"]
WHERES: tuple[Where, ...] = ("prompt", "response", "command", "output")
HEAD_CHARACTERS, TAIL_CHARACTERS = 16_000, 4_000
"""How much of a long text can be found: its beginning and, as errors stand there, its end."""
_DEEPEST = 50


@dataclass(frozen=True)
class Piece:
    """One text of a turn: `where` it belongs, and the step it is of (None: the turn itself)."""

    where: Where
    text: str
    step: Optional[Step] = None


def pieces(turn: Optional[Turn], steps: Iterable[Step]) -> Iterator[Piece]:
    """The texts of a turn and of steps that can be found, each cut where it is very long."""
    said = None
    if turn is not None:
        said = turn.response
        yield from _piece("prompt", turn.prompt)
        yield from _piece("response", said)
        yield from _piece("output", turn.error.message if turn.error else None)
    for step in steps:
        if isinstance(step, ToolCall):
            yield from _piece("command", "\n".join((step.name, *_strings(step.input, 0))), step)
            yield from _piece("output", step.output, step)
            message = step.error.message if step.error else None
            yield from _piece("output", None if message == step.output else message, step)
        elif isinstance(step, ModelCall):
            output = step.output.content if step.output else None
            yield from _piece("response", None if output == said else output, step)
            yield from _piece("output", step.error.message if step.error else None, step)
        elif isinstance(step, Subagent):
            yield from _piece("prompt", step.prompt, step)
            yield from _piece("response", step.response, step)
        elif step.kind == "prompt":
            yield from _piece("prompt", "\n".join(_strings(step.details, 0)), step)


def document(turn: Optional[Turn], steps: Iterable[Step]) -> tuple[str, ...]:
    """The columns of the index, in the order of WHERES."""
    texts: dict[str, list[str]] = {where: [] for where in WHERES}
    for piece in pieces(turn, steps):
        texts[piece.where].append(spaced(piece.text))
    return tuple("\n".join(texts[where]) for where in WHERES)


def _piece(where: Where, text: Optional[str], step: Optional[Step] = None) -> Iterator[Piece]:
    if text:
        yield Piece(where, whole_text(_cut(text)), step)


def _cut(text: str) -> str:
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]}\n{text[-TAIL_CHARACTERS:]}"


def _strings(value: Any, depth: int) -> Iterator[str]:
    """The texts in an argument, numbers and names of fields left out."""
    if isinstance(value, str):
        yield value
    elif depth < _DEEPEST and isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, depth + 1)
    elif depth < _DEEPEST and isinstance(value, dict):
        for item in value.values():
            yield from _strings(item, depth + 1)
