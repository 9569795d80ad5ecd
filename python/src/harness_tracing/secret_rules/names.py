"""Secrets that show by the name they stand under: ``DB_PASSWORD=…``, ``"apiKey": "…"``.

Reads shell, dotenv, JSON (also escaped inside JSON), YAML, INI, XML, URL queries, headers,
command line flags and source code. A name alone proves nothing in source code, where most values
are expressions and placeholders: :func:`is_secret` weighs name, notation and value.
Works on text alone and imports nothing else of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from harness_tracing.secret_rules.tokens import Secret
from harness_tracing.secret_rules.values import (
    CREDENTIAL,
    IDENTIFIER,
    QUOTE_OPEN,
    REFERENCE,
    TO_LINE_END,
    Name,
    bare_values,
    has_digit,
    is_random,
    is_secret,
    quoted_values,
    whole_end,
)

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
# With one of these begins every word of _WORDS: where none stands, nothing has to be matched.
_BEGINNINGS = ("pass", "pwd", "secret", "credential", "auth", "sig")
# These are told by a letter that other words seldom have, each as far behind its beginning.
_LETTER_K = re.compile(
    r"k(?:(?P<key>(?=ey))|(?P<token>(?<=tok)(?=en))|(?P<cookie>(?<=cook)(?=ie)))"
)
_LETTER_J = re.compile(r"j(?=wt)")
_BEFORE_K = {"key": 0, "token": 2, "cookie": 3}
_NAMED = re.compile(rf"(?P<word>{_WORDS}){_AFTER}(?P<sep>{_SEPARATOR})")
# It begins with one letter alone, for which there is a quick search.
_FLAG = re.compile(rf"-(?<=--)(?!-)[a-z0-9-]{{0,30}}?(?P<word>{_WORDS})(?P<sep> )(?=[^\s-])")

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


def _name(prefix: str, word: str, rest: str) -> Optional[Name]:
    """What a name says, from what stands before its telling word, the word and what follows."""
    full = prefix + word + rest
    before = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", prefix).lower()
    lower = word.lower()
    if lower.startswith(("pass", "pwd")):
        return None if full.lower() in ("pwd", "oldpwd") else Name("password", full, False)
    if (_NO_KEY_BEFORE if lower == "key" else _NO_TOKEN_BEFORE).search(before):
        return None
    if lower == "key":
        qualified = _KEY_OF_WHAT.search(before) is not None
        return Name("api-key" if qualified else "key", full, not qualified)
    if lower == "auth":
        return Name("token", full, True) if before in ("", "_") or before[-1] in "/:" else None
    if lower == "sig":
        return Name("signature", full, False) if not prefix else None
    kinds = {"jwt": "token", "credentials": "credential"}
    return Name(kinds.get(lower, lower), full, lower.startswith("credential"))


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
    run = TO_LINE_END if scheme and scheme["list"] else CREDENTIAL
    found = run.beginning.match(text, start)
    if found is None or REFERENCE.match(found.group()):
        return None
    value = found.group()
    telling = has_digit(value) or "=" in value or not (value.islower() or value.istitle())
    if scheme is None and (not is_random(value) or (not opened and value.isidentifier())):
        return None
    if len(value) < 6 or not telling or (IDENTIFIER.match(value) and "." in value):
        return None
    rest = run.rest.match(text, found.end())
    return Secret(start, rest.end() if rest else found.end(), "authorization", 3)


# --- finding them

_EXPORT = re.compile(r"(?:export|set|setenv|env|-e|--env|arg|ENV|ARG)[ \t]{1,4}[\"']?\Z")
_QUOTES = ('"', "'", "`", "\\")
# Also behind what tools put before a line: a number, a file's name, a mark of a diff.
_LINE_START = re.compile(
    r"(?:\A|\n|\\n)(?:[+-]|(?:[^\s:]{1,50}:)?[ \t]{0,8}\d{1,6}(?:\t|\\t|→|[:|-]))?"
    r"[ \t]{0,60}(?:- )?\Z"
)


def _style(found: re.Match[str], name: Name, before: str) -> str:
    """The notation a name and its value are written in."""
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
    if separator.strip() == ":=" or (before[-1:] in _QUOTES and separator[:1] in _QUOTES):
        return "code"
    in_literal = before[-1:] in _QUOTES and separator.startswith(":")
    header = "-" in name.full and separator.startswith(": ")
    return "line" if in_literal or header or _LINE_START.search(before) else "code"


def _judge(text: str, found: re.Match[str]) -> Optional[Secret]:
    start, at = found.start("word"), found.end()
    word = found["word"]
    if word == "key" and (start == 0 or text[start - 1] not in _NAME_CHARS):
        return None  # a mere "key" is the most frequent name of all, and never a secret's
    head = text[max(0, start - 60) : start]
    bare_head = head.rstrip(_NAME_CHARS)
    prefix = head[len(bare_head) :]
    if bare_head.endswith("\\") and prefix[:1] in ("n", "r", "t"):
        bare_head, prefix = bare_head + prefix[0], prefix[1:]
    dashes = len(prefix) - len(prefix.lstrip("-"))
    before, prefix = bare_head + prefix[:dashes], prefix[dashes:]
    if found.groupdict().get("xml") and before[-1:] != "<":
        return None
    if word in ("authorization", "cookie"):
        return _header(text, at, word, ":" in found["sep"])
    rest = text[found.end("word") : found.start("sep")]
    name = _name(prefix, text[start : found.end("word")], rest)
    if name is None:
        return None
    style = _style(found, name, before)
    opened = QUOTE_OPEN.match(text, at) if style != "xml" else None
    shell = style == "env"
    values = quoted_values(text, opened, shell) if opened else bare_values(text, at, style)
    for value in values:
        if is_secret(name, style, value, text):
            return Secret(value.start, whole_end(value, text), name.kind, 6)
    return None


def find_named(text: str) -> Iterator[Secret]:
    """Every secret in `text` that shows by its name; finds may overlap, in no order."""
    lower = text.lower()
    if len(lower) != len(text):
        # Only the dotted capital I grows when lowered; positions must stay the same.
        lower = text.replace("\u0130", "I").lower()
    places = _places(lower)
    if not places:
        return
    for matches in (_matches(lower, places), _FLAG.finditer(lower) if "--" in lower else ()):
        done = 0
        for found in matches:
            secret = _judge(text, found) if found.end() >= done else None
            if secret is not None:
                done = secret.end
                yield secret


def _places(lower: str) -> list[int]:
    """Where telling words may begin, in order."""
    places = [found.start() for found in _LETTER_J.finditer(lower)]
    places += [
        found.start() - _BEFORE_K[found.lastgroup or ""] for found in _LETTER_K.finditer(lower)
    ]
    for beginning in _BEGINNINGS:
        at = lower.find(beginning)
        while at >= 0:
            places.append(at)
            at = lower.find(beginning, at + 1)
    places.sort()
    return places


def _matches(lower: str, places: list[int]) -> Iterator[re.Match[str]]:
    """What `_NAMED.finditer` gives, without its trying every letter of the text."""
    end = 0
    for at in places:
        found = _NAMED.match(lower, at) if at >= end else None
        if found is not None:
            end = found.end()
            yield found
