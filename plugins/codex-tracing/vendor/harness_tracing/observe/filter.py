"""Filter expressions over exported spans, in the manner of SQL's WHERE.

    status_code = 'ERROR' and attributes.tool.name like 'Ba%'

sqlglot reads the text; only the nodes named here are understood, everything else is a
:class:`FilterError`. The expression is evaluated in this process over plain dicts and never
becomes SQL. NULL behaves as in SQL: a comparison with an absent value is neither true nor
false, and a span is kept only when the whole expression is true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from harness_tracing.errors import FilterError
from harness_tracing.observe import values
from harness_tracing.observe.text import first_line

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

Span = Mapping[str, Any]
Predicate = Callable[[Span], Optional[bool]]

COLUMNS = (
    "name",
    "kind",
    "status_code",
    "status_message",
    "parent_id",
    "span_id",
    "trace_id",
    "start_time",
    "end_time",
)
_TIMES = ("start_time", "end_time")
_KNOWN = f"known are {', '.join(COLUMNS)} and attributes.<name>, e.g. attributes.tool.name"
_OPERATORS = (
    "known are = != <> < <= > >=, like, ilike, in, between, is null, is not null, and, or, not"
)
_LONGEST = 10_000
# Texts and quoted names, which stay as they are, or the dotted name of an attribute. As one
# quoted name it may hold numbers and SQL's keywords (llm.output_messages.0.message.role).
_ATTRIBUTE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\battributes\.(\w+(?:\.\w+)*)""")


class Filter:
    """A filter expression that was understood; `text` is what the user wrote."""

    def __init__(self, text: str) -> None:
        """Raises FilterError, which says what was not understood and what would be."""
        self.text = text
        try:
            self._predicate = _predicate(_parsed(text))
        except RecursionError:
            raise FilterError("the filter is nested too deeply; simplify it") from None

    def matches(self, span: Span) -> bool:
        """Whether the expression is true for an exported span (see design: span export)."""
        return self._predicate(span) is True


def _parsed(text: str) -> Expr:
    from sqlglot import exp, tokenize
    from sqlglot.errors import ParseError, SqlglotError

    if len(text) > _LONGEST:
        raise FilterError(f"the filter is longer than {_LONGEST} characters")
    try:
        if any(token.comments for token in tokenize(text)):
            raise FilterError("comments are not understood in a filter")
        return exp.maybe_parse(_ATTRIBUTE.sub(_quoted, text), into=exp.Condition)
    except ParseError as error:
        raise FilterError(f"the filter is not understood{_place(error)}; {_OPERATORS}") from None
    except SqlglotError as error:
        reason = first_line(str(error.__cause__ or error))
        raise FilterError(f"the filter is not understood: {reason}") from None


def _quoted(match: re.Match[str]) -> str:
    name = match.group(1)
    return f'attributes."{name}"' if name else match.group()


def _place(error: Any) -> str:
    if not error.errors or not error.errors[0].get("highlight"):
        return ": it is empty or incomplete"
    where = error.errors[0]
    return f" at {first_line(where['highlight'])!r} (character {where['col']})"


def _predicate(node: Expr) -> Predicate:
    from sqlglot import exp

    if type(node) is exp.Paren:
        return _predicate(_only(node, "this")["this"])
    if type(node) in (exp.And, exp.Or):
        parts = [_predicate(part) for part in _operands(node)]
        return _all(parts) if type(node) is exp.And else _any(parts)
    if type(node) is exp.Not:
        return _not(_predicate(_only(node, "this")["this"]))
    return _test(node)


def _operands(node: Expr) -> list[Expr]:
    """The parts of ``a and b and c``, which come nested to the left, as a flat list."""
    kind, parts = type(node), []
    while type(node) is kind:
        args = _only(node, "this", "expression")
        parts.append(args["expression"])
        node = args["this"]
    return [node, *reversed(parts)]


def _test(node: Expr) -> Predicate:
    from sqlglot import exp

    if type(node) is exp.Is:
        args = _only(node, "this", "expression")
        if type(args["expression"]) is not exp.Null:
            raise _not_understood(node, "only 'is null' and 'is not null' are")
        return _is_null(_column(args["this"]))
    if type(node) is exp.In:
        args = _only(node, "this", "expressions")
        column = _column(args["this"])
        items = args.get("expressions")
        if items is None:
            raise _not_understood(node, "a list in parentheses is needed, e.g. kind in ('LLM')")
        return _any([_comparison(column, "=", _literal(item)) for item in items])
    if type(node) is exp.Between:
        args = _only(node, "this", "low", "high")
        column = _column(args["this"])
        low = _comparison(column, ">=", _literal(args["low"]))
        return _all([low, _comparison(column, "<=", _literal(args["high"]))])
    if type(node) in (exp.Like, exp.ILike):
        return _like(node)
    return _binary(node)


