"""Secrets that show by the name they stand under: ``DB_PASSWORD=…``, ``"apiKey": "…"``.

Reads shell, dotenv, JSON (also escaped inside JSON), YAML, INI, XML, URL queries, headers,
command line flags and source code. A name alone proves nothing in source code, where most values
are expressions and placeholders: :func:`_is_secret` weighs name, notation and value.
Works on text alone and imports nothing of ours but the type of a find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from harness_tracing.secret_tokens import Secret

_WORDS = (
    r"passw(?:or)?ds?|passphrase|passcode|pwd|secret|token|jwt|key|credentials?"
    r"|authorization|cookie|auth|sig(?:nature)?"
)
_AFTER = (
    r"(?:[_-]?\d{1,2}|[_-](?:prod|production|dev|test|live|staging|old|new|primary|secondary"
    r"|default|b64|base64|value|raw))?"
)
_SEPARATOR = (
    # password: str = "…"; char password[] = "…"; var password string = "…"
    r"\??[ \t]{0,8}:[ \t]{0,8}(?:optional\[)?(?:str|string|bytes|secretstr|&(?:'static )?str)\]?"
    r"(?:[ \t]{0,4}\|[ \t]{0,4}(?:none|null|undefined))?[ \t]{0,8}=(?!=)[ \t]{0,8}"
    r"|(?:\[\]|[ \t]string)[ \t]{0,8}=(?!=)[ \t]{0,8}"
    # "password": …; password=…; config["password"] = …
    r"|\\{0,7}[\"'`]?\\{0,7}[\])]?[ \t]{0,20}(?:=>|:=|:(?!:)|=(?!=))[ \t]{0,20}"
    # {"name": "DB_PASSWORD", "value": "…"}; <add key="Password" value="…">; the same in YAML
    r"|(?P<pair>\\{0,7}[\"'`]?[ \t]{0,4},?\s{0,20}\\{0,7}[\"']?\bvalue\\{0,7}[\"']?"
    r"[ \t]{0,4}[:=][ \t]{0,4})"
    r"|(?P<args>\\{0,7}[\"'`][ \t]{0,4},[ \t]{0,4}(?=[\"'`\\]))"
    r"|(?P<xml>>(?=[^<>\n]{1,200}</))"
)
_NAMED = re.compile(rf"(?P<word>{_WORDS}){_AFTER}(?P<sep>{_SEPARATOR})")
_FLAG = re.compile(rf"--(?!-)[a-z0-9-]{{0,30}}?(?P<word>{_WORDS})(?P<sep> )(?=[^\s-])")

_NAME_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
_KEY_OF_WHAT = re.compile(
    r"(?:api|app|application|access|secret|private|signing|encryption|decryption|auth|master"
    r"|service|account|ssh|deploy|license|storage|shared|client|consumer|subscription|admin"
    r"|webhook|root|hmac|aes|rsa|crypto|cipher|jwt|token|registration|integration|write|ingest"
    r"|instrumentation)[_.-]?\Z"
)
_NO_KEY_BEFORE = re.compile(
    r"(?:\A|[_.-])(?:primary|foreign|public|pub|sort|partition|cache|index|unique|row|hash|range"
    r"|hot|shortcut|map|dict|group|order|lookup|translation|i18n|issue|project|jira|table|column"
    r"|field|config|settings?|session|object|next|last|first|current|etag|context|event|message"
    r"|metric|label|feature|flag|idempotency|sequence|json|query|param)[_.-]?\Z"
)
_NO_TOKEN_BEFORE = re.compile(
    r"(?:\A|[_.-])(?:next|prev|previous|page|pagination|continuation|sync|cursor|pad|eos|bos|unk"
    r"|sep|cls|mask|stop|start|end|special|max|min|num|total|first|last|current|lexer|parser)"
    r"[_.-]?\Z"
)


@dataclass(frozen=True)
class _Name:
    """A name that calls its value a secret. `kind` is what a find is called."""

    kind: str
    full: str
    weak: bool


def _name(prefix: str, word: str, rest: str) -> Optional[_Name]:
    """What a name says, from what stands before its telling word, the word and what follows."""
    full = prefix + word + rest
    before = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", prefix).lower()
    lower = word.lower()
    if lower.startswith(("pass", "pwd")):
        return None if full.lower() in ("pwd", "oldpwd") else _Name("password", full, False)
    if (_NO_KEY_BEFORE if lower == "key" else _NO_TOKEN_BEFORE).search(before):
        return None
    if lower == "key":
        qualified = _KEY_OF_WHAT.search(before) is not None
        return _Name("api-key" if qualified else "key", full, not qualified)
    if lower == "auth":
        return _Name("token", full, True) if before in ("", "_") or before[-1] in "/:" else None
    if lower == "sig":
        return _Name("signature", full, False) if not prefix else None
    kinds = {"jwt": "token", "credentials": "credential"}
    return _Name(kinds.get(lower, lower), full, lower.startswith("credential"))


_KEY_NAME = re.compile(rf"(?P<word>{_WORDS})(?P<rest>s|{_AFTER})\Z", re.IGNORECASE)


def secret_kind_of_name(name: str) -> Optional[str]:
    """The kind of secret a JSON key of this name holds, or None when it holds none."""
    found = _KEY_NAME.search(name[-80:])
    if found is None or (found["rest"] == "s" and found["word"].lower() in ("token", "key")):
        return None
    named = _name(name[-80:][: found.start()], found["word"], found["rest"])
    if named is None or named.kind == "signature":
        return None
    if named.weak and named.kind != "credential":
        upper = named.full.isupper() and "_" in named.full
        return named.kind if upper or named.full in ("auth", "_auth") else None
    return named.kind


# --- values

_QUOTE_OPEN = re.compile(r"(?:[rbfuRBFU]{1,2}(?=[\"']))?(?P<q>\\{0,7}(?:\"\"\"|'''|[\"'`]))")
_QUOTE = re.compile(r"(?P<slashes>\\*)(?P<q>[\"'`])|\n")
_CONCATENATED = re.compile(r"[ \t]{0,40}[+.]?[ \t]{0,40}(?:\\?\n[ \t]{0,80})?[rbfu]?(?=[\"'])")
_SHELL_TAIL = re.compile(
    r"(?:\"[^\s\"\\]{0,200}\"|'[^\s']{0,200}'|[^\s\"'`\\;&|()<>,:\]}]{1,200}){1,8}"
)
_QUOTED_TAIL = re.compile(r"([\"'])[^\s\"'\\]{1,200}\1")


class _Run:
    """What an unquoted value consists of. It is judged by its beginning and taken whole."""

    def __init__(self, piece: str) -> None:
        self.beginning = re.compile(rf"(?:{piece}){{1,160}}")
        self.rest = re.compile(rf"(?:{piece})*")


_ENV = _Run(r"[^\s\"'`\\]|\\(?![nrt\"'`\\])")
_LINE = _Run(r"[^\n\"'`\\#]|(?<! )#")
_BARE = _Run(r"[^\s\"'`\\<>,;&(){}\[\]|]")
_XML = _Run(r"[^<>\n]")
_CREDENTIAL = _Run(r"[^\s\"'`\\,;)}\]]")
_TO_LINE_END = _Run(r"[^\n\"'`\\]")
_VALUE_LONGEST = 8_000


@dataclass(frozen=True)
class _Value:
    """A value and where it stands; `rest` matches what of a long one has not been read yet."""

    start: int
    end: int
    text: str
    quoted: bool
    rest: Optional[re.Pattern[str]] = None


def _quoted(text: str, found: re.Match[str], shell: bool) -> Optional[_Value]:
    start, end = found.end(), _closing(text, found)
    pieces = [text[start:end]]
    after = min(len(text), end + len(found["q"]))
    for _ in range(3):
        more = _CONCATENATED.match(text, after) if found["q"] in "\"'" else None
        if more is None or (not more.group() and not shell):
            break
        opened = _QUOTE_OPEN.match(text, more.end())
        if opened is None:
            break
        end = _closing(text, opened)
        pieces.append(text[opened.end() : end])
        after = min(len(text), end + len(opened["q"]))
    tail = _SHELL_TAIL.match(text, after) if shell and found["q"] in "\"'" else None
    if tail is not None and after <= len(text):
        pieces.append(tail.group())
        end = tail.end()
    return _Value(start, end, "".join(pieces), True)


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


def _bare(text: str, at: int, style: str) -> Optional[_Value]:
    run = {"env": _ENV, "line": _LINE, "xml": _XML}.get(style, _BARE)
    found = run.beginning.match(text, at)
    if found is None:
        return None
    value = found.group().rstrip()
    if style == "env":
        tail = _QUOTED_TAIL.match(text, found.end())
        if tail is not None:
            return _Value(at, tail.end(), value + tail.group()[1:-1], False)
        value = value.rstrip("),;}]")
    if len(value) < len(found.group()):
        return _Value(at, at + len(value), value, False) if value else None
    return _Value(at, found.end(), value, False, run.rest)


def _whole_end(value: _Value, text: str) -> int:
    rest = value.rest.match(text, value.end) if value.rest else None
    return rest.end() if rest else value.end


# --- is it a secret?

_REFERENCE = re.compile(
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
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)*[?!]?\Z")
_CALL = re.compile(r"(?:await |new |&|\*|!)?[A-Za-z_$][\w$.:>?-]{0,80}[(\[{]")
_WORDY = re.compile(
    r"(?:[A-Za-z]{1,15}\d{0,3}|v?\d{1,4})(?:[_.:/ -](?:[A-Za-z]{1,15}\d{0,2}|v?\d{1,4}))*\Z"
)
_FILE_NAME = re.compile(r"[\w./~-]{1,200}\.[a-z]{1,5}\Z")
_LISTED = re.compile(r"[a-z_]+(?::\w+)?(?:\|[a-z_]+(?::[\w,]+)?)+\Z")


def _has_digit(value: str) -> bool:
    return any(c.isdigit() for c in value)


def _changes_case_often(value: str) -> bool:
    """Tells ``kQzRtWmXpLnB…`` from ``authenticationString``."""
    changes = sum(a.isupper() != b.isupper() for a, b in zip(value, value[1:]))
    return changes * 4 > len(value)


def _is_random(value: str) -> bool:
    """Whether the value looks made up by a machine, not written by a person."""
    if len(value) < 8 or any(c.isspace() for c in value):
        return False
    if value.startswith(("/", "./", "~/")) or "://" in value or _CALL.match(value):
        return False
    mixed = len(value) >= 20 and value.isalnum() and _changes_case_often(value)
    if not any(c.isalpha() for c in value) or not (_has_digit(value) or mixed):
        return False
    return mixed or not (_WORDY.match(value) or _FILE_NAME.match(value))


def _is_secret(name: _Name, style: str, value: _Value, text: str) -> bool:
    literal = value.text.strip()
    if _REFERENCE.match(literal):
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
        return style == "query" and len(literal) >= 32 and _is_random(literal)
    if name.weak:
        return _is_weakly_named_secret(name, style, literal)
    if style == "env":
        path = literal.startswith(("/", "./", "~/")) or "://" in literal or _CALL.match(literal)
        return len(literal) >= 4 and not path
    if style in ("query", "flag"):
        return len(literal) >= 16 or (len(literal) >= 6 and _has_digit(literal))
    if not value.quoted and (_IDENTIFIER.match(literal) or style == "code"):
        # An identifier or expression, unless it is far too random for one.
        return _is_random(literal) and len(literal) >= 16 and "." not in literal
    return _is_random(literal)


def _is_weakly_named_secret(name: _Name, style: str, literal: str) -> bool:
    if name.kind == "key" and not (name.full.isupper() and "_" in name.full):
        return False
    if style == "env" and name.kind == "key":
        return len(literal) >= 6 and not literal.startswith(("/", "./", "~/"))
    return len(literal) >= 12 and _is_random(literal)


def _is_password(style: str, value: _Value, literal: str, text: str) -> bool:
    if literal.startswith(("/", "~/", "./")) or _CALL.match(literal):
        return False
    telling = _has_digit(literal) or any(not c.isalnum() and c not in "_. -" for c in literal)
    named_after = "passw" in literal.lower() and not _has_digit(literal)
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
    if " " in literal or literal[-1] in ",;({[" or named_after:
        return False
    code = text[value.end : value.end + 1] in (",", ")", "(", ".", "[")
    if _IDENTIFIER.match(literal):
        plain = literal.isalpha() and literal.islower() and len(literal) >= 6
        return (
            not code
            and "." not in literal
            and ((telling and len(literal) >= 5) or (style == "line" and plain))
        )
    return telling and not code


# --- headers

_SCHEME = re.compile(
    r"(?:bearer|basic|token|apikey|api-key|key|bot|splunk|sharedkey|negotiate|ntlm)[ \t]{1,4}"
    r"|(?P<list>digest|aws4-hmac-sha256|oauth|signature)[ \t]{1,4}",
    re.IGNORECASE,
)
_COOKIES = re.compile(r"[\w.-]{1,100}=[^\n\"'`\\]{8}[^\n\"'`\\]*")
_OPEN_ANY = re.compile(r"(?:[rbfu]{1,2}(?=[\"']))?\\{0,7}[\"'`]")


def _header(text: str, at: int, word: str, colon: bool) -> Optional[Secret]:
    """The value of an ``Authorization`` or ``Cookie`` header; its scheme stays readable."""
    opened = _OPEN_ANY.match(text, at)
    at = opened.end() if opened else at
    if word == "cookie":
        cookies = _COOKIES.match(text, at) if colon else None
        return Secret(at, cookies.end(), "cookie", 4) if cookies else None
    scheme = _SCHEME.match(text, at)
    start = scheme.end() if scheme else at
    run = _TO_LINE_END if scheme and scheme["list"] else _CREDENTIAL
    found = run.beginning.match(text, start)
    if found is None or _REFERENCE.match(found.group()):
        return None
    value = found.group()
    telling = _has_digit(value) or "=" in value or not (value.islower() or value.istitle())
    if scheme is None and (not _is_random(value) or (not opened and value.isidentifier())):
        return None
    if len(value) < 6 or not telling or (_IDENTIFIER.match(value) and "." in value):
        return None
    rest = run.rest.match(text, found.end())
    return Secret(start, rest.end() if rest else found.end(), "authorization", 3)


# --- finding them

_EXPORT = re.compile(r"(?:export|set|setenv|env|-e|--env|arg|ENV|ARG)[ \t]{1,4}[\"']?\Z")
_LINE_START = re.compile(r"(?:\A|\n|\\n)[ \t]{0,80}(?:- )?\Z")


def _style(found: re.Match[str], name: _Name, before: str, quoted_name: bool) -> str:
    groups = found.groupdict()
    for style in ("pair", "args", "xml"):
        if groups.get(style):
            return style
    separator = found["sep"]
    if separator == " " or before.endswith("--"):
        return "flag"
    if separator == "=" and before[-1:] in ("?", "&"):
        return "query"
    if separator == "=" and (name.full.isupper() or _EXPORT.search(before)):
        return "env"
    if not quoted_name and _LINE_START.search(before):
        return "line" if separator.strip() != ":=" else "code"
    return "code"


def _judge(text: str, found: re.Match[str]) -> Optional[Secret]:
    start, at = found.start("word"), found.end()
    head = text[max(0, start - 60) : start]
    bare_head = head.rstrip(_NAME_CHARS)
    prefix = head[len(bare_head) :]
    if bare_head.endswith("\\") and prefix[:1] in ("n", "r", "t"):
        bare_head, prefix = bare_head + prefix[0], prefix[1:]
    dashes = len(prefix) - len(prefix.lstrip("-"))
    before, prefix = bare_head + prefix[:dashes], prefix[dashes:]
    if found.groupdict().get("xml") and before[-1:] != "<":
        return None
    word = found["word"].lower()
    if word in ("authorization", "cookie"):
        return _header(text, at, word, ":" in found["sep"])
    rest = text[found.end("word") : found.start("sep")]
    name = _name(prefix, text[start : found.end("word")], rest)
    if name is None:
        return None
    style = _style(found, name, before, before[-1:] in ('"', "'", "`"))
    opened = _QUOTE_OPEN.match(text, at) if style != "xml" else None
    value = _quoted(text, opened, style == "env") if opened else _bare(text, at, style)
    if value is None or not _is_secret(name, style, value, text):
        return None
    return Secret(value.start, _whole_end(value, text), name.kind, 6)


def find_named(text: str) -> Iterator[Secret]:
    """Every secret in `text` that shows by its name; finds may overlap, in no order."""
    lower = text.lower()
    if len(lower) != len(text):
        # Only the dotted capital I grows when lowered; positions must stay the same.
        lower = text.replace("\u0130", "I").lower()
    for pattern in (_NAMED, _FLAG):
        done = 0
        for found in pattern.finditer(lower):
            secret = _judge(text, found) if found.start() >= done else None
            if secret is not None:
                done = secret.end
                yield secret
