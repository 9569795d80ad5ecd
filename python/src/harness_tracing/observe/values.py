"""Values in filter expressions: how a span's values compare with what the user wrote."""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Mapping
from typing import Any, Optional, Union

Literal = Union[str, int, float, bool]

_SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_VERDICT = re.compile(r"(annotations|evaluations)\.(.+)\.(label|score|explanation)", re.DOTALL)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def of_span(span: Mapping[str, Any], column: str) -> Any:
    """The value of a filter's column in an exported span; None when it is not there."""
    if column in ("span_id", "trace_id"):
        return (span.get("context") or {}).get(column)
    if column.startswith("attributes."):
        return (span.get("attributes") or {}).get(column[len("attributes.") :])
    parts = verdict_parts(column)
    if parts is not None:
        which, name, field = parts
        named = (each for each in span.get(which) or () if each.get("name") == name)
        return next((each[field] for each in named if each.get(field) is not None), None)
    return span.get(column)


def verdict_parts(column: str) -> Optional[tuple[str, str, str]]:
    """Which list, whose name and which field ``evaluations.verified.label`` is; None for others."""
    found = _VERDICT.fullmatch(column)
    return (found[1], found[2], found[3]) if found else None


def compared(value: Any, sign: str, wanted: Literal) -> Optional[bool]:
    """``value <sign> wanted``; None when a side is not known or the two do not compare.

    A number and a text that reads as one compare as numbers; true and false only with their
    like.
    """
    if value is None or isinstance(value, bool) != isinstance(wanted, bool):
        return None
    if isinstance(value, str) and not isinstance(wanted, str):
        value = number(value)
    elif isinstance(wanted, str) and isinstance(value, (int, float)):
        wanted_number = number(wanted)
        if wanted_number is None:
            return None
        wanted = wanted_number
    if isinstance(value, (str, int, float)):
        return bool(_SIGNS[sign](value, wanted))
    return None


def number(text: str) -> Union[int, float, None]:
    """The number a text reads as, or None; whole ones stay exact."""
    if not _NUMBER.fullmatch(text.strip()):
        return None
    return int(text) if text.strip().lstrip("+-").isdigit() else float(text)


def instant_ns(text: str, local: bool = False) -> Optional[int]:
    """An ISO 8601 date or time in Unix ns; None if it is none.

    Where it names no zone it is in UTC, or, if `local`, in the user's zone.
    """
    match = _INSTANT.fullmatch(text.strip())
    if not match:
        return None
    day, time, fraction, zone = match.groups()
    if zone is None and local:
        zone = ""
    zone = "+00:00" if zone in (None, "Z") else zone
    zone = zone if ":" in zone or not zone else f"{zone[:3]}:{zone[3:]}"
    try:
        instant = datetime.datetime.fromisoformat(f"{day}T{time or '00:00'}{zone}").astimezone()
    except (ValueError, OverflowError):
        return None
    whole = (instant - _EPOCH) // datetime.timedelta(seconds=1)
    return whole * 1_000_000_000 + int((fraction or "").ljust(9, "0") or 0)


class Pattern:
    """A pattern of LIKE: ``%`` stands for any text, ``_`` for one character.

    Matching takes time in proportion to text times pattern, whatever they hold.
    """

    def __init__(self, pattern: str, ignore_case: bool) -> None:
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        pieces = pattern.split("%")
        self._pieces = [
            re.compile("".join("." if char == "_" else re.escape(char) for char in piece), flags)
            for piece in pieces
        ]
        self._last = re.compile(self._pieces[-1].pattern + r"\Z", flags)
        self._last_length = len(pieces[-1])

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        if len(self._pieces) == 1:
            return self._last.match(text) is not None
        first = self._pieces[0].match(text)
        if first is None:
            return False
        position = first.end()
        for piece in self._pieces[1:-1]:
            found = piece.search(text, position)
            if found is None:
                return False
            position = found.end()
        tail = len(text) - self._last_length
        return tail >= position and self._last.match(text, tail) is not None
