"""One line of the tree: words on the left, facts at the right edge.

The facts form columns because they end at the edge. When the line is too narrow the least
important facts are shortened or go first, then the words are shortened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Union

from rich.cells import cell_len
from rich.measure import Measurement
from rich.text import Text

from harness_tracing.observe.text import first_line, plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

_LEAST_WORDS = 22
_BETWEEN = "  "

Fact = Union[Text, Sequence[Text]]


def words(text: str, style: str = "") -> Text:
    """Traced text as one harmless line."""
    return Text(first_line(text), style)


def block(text: str, style: str = "") -> Text:
    """Traced text with its line breaks, harmless, folded at the console's width."""
    return Text(plain(text), style, overflow="fold")


def sentence(*parts: Text, between: str = _BETWEEN) -> Text:
    """The parts that say something, side by side."""
    return Text(between).join([part for part in parts if part.plain])


class Row:
    """`left` with `facts` at the right edge, the least important first.

    A fact is one text or several that say the same, the fullest first; empty ones are left out.
    Facts leave room for `least` characters of the words.
    """

    def __init__(
        self, left: Text, facts: Sequence[Fact] = (), *, least: int = _LEAST_WORDS
    ) -> None:
        self.left, self._least = left, least
        choices = ([fact] if isinstance(fact, Text) else list(fact) for fact in facts)
        self.facts = [choice for choice in choices if choice and choice[0].plain.strip()]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = options.max_width
        facts = self._fitting(width - len(_BETWEEN) - min(self.left.cell_len, self._least))
        line = self.left.copy()
        if facts.plain:
            line.truncate(width - facts.cell_len - len(_BETWEEN), overflow="ellipsis")
            line.append(" " * (width - line.cell_len - facts.cell_len))
            line.append_text(facts)
        line.truncate(width, overflow="ellipsis")
        line.no_wrap, line.end = True, "\n"
        yield line

    def _fitting(self, room: int) -> Text:
        choices = [list(choice) for choice in self.facts]
        while choices:
            facts = Text(_BETWEEN).join(choice[0] for choice in choices)
            if facts.cell_len <= room:
                return facts
            choices[0].pop(0)
            if not choices[0]:
                choices.pop(0)
        return Text()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(_LEAST_WORDS, options.max_width), options.max_width)


class Listed:
    """`head` and what it lists, with commas; no line is broken within one of them."""

    def __init__(self, head: str, items: Sequence[str], indent: int = 4) -> None:
        self._head, self._items, self._indent = head, items, indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        line = self._head
        for place, item in enumerate(self._items):
            item += "," if place < len(self._items) - 1 else ""
            if cell_len(f"{line} {item}") > options.max_width and line.strip():
                yield Text(line, overflow="fold")
                line = " " * (self._indent - 1)
            line += f" {item}"
        yield Text(line, overflow="fold")


def column(text: str, width: int, style: str = "dim") -> Text:
    """A fact that ends where those above and below it end."""
    return Text(text.rjust(width), style)
