"""Lines of styled words, and tables of them, as wide as the output.

Made by hand: rich takes longer to be loaded than most lists take in all. It is asked only
where there is a terminal to be coloured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

from harness_tracing.observe.text import first_line

BETWEEN = "  "
# Wider than this, words and their facts lie too far apart to be read as one line.
WIDEST = 120

Piece = tuple[str, str]
"""A text without line breaks, and its style as rich names it."""
Line = Sequence[Piece]


class Column(NamedTuple):
    """A column of a table: `cells` below its name, at the right side if they are numbers.

    No cell is shown wider than `most`. With `least` the column may be that narrow where there is
    no room for more.
    """

    name: str
    cells: Sequence[Line]
    right: bool = False
    most: Optional[int] = None
    least: Optional[int] = None

    @property
    def width(self) -> int:
        """How wide it is where there is room."""
        widest = max(map(line_width, ([(self.name, "")], *self.cells)))
        return widest if self.most is None else min(widest, self.most)


def words(text: Optional[str], style: str = "") -> Line:
    """Traced text as one harmless line; nothing for a text that says nothing."""
    said = first_line(text)
    return [(said, style)] if said else []


def joined(*parts: Line, between: str = BETWEEN) -> Line:
    """The parts that say something, side by side."""
    found: list[Piece] = []
    for part in parts:
        if part:
            found += [(between, ""), *part] if found else part
    return found


def fitting(columns: Sequence[Column], width: int, spared: Sequence[str]) -> list[Column]:
    """The columns there is room for: those named in `spared` go first, in that order."""
    kept = list(columns)
    for name in spared:
        if _least_width(kept) <= width:
            break
        kept = [each for each in kept if each.name != name]
    return kept


def _least_width(columns: Sequence[Column]) -> int:
    least = [each.width if each.least is None else min(each.width, each.least) for each in columns]
    return sum(least) + len(BETWEEN) * (len(columns) - 1)


def table(columns: Sequence[Column], width: int) -> Iterator[Line]:
    """The header and the rows; the one column with a `least` gets what others leave of a width."""
    others = [each.width for each in columns if each.least is None]
    room = max(1, width - sum(others) - len(BETWEEN) * len(others))
    widths = [each.width if each.least is None else min(each.width, room) for each in columns]
    yield _row([[(each.name, "dim")] for each in columns], columns, widths)
    for cells in zip(*(each.cells for each in columns)):
        yield _row(cells, columns, widths)


def _row(cells: Sequence[Line], columns: Sequence[Column], widths: Sequence[int]) -> Line:
    line: list[Piece] = []
    for cell, column, width in zip(cells, columns, widths):
        shown = cut(cell, width)
        blanks = [(" " * (width - line_width(shown)), "")]
        line += [(BETWEEN, "")] if line else []
        line += [*blanks, *shown] if column.right else [*shown, *blanks]
    return line


def cut(line: Line, width: int) -> Line:
    """The line, its end replaced by an ellipsis where it is wider."""
    if line_width(line) <= width:
        return line
    found: list[Piece] = []
    room = width - 1
    for text, style in line:
        if text_width(text) > room:
            return [*found, (_beginning(text, room) + "…", style)]
        found.append((text, style))
        room -= text_width(text)
    return found


def plain(line: Line) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in line)


def line_width(line: Line) -> int:
    """How many cells of a terminal a line takes."""
    return sum(text_width(text) for text, _ in line)


def text_width(text: str) -> int:
    """How many cells of a terminal a text takes: a Chinese character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _beginning(text: str, width: int) -> str:
    if text.isascii():
        return text[:width]
    from rich.cells import set_cell_size

    return set_cell_size(text, width)
