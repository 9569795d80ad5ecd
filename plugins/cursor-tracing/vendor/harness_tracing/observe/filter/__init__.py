"""Filter expressions over spans, in the manner of SQL's WHERE.

    status_code = 'ERROR' and attributes.tool.name like 'Ba%'

:class:`Filter` reads an expression (`parse`: sqlglot, of which only what is named there is
understood), tells whether a span matches (`nodes`: plain values, three-valued as SQL), and which
rows of the store can hold such a span at all (`where`: bound parameters only). The last is a
prefilter: it may let through too much, never too little.

NULL behaves as in SQL: a comparison with an absent value is neither true nor false, and a span
is kept only when the whole expression is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from harness_tracing.observe.filter.known import CHOICES, COLUMNS, unfamiliar
from harness_tracing.observe.filter.nodes import Compare, Span, columns, demanded, leaves, truth
from harness_tracing.observe.filter.parse import parsed

if TYPE_CHECKING:
    from harness_tracing.destinations import Shape
    from harness_tracing.store import Where

__all__ = ["COLUMNS", "Filter"]


class Filter:
    """A filter expression that was understood; `text` is what the user wrote."""

    def __init__(self, text: str) -> None:
        """Raises FilterError, which says what was not understood and what would be."""
        self.text = text
        self._tree = parsed(text)

    def matches(self, span: Span) -> bool:
        """Whether the expression is true for an exported span (see design: span export)."""
        return truth(self._tree, span) is True

    def where(self, shape: Shape) -> Where:
        """What the row of a turn or step must be like for its span in `shape` to match.

        No span that matches has another row.
        """
        from harness_tracing.observe.filter.where import where

        return where(self._tree, shape)

    def demands(self, column: str) -> Optional[str]:
        """The one text that the column has in every span that matches; None: there is none."""
        return demanded(self._tree, column)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it asks for."""
        return frozenset(columns(self._tree))

    @property
    def warnings(self) -> list[str]:
        """What looks like a typing error though it could be meant."""
        odd = [
            f"{leaf.column} is never {leaf.wanted!r}; it is one of {', '.join(choices)}"
            for leaf in leaves(self._tree)
            for choices in [CHOICES.get(leaf.column, ())]
            if choices and isinstance(leaf, Compare) and leaf.wanted not in choices
        ]
        return odd + [
            f"no span of ours has {name}; did you mean {near}?"
            for name, near in unfamiliar(columns(self._tree))
        ]
