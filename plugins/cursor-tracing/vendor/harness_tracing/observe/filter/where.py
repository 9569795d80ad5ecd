"""Which rows of the store can hold a span that a filter is true for.

For every kind of row it is known how its span gets its columns: some are the same for all such
rows, some follow from a column of the store, of some nothing is known before the span is made.
From that a condition is made that holds wherever the filter is true (`_may`), and for ``not`` one
that holds wherever it is false. What is not known always may be either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Union

from harness_tracing.observe.filter.nodes import (
    All,
    Compare,
    CompareTime,
    IsNull,
    Leaf,
    Like,
    Node,
    Not,
    Some,
)
from harness_tracing.store.matching import (
    ALWAYS,
    NEVER,
    ROWS,
    Condition,
    Is,
    Where,
    any_of,
    every,
)

if TYPE_CHECKING:
    from harness_tracing.destinations import Shape

# Statuses in the store by the status code of their spans (spans/items.py); all others: UNSET.
_OK = ("completed", "ok")
_ERROR = ("failed", "error", "denied", "interrupted")
_TURNED = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_KINDS = {"model_call": "LLM", "tool": "TOOL", "subagent": "AGENT", "moment": "CHAIN"}


@dataclass(frozen=True)
class _Constant:
    """The column has this value in every such row; None: it is absent."""

    value: Any


@dataclass(frozen=True)
class _Cases:
    """In rows of which the condition holds the column is as said; the cases cover all rows."""

    cases: tuple[tuple[Condition, Source], ...]


@dataclass(frozen=True)
class _Text:
    """The column has the text of this column of the store, and is absent where that is NULL."""

    column: str


@dataclass(frozen=True)
class _Number:
    """The column has the number in this column of the store."""

    column: str


@dataclass(frozen=True)
class _Within:
    """The column is a time within the turn."""


@dataclass(frozen=True)
class _Unknown:
    """Nothing is known before the span is made."""


Source = Union[_Constant, _Cases, _Text, _Number, _Within, _Unknown]


def where(node: Node, shape: Shape) -> Where:
    """What rows of each kind must be like for their spans in `shape` to match."""
    rows = ROWS if shape == "calls" else ("turn", "tool")
    found = {row: _may(node, True, partial(_source, row, shape)) for row in rows}
    if "moment" in found:  # the others are events of spans
        found["moment"] = every((Is("name", "=", ("compaction",)), found["moment"]))
    return found


def _may(node: Node, truth: bool, source: Callable[[str], Source]) -> Condition:
    """A condition on a row that holds wherever the node is `truth`."""
    if isinstance(node, Not):
        return _may(node.part, not truth, source)
    if isinstance(node, (All, Some)):
        parts = [_may(part, truth, source) for part in node.parts]
        return every(parts) if isinstance(node, All) is truth else any_of(parts)
    return _leaf(node, truth, source(node.column))


def _leaf(leaf: Leaf, truth: bool, source: Source) -> Condition:
    if isinstance(source, _Constant):
        return ALWAYS if leaf.test(source.value) is truth else NEVER
    if isinstance(source, _Cases):
        return any_of(every((case, _leaf(leaf, truth, of))) for case, of in source.cases)
    if isinstance(leaf, IsNull) or isinstance(source, _Unknown):
        return ALWAYS
    if isinstance(source, _Text):
        return _text(leaf, truth, source.column)
    if isinstance(leaf, CompareTime):
        sign = leaf.sign if truth else _TURNED[leaf.sign]
        if isinstance(source, _Number):
            return _number(source.column, sign, leaf.instant_ns)
        return _within_turn(sign, leaf.instant_ns)
    if isinstance(source, _Number) and isinstance(leaf, Compare) and type(leaf.wanted) is int:
        return _number(source.column, leaf.sign if truth else _TURNED[leaf.sign], leaf.wanted)
    return ALWAYS


def _text(leaf: Leaf, truth: bool, column: str) -> Condition:
    if isinstance(leaf, Compare) and isinstance(leaf.wanted, str) and leaf.sign in ("=", "!="):
        if not _is_kept(leaf.wanted):
            return ALWAYS
        return Is(column, leaf.sign if truth else _TURNED[leaf.sign], (leaf.wanted,))
    if isinstance(leaf, Like) and truth and not leaf.ignore_case:
        beginning = leaf.pattern.replace("_", "%").partition("%")[0]
        if beginning and _is_kept(beginning):
            return Is(column, "begins with", (beginning,))
    return ALWAYS


def _is_kept(text: str) -> bool:
    """Whether the text is the same in the store and in a span, which replaces some characters."""
    return not any(char in "\x00\ufffd" or "\ud800" <= char <= "\udfff" for char in text)


def _number(column: str, sign: str, wanted: int) -> Condition:
    return Is(column, sign, (wanted,)) if abs(wanted) < 2**63 else ALWAYS


def _within_turn(sign: str, instant_ns: int) -> Condition:
    """A time is not before the turn's start and, once the turn has an end, not after that."""
    if sign == "!=":
        return ALWAYS
    begun = _number("turn_started_ns", "<=" if sign == "=" else sign, instant_ns)
    if sign in ("<", "<="):
        return begun
    upper = ">=" if sign == "=" else sign
    ended = any_of(
        (
            _number("turn_started_ns", upper, instant_ns),
            _number("turn_ended_ns", upper, instant_ns),
            Is("turn_ended_ns", "is null"),
            Is("turn_status", "=", ("open",)),
        )
    )
    return every((begun, ended)) if sign == "=" else ended


