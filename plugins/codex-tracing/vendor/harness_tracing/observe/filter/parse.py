"""From the text of a filter to its tree: sqlglot reads it, we take what we understand of that.

Everything that is not named here is refused. Nothing of the text ever becomes SQL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Optional, Union

from harness_tracing.errors import FilterError
from harness_tracing.observe import values
from harness_tracing.observe.filter.known import TIMES, is_column, kind_of, what_is_known
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
from harness_tracing.observe.text import first_line

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_OPERATORS = (
    "known are = != <> < <= > >=, like, ilike, in, between, is null, is not null, and, or, not"
)
_KINDS = {
    "text": "a text",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list of texts, which only 'is null' and 'is not null' are asked of",
}
_LONGEST = 10_000
_DEEPEST = 100
_SHOWN = 60
# Texts and quoted names, which stay as they are, or a dotted name. As one quoted name it may hold
# numbers and SQL's keywords (attributes.llm.output_messages.0.message.role).
_DOTTED = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(attributes|annotations|evaluations)\.(\w+(?:\.\w+)*)"""
)


def parsed(text: str) -> Node:
    """The tree of a filter. Raises FilterError, which says which part is not understood."""
    try:
        return _node(_expression(text), 0)
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> FilterError:
    return FilterError("the filter is nested too deeply; simplify it")


def _expression(text: str) -> Expr:
    from sqlglot import exp, tokenize
    from sqlglot.errors import ParseError, SqlglotError, TokenError

    if len(text) > _LONGEST:
        raise FilterError(f"the filter is longer than {_LONGEST} characters")
    try:
        if any(token.comments for token in tokenize(text)):
            raise FilterError("comments are not understood in a filter")
        return exp.maybe_parse(_DOTTED.sub(_quoted, text), into=exp.Condition)
    except ParseError as error:
        place = _place(error, text)
        raise FilterError(f"the filter is not understood{place}; {_OPERATORS}") from None
    except TokenError:
        raise FilterError(
            "a quote in the filter is not closed; within a text it is written twice: 'it''s'"
        ) from None
    except SqlglotError as error:
        reason = first_line(str(error.__cause__ or error))
        raise FilterError(f"the filter is not understood: {reason}") from None


def _quoted(match: re.Match[str]) -> str:
    return f'{match[1]}."{match[2]}"' if match[1] else match[0]


def _place(error: Any, text: str) -> str:
    if not error.errors or not error.errors[0].get("highlight"):
        return ": it is empty or incomplete"
    where = error.errors[0]
    at = where["col"] - len(where["highlight"])
    for dotted in _DOTTED.finditer(text):
        if dotted[1] and dotted.end() <= at:
            at -= 2  # the quotes that were put around it
    missing = ", where ) is missing" if where["description"] == "Expecting )" else ""
    return f" at {first_line(where['highlight'])!r} (character {at + 1}){missing}"


def _node(node: Expr, depth: int) -> Node:
    from sqlglot import exp

    if depth > _DEEPEST:
        raise _too_deep()
    if type(node) is exp.Paren:
        return _node(_only(node, "this")["this"], depth + 1)
    if type(node) in (exp.And, exp.Or):
        parts = tuple(_node(part, depth + 1) for part in _operands(node))
        return All(parts) if type(node) is exp.And else Some(parts)
    if type(node) is exp.Not:
        return Not(_node(_only(node, "this")["this"], depth + 1))
    return _test(node)


def _operands(node: Expr) -> list[Expr]:
    """The parts of ``a and b and c``, which come nested to the left, as a flat list."""
    kind, parts = type(node), []
    while type(node) is kind:
        args = _only(node, "this", "expression")
        parts.append(args["expression"])
        node = args["this"]
    return [node, *reversed(parts)]