def _like(node: Expr) -> Predicate:
    from sqlglot import exp

    args = _only(node, "this", "expression", "negate")
    column, pattern = _column(args["this"]), _literal(args["expression"])
    if not isinstance(pattern, str):
        raise _not_understood(node, "like needs a text, e.g. name like 'Ba%'")
    wanted = values.Pattern(pattern, ignore_case=type(node) is exp.ILike)

    def test(span: Span) -> Optional[bool]:
        value = values.of_span(span, column)
        return wanted.matches(value) if isinstance(value, str) else None

    return _not(test) if args.get("negate") else test


def _binary(node: Expr) -> Predicate:
    from sqlglot import exp

    signs: dict[Any, str] = {
        exp.EQ: "=",
        exp.NEQ: "!=",
        exp.LT: "<",
        exp.LTE: "<=",
        exp.GT: ">",
        exp.GTE: ">=",
    }
    turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
    sign = signs.get(type(node))
    if sign is None:
        raise _not_understood(node, _OPERATORS)
    args = _only(node, "this", "expression")
    left, right = args["this"], args["expression"]
    if type(left) in (exp.Literal, exp.Neg, exp.Boolean):
        return _comparison(_column(right), turned.get(sign, sign), _literal(left))
    return _comparison(_column(left), sign, _literal(right))


def _comparison(column: str, sign: str, wanted: values.Literal) -> Predicate:
    if column in _TIMES:
        return _time_comparison(column, sign, wanted)
    if isinstance(wanted, bool) and sign not in ("=", "!="):
        raise FilterError(f"{column} {sign} {str(wanted).lower()}: true and false have no order")

    def test(span: Span) -> Optional[bool]:
        return values.compared(values.of_span(span, column), sign, wanted)

    return test


def _time_comparison(column: str, sign: str, wanted: values.Literal) -> Predicate:
    instant = values.instant_ns(wanted) if isinstance(wanted, str) else None
    if instant is None:
        raise FilterError(
            f"{column} is compared with a time like '2025-12-31' or '2025-12-31T14:03:00Z' "
            f"(UTC where no zone is given), not with {wanted!r}"
        )

    def test(span: Span) -> Optional[bool]:
        value = values.of_span(span, column)
        at_ns = values.instant_ns(value) if isinstance(value, str) else None
        return values.compared(at_ns, sign, instant)

    return test


def _is_null(column: str) -> Predicate:
    return lambda span: values.of_span(span, column) is None


def _not(predicate: Predicate) -> Predicate:
    def test(span: Span) -> Optional[bool]:
        result = predicate(span)
        return None if result is None else not result

    return test


def _all(parts: list[Predicate]) -> Predicate:
    def test(span: Span) -> Optional[bool]:
        results = [part(span) for part in parts]
        return False if False in results else None if None in results else True

    return test


def _any(parts: list[Predicate]) -> Predicate:
    def test(span: Span) -> Optional[bool]:
        results = [part(span) for part in parts]
        return True if True in results else None if None in results else False

    return test


def _column(node: Expr) -> str:
    from sqlglot import exp

    if type(node) is exp.Paren:
        return _column(_only(node, "this")["this"])
    if type(node) is not exp.Column or any(type(part) is not exp.Identifier for part in node.parts):
        raise _not_understood(node, f"a column is needed here; {_KNOWN}")
    name = ".".join(part.name for part in node.parts)
    name = name[len("context.") :] if name.startswith("context.") else name
    if name in COLUMNS or re.match(r"attributes\..", name):
        return name
    hint = ""
    if node.args["this"].args.get("quoted"):
        hint = f" (a text is written in single quotes: '{first_line(name)}')"
    raise FilterError(f"unknown column {first_line(name)!r}{hint}; {_KNOWN}")


def _literal(node: Expr) -> values.Literal:
    from sqlglot import exp

    if type(node) is exp.Null:
        raise FilterError("nothing equals null; write 'is null' or 'is not null'")
    if type(node) is exp.Boolean:
        return bool(node.this)
    if type(node) is exp.Literal:
        return str(node.this) if node.is_string else _number(node.this)
    if type(node) is exp.Neg and type(node.this) is exp.Literal and not node.this.is_string:
        return -_number(node.this.this)
    if type(node) is exp.Column and node.args["this"].args.get("quoted"):
        name = first_line(node.name)
        raise FilterError(f"\"{name}\" is a column name; a text is written as '{name}'")
    raise _not_understood(node, "a text in single quotes, a number, true or false is needed here")


def _number(text: str) -> Union[int, float]:
    number = values.number(text)
    if number is None:
        raise FilterError(f"{first_line(text)!r} is not a number")
    return number


def _only(node: Expr, *names: str) -> dict[str, Any]:
    """The node's arguments; any other than `names` means something we would ignore silently."""
    args = {name: value for name, value in node.args.items() if value or value == 0}
    if set(args) - set(names):
        raise _not_understood(node, _OPERATORS)
    return args


def _not_understood(node: Expr, known: str) -> FilterError:
    return FilterError(f"not understood in the filter: {first_line(node.sql())!r}; {known}")
