"""What a filter means: a small tree of tests, true, false or not known for a span, as in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from harness_tracing.observe import values

Truth = Optional[bool]
Span = Mapping[str, Any]


@dataclass(frozen=True)
class Compare:
    """``column <sign> wanted``; sign is one of = != < <= > >=."""

    column: str
    sign: str
    wanted: values.Literal

    def test(self, value: Any) -> Truth:
        """The truth of it for this value of the column; None stands for an absent one."""
        return values.compared(value, self.sign, self.wanted)


@dataclass(frozen=True)
class CompareTime:
    """``column <sign> time`` for a column that holds times; the time is in Unix ns."""

    column: str
    sign: str
    instant_ns: int

    def test(self, value: Any) -> Truth:
        """The truth of it for this value of the column, an ISO time."""
        at_ns = values.instant_ns(value) if isinstance(value, str) else None
        return values.compared(at_ns, self.sign, self.instant_ns)


@dataclass(frozen=True)
class Like:
    """``column like pattern``; only texts match or do not, anything else is not known."""

    column: str
    pattern: str
    ignore_case: bool
    _compiled: values.Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the pattern once."""
        object.__setattr__(self, "_compiled", values.Pattern(self.pattern, self.ignore_case))

    def test(self, value: Any) -> Truth:
        """The truth of it for this value of the column."""
        return self._compiled.matches(value) if isinstance(value, str) else None


@dataclass(frozen=True)
class IsNull:
    """``column is null``: never not known."""

    column: str

    def test(self, value: Any) -> Truth:
        """The truth of it for this value of the column."""
        return value is None


@dataclass(frozen=True)
class Not:
    """True where the part is false; not known stays so."""

    part: Node


@dataclass(frozen=True)
class All:
    """``and``: false when one part is, else not known when one part is."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Some:
    """``or``: true when one part is, else not known when one part is."""

    parts: tuple[Node, ...]


Leaf = Union[Compare, CompareTime, Like, IsNull]
Node = Union[Leaf, Not, All, Some]


def truth(node: Node, span: Span) -> Truth:
    """Whether the tree is true for an exported span."""
    if isinstance(node, Not):
        part = truth(node.part, span)
        return None if part is None else not part
    if isinstance(node, (All, Some)):
        decisive = isinstance(node, Some)
        known: Truth = not decisive
        for part_node in node.parts:
            part = truth(part_node, span)
            if part is decisive:
                return decisive
            known = None if part is None else known
        return known
    return node.test(values.of_span(span, node.column))


def leaves(node: Node) -> Iterator[Leaf]:
    """Every single test of the tree."""
    if isinstance(node, Not):
        yield from leaves(node.part)
    elif isinstance(node, (All, Some)):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node


def columns(node: Node) -> set[str]:
    """Every column that the tree asks for."""
    return {leaf.column for leaf in leaves(node)}


def demanded(node: Node, column: str) -> Optional[str]:
    """The text that the column has wherever the tree is true; None: not one text alone."""
    if isinstance(node, All):
        found = (demanded(part, column) for part in node.parts)
        return next((text for text in found if text is not None), None)
    if isinstance(node, Some) and len(node.parts) == 1:
        return demanded(node.parts[0], column)
    if not isinstance(node, Compare) or node.column != column or node.sign != "=":
        return None
    return node.wanted if isinstance(node.wanted, str) else None