def _test(node: Expr) -> Node:
    from sqlglot import exp

    if type(node) is exp.Is:
        args = _only(node, "this", "expression")
        if type(args["expression"]) is not exp.Null:
            raise _not_understood(node, "only 'is null' and 'is not null' are")
        return IsNull(_column(args["this"]))
    if type(node) is exp.In:
        args = _only(node, "this", "expressions")
        column = _column(args["this"])
        items = args.get("expressions")
        if items is None:
            raise _not_understood(node, "a list in parentheses is needed, e.g. kind in ('LLM')")
        return Some(tuple(_comparison(column, "=", _literal(item)) for item in items))
    if type(node) is exp.Between:
        args = _only(node, "this", "low", "high")
        column = _column(args["this"])
        low = _comparison(column, ">=", _literal(args["low"]))
        return All((low, _comparison(column, "<=", _literal(args["high"]))))
    if type(node) in (exp.Like, exp.ILike):
        return _like(node)
    return _binary(node)


def _like(node: Expr) -> Node:
    from sqlglot import exp

    args = _only(node, "this", "expression", "negate")
    column, pattern = _column(args["this"]), _literal(args["expression"])
    if not isinstance(pattern, str):
        raise _not_understood(node, "like needs a text, e.g. name like 'Ba%'")
    if kind_of(column) not in ("text", None):
        raise _never(column, "like", pattern)
    like = Like(column, pattern, ignore_case=type(node) is exp.ILike)
    return Not(like) if args.get("negate") else like


def _binary(node: Expr) -> Node:
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


def _comparison(column: str, sign: str, wanted: values.Literal) -> Leaf:
    if column in TIMES:
        instant = values.instant_ns(wanted) if isinstance(wanted, str) else None
        if instant is None:
            raise FilterError(
                f"{column} is compared with a time like '2025-12-31' or '2025-12-31T14:03:00Z' "
                f"(UTC where no zone is given), not with {_short(repr(wanted))}"
            )
        return CompareTime(column, sign, instant)
    if isinstance(wanted, bool) and sign not in ("=", "!="):
        raise FilterError(
            f"{_short(column)} {sign} {str(wanted).lower()}: true and false have no order"
        )
    if not _may_compare(kind_of(column), wanted):
        raise _never(column, sign, wanted)
    return Compare(column, sign, wanted)


def _may_compare(kind: Optional[str], wanted: values.Literal) -> bool:
    """Whether a value of that kind can compare with what is wanted."""
    if kind is None:
        return True
    if isinstance(wanted, bool) or kind == "boolean":
        return isinstance(wanted, bool) and kind == "boolean"
    if kind == "number" and isinstance(wanted, str):
        return values.number(wanted) is not None
    return kind != "list"


def _never(column: str, sign: str, wanted: values.Literal) -> FilterError:
    literal = str(wanted).lower() if isinstance(wanted, bool) else repr(wanted)
    return FilterError(
        f"{_short(f'{column} {sign} {literal}')} can never be true: {_short(column)} is "
        f"{_KINDS[kind_of(column) or 'text']}"
    )


def _column(node: Expr) -> str:
    from sqlglot import exp

    if type(node) is exp.Paren:
        return _column(_only(node, "this")["this"])
    if type(node) is not exp.Column or any(type(part) is not exp.Identifier for part in node.parts):
        raise _not_understood(node, f"a column is needed here; {what_is_known('')}")
    name = ".".join(part.name for part in node.parts)
    name = name[len("context.") :] if name.startswith("context.") else name
    if is_column(name):
        return name
    said = _short(name)
    hint = ""
    if node.args["this"].args.get("quoted") and len(node.parts) == 1:
        hint = f" (a text is written in single quotes: '{said}')"
    raise FilterError(f"unknown column {said!r}{hint}; {what_is_known(said)}")


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
        name = _short(node.name)
        raise FilterError(f"\"{name}\" is a column name; a text is written as '{name}'")
    raise _not_understood(node, "a text in single quotes, a number, true or false is needed here")


def _number(text: str) -> Union[int, float]:
    number = values.number(text)
    if number is None:
        raise FilterError(f"{_short(text)!r} is not a number")
    return number


def _only(node: Expr, *names: str) -> dict[str, Any]:
    """The node's arguments; any other than `names` means something we would ignore silently."""
    args = {name: value for name, value in node.args.items() if value or value == 0}
    if set(args) - set(names):
        raise _not_understood(node, _OPERATORS)
    return args


def _not_understood(node: Expr, known: str) -> FilterError:
    return FilterError(f"not understood in the filter: {_short(node.sql())!r}; {known}")


def _short(text: str) -> str:
    line = first_line(text)
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
