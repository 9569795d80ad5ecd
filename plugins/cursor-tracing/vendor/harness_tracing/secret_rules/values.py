"""What stands under a telling name in a text: where the value begins and ends, and whether it is
a secret or an expression, a placeholder, a label. Used by
:mod:`harness_tracing.secret_rules.names`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Name:
    """A name that calls its value a secret of this `kind`.

    `full` is the name as written; a `weak` one (``key``) counts only with a telling value.
    """

    kind: str
    full: str
    weak: bool


QUOTE_OPEN = re.compile(r"(?:[rbfuRBFU]{1,2}(?=[\"']))?(?P<q>\\{0,7}(?:\"\"\"|'''|[\"'`]))")
_QUOTE = re.compile(r"(?P<slashes>\\*)(?P<q>[\"'`])|\n")
_CONCATENATED = re.compile(
    r"[ \t]{0,40}(?:[+.][ \t]{0,40}(?:\\?\n[ \t]{0,80})?|\\?\n[ \t]{1,80})[rbfu]?(?=[\"'])"
)
_ADJACENT = re.compile(r"(?=[\"'])")
_SHELL_TAIL = re.compile(
    r"(?:\"[^\s\"\\]{0,200}\"|'[^\s']{0,200}'|[^\s\"'`\\;&|()<>,:\]}]{1,200}){1,8}"
)
_QUOTED_TAIL = re.compile(r"([\"'])[^\s\"'\\]{1,200}\1")


class Run:
    """What an unquoted value consists of. It is judged by its beginning and taken whole."""

    def __init__(self, piece: str) -> None:
        self.beginning = re.compile(rf"(?:{piece}){{1,160}}")
        self.rest = re.compile(rf"(?:{piece})*")


_ENV = Run(r"[^\s\"'`\\]|\\(?![nrt\"'`\\])")
_LINE = Run(r"[^\n\"'`\\#]|(?<! )#")
_BARE = Run(r"[^\s\"'`\\<>,;&(){}\[\]|]")
_XML = Run(r"[^<>\n]")
CREDENTIAL = Run(r"[^\s\"'`\\,;)}\]]")
TO_LINE_END = Run(r"[^\n\"'`\\]")
_VALUE_LONGEST = 8_000


@dataclass(frozen=True)
class Value:
    """A value and where it stands; `rest` matches what of a long one has not been read yet."""

    start: int
    end: int
    text: str
    quoted: bool
    rest: Optional[re.Pattern[str]] = None


def quoted_values(text: str, found: re.Match[str], shell: bool) -> list[Value]:
    """How far the literal may go that `found` opens: with what is joined to it, or alone."""
    start, end = found.end(), _closing(text, found)
    alone = Value(start, end, text[start:end], True)
    if found["q"] not in ("'", '"'):
        return [alone]
    pieces = [alone.text]
    after = min(len(text), end + 1)
    for _ in range(3):
        more = (shell and _ADJACENT.match(text, after)) or _CONCATENATED.match(text, after)
        opened = QUOTE_OPEN.match(text, more.end()) if more else None
        if opened is None:
            break
        end = _closing(text, opened)
        pieces.append(text[opened.end() : end])
        after = min(len(text), end + len(opened["q"]))
    tail = _SHELL_TAIL.match(text, after) if shell else None
    if tail is not None:
        pieces.append(tail.group())
        end = tail.end()
    joined = Value(start, end, "".join(pieces), True)
    return [alone] if len(pieces) == 1 else [joined, alone]


def _closing(text: str, opened: re.Match[str]) -> int:
    """Where the quote that `opened` begins ends.

    A quote behind ``2**n - 1`` backslashes belongs to a text that was escaped n times; the one
    that closes it has as many, besides those that escape backslashes of the text itself.
    """
    quote, limit = opened["q"], min(len(text), opened.end() + _VALUE_LONGEST)
    if len(quote.lstrip("\\")) == 3:
        at = text.find(quote, opened.end(), limit)
        return at if at >= 0 else limit
    level = len(quote) - 1
    for mark in _QUOTE.finditer(text, opened.end(), limit):
        if mark.group() == "\n":
            return mark.start()
        slashes = len(mark["slashes"])
        if mark["q"] == quote[-1] and slashes % (2 * (level + 1)) == level:
            return mark.end() - len(quote)
    return limit


def bare_values(text: str, at: int, style: str) -> list[Value]:
    """How far an unquoted value may go: in a line to its end, or to the first space."""
    run = {"env": _ENV, "line": _LINE, "xml": _XML}.get(style, _BARE)
    found = run.beginning.match(text, at)
    if found is None:
        return []
    value = found.group().rstrip()
    tail = _QUOTED_TAIL.match(text, found.end()) if style == "env" else None
    if tail is not None:
        return [Value(at, tail.end(), value + tail.group()[1:-1], False)]
    if style == "env":
        value = value.rstrip("),;}]")
    if not value:
        return []
    rest = run.rest if len(value) == len(found.group()) else None
    values = [Value(at, at + len(value), value, False, rest)]
    first = value.split(None, 1)[0].rstrip(",;")
    if style == "line" and 0 < len(first) < len(value):
        values.append(Value(at, at + len(first), first, False))
    return values


def whole_end(value: Value, text: str) -> int:
    rest = value.rest.match(text, value.end) if value.rest else None
    return rest.end() if rest else value.end


# --- is it a secret?

REFERENCE = re.compile(
    r"[$<{\[*@]|%[A-Za-z_]\w*%|%[sdr(]|\.{3}|…|!(?:ref|sub|secret|vault|env|getatt)\b"
    r"|x{3,}|your\b|your[_-]|change[_-]?me|vault:|arn:|ssm:|op://|secrets\.|process\.env|os\.environ"
    r"|env\.|env\(|getenv|self\.|this\.|config\.|settings\.",
    re.IGNORECASE,
)
_INTERPOLATED = re.compile(
    r"\$?\{\{?[^{}\n]{1,120}\}\}?|\$\([^()\n]{1,120}\)|%\(\w+\)s|%s|\$[A-Za-z_]\w*"
)
_NOTHING = frozenset(
    "none null nil true false yes no on off undefined empty unset required optional string str"
    " text number integer int bool boolean bytes object any unknown void char varchar password"
    " passwd pwd pass secret token key value hidden redacted masked example placeholder dummy todo"
    " tbd default invalid incorrect wrong missing expired changed include same-origin omit inherit"
    " prompt bearer basic sensitive protected disabled enabled username user name email auto test"
    " prohibited permit without-password forced-commands-only data input raw hash plain".split()
)
_MESSAGE = re.compile(
    r"\b(?:must|least|required|enter|invalid|characters?|please|your|forgot|the|is|are|not|reset)\b",
    re.IGNORECASE,
)
IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)*[?!]?\Z")
_CALL = re.compile(r"(?:await |new |&|\*|!)?[A-Za-z_$][\w$.:>?-]{0,80}[(\[{]")
_WORDY = re.compile(
    r"(?:[A-Za-z]{1,15}\d{0,3}|v?\d{1,4})(?:[_.:/ -](?:[A-Za-z]{1,15}\d{0,2}|v?\d{1,4}))*\Z"
)
_FILE_NAME = re.compile(r"[\w./~-]{1,200}\.[a-z]{1,5}\Z")
_LISTED = re.compile(r"[a-z_]+(?::\w+)?(?:\|[a-z_]+(?::[\w,]+)?)+\Z")


def has_digit(value: str) -> bool:
    return any(c.isdigit() for c in value)


def _changes_case_often(value: str) -> bool:
    """Tells ``kQzRtWmXpLnB…`` from ``authenticationString``."""
    changes = sum(a.isupper() != b.isupper() for a, b in zip(value, value[1:]))
    return changes * 4 > len(value)


def is_random(value: str) -> bool:
    """Whether the value looks made up by a machine, not written by a person."""
    if len(value) < 8 or any(c.isspace() for c in value):
        return False
    if value.startswith(("/", "./", "~/")) or "://" in value or _CALL.match(value):
        return False
    mixed = len(value) >= 20 and value.isalnum() and _changes_case_often(value)
    if not any(c.isalpha() for c in value) or not (has_digit(value) or mixed):
        return False
    return mixed or not (_WORDY.match(value) or _FILE_NAME.match(value))


def is_secret(name: Name, style: str, value: Value, text: str) -> bool:
    literal = value.text.strip()
    if REFERENCE.match(literal):
        return False
    literal = _INTERPOLATED.sub("", literal) if style != "env" or not value.quoted else literal
    bare_words = literal.strip(" .,:;!?)").lower()
    if (
        len(literal) < 3
        or not any(c.isalnum() for c in literal)
        or bare_words in _NOTHING
        or _LISTED.match(literal)
    ):
        return False
    if name.kind == "password":
        return _is_password(style, value, literal, text)
    if bare_words.replace(".", "").replace("-", "").isdigit():
        return False
    if name.kind == "signature":
        return style == "query" and len(literal) >= 32 and is_random(literal)
    if name.weak:
        return _is_weakly_named_secret(name, style, literal)
    if style == "env":
        path = literal.startswith(("/", "./", "~/")) or "://" in literal or _CALL.match(literal)
        return len(literal) >= 4 and not path
    if style in ("query", "flag"):
        return len(literal) >= 16 or (len(literal) >= 6 and has_digit(literal))
    if not value.quoted and (IDENTIFIER.match(literal) or style == "code"):
        # An identifier or expression, unless it is far too random for one.
        return is_random(literal) and len(literal) >= 16 and "." not in literal
    # Names stand in lists side by side, too: ("AccessToken", "AccessTokenProvider").
    return is_random(literal) and (style != "args" or has_digit(literal))


def _is_weakly_named_secret(name: Name, style: str, literal: str) -> bool:
    if name.kind == "key" and not (name.full.isupper() and "_" in name.full):
        return False
    if style == "env" and name.kind == "key":
        return len(literal) >= 6 and not literal.startswith(("/", "./", "~/"))
    return len(literal) >= 12 and is_random(literal) and style != "args"


def _is_password(style: str, value: Value, literal: str, text: str) -> bool:
    if literal.startswith(("/", "~/", "./")) or _CALL.match(literal):
        return False
    telling = has_digit(literal) or any(not c.isalnum() and c not in "_. -" for c in literal)
    named_after = "passw" in literal.lower() and not has_digit(literal)
    if style == "env":
        return len(literal) >= 4 and not (literal.isupper() and named_after)
    if style in ("args", "flag"):
        return telling and len(literal) >= 6 and not (style == "args" and _WORDY.match(literal))
    if style in ("query", "pair", "xml"):
        return not named_after
    if value.quoted:
        if " " in literal:
            return literal.islower() and len(literal) >= 12 and not _MESSAGE.search(literal)
        return not named_after and not literal.endswith((":", "?"))
    if " " in literal or literal[-1] in ",;:({[" or named_after:
        return False
    code = text[value.end : value.end + 1] in (",", ")", "(", ".", "[")
    if IDENTIFIER.match(literal):
        plain = literal.isalpha() and literal.islower() and len(literal) >= 6
        return (
            not code
            and "." not in literal
            and ((telling and len(literal) >= 5) or (style == "line" and plain))
        )
    return telling and not code