def _source(row: str, shape: Shape, column: str) -> Source:
    """Where the span of such a row has the column from (spans/shapes.py, spans/items.py)."""
    common = _of_every_row(column, row, shape)
    if common is not None:
        return common
    if row == "turn":
        return _of_turn(column)
    if column in ("start_time", "end_time"):
        return _Within()
    return _of_step(column, row)


def _of_every_row(column: str, row: str, shape: Shape) -> Union[Source, None]:
    if column in ("kind", "attributes.openinference.span.kind"):
        return _Constant(_KINDS.get(row, "LLM" if shape == "turns" else "AGENT"))
    if column == "attributes.harness.span.type":
        return _Constant(row)
    if column == "attributes.session.id":
        return _Text("session_id")
    if column == "attributes.harness.agent":
        return _Text("agent")
    if column == "attributes.harness.turn.number":
        return _Number("turn_number")
    if column == "status_code":
        return _Cases(tuple(_status_codes(row)))
    if column in ("status_message", "attributes.error.type", "attributes.error.message"):
        failed, fine = _failed(row)
        return _Cases(((failed, _Unknown()), (fine, _Constant(None))))
    return None


def _of_turn(column: str) -> Source:
    if column == "start_time":
        return _Number("turn_started_ns")
    if column == "end_time":
        return _Within()
    if column == "attributes.harness.turn.status":
        return _Text("turn_status")
    if column == "span_id":
        return _Text("turn_span_id")
    if column in ("attributes.tool.name", "attributes.tool.id", "attributes.harness.tool.status"):
        return _Constant(None)
    return _Unknown()


def _of_step(column: str, row: str) -> Source:
    if column == "span_id":
        return _Text("span_id")
    if column in ("attributes.tool.name", "attributes.harness.tool.status"):
        if row != "tool":
            return _Constant(None)
        return _Text("name" if column == "attributes.tool.name" else "status")
    if column == "name" and row == "tool":
        return _Text("name")
    if column == "name" and row == "moment":
        return _Constant("compaction")
    if column == "attributes.llm.model_name":
        return _Text("model") if row == "model_call" else _Constant(None)
    return _Unknown()


def _status_codes(row: str) -> Iterator[tuple[Condition, Source]]:
    failed, fine = _failed(row)
    yield failed, _Constant("ERROR")
    if row in ("model_call", "moment"):
        # Which of the two depends on an end that the status does not tell of.
        yield fine, _Constant("OK")
        yield fine, _Constant("UNSET")
        return
    status = "turn_status" if row == "turn" else "status"
    yield Is(status, "=", _OK), _Constant("OK")
    yield Is(status, "!=", (*_OK, *_ERROR)), _Constant("UNSET")


def _failed(row: str) -> tuple[Condition, Condition]:
    """Rows whose span has the status ERROR, and the others."""
    if row == "moment":
        return NEVER, ALWAYS
    if row == "model_call":
        return Is("status", "=", ("error",)), Is("status", "!=", ("error",))
    status = "turn_status" if row == "turn" else "status"
    return Is(status, "=", _ERROR), Is(status, "!=", _ERROR)
