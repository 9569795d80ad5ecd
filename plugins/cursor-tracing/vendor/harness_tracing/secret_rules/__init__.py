"""Replaces the secrets in a text by ``[redacted:<kind>]``.

The rules are our own, small and tested against two corpora (what must be found, what must not):
docs/dependencies.md says why no library does it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from harness_tracing.secret_rules.names import find_named, secret_kind_of_name
from harness_tracing.secret_rules.tokens import Secret, find_tokens

__all__ = ["Secret", "find", "redact_text", "secret_kind_of_name"]

_SHORTEST = 8
_MARK = re.compile(r"\[redacted:[A-Za-z0-9_-]{1,40}\]")


def find(
    text: str, extra: Iterable[tuple[str, re.Pattern[str]]] = (), rules: bool = True
) -> list[Secret]:
    """The secrets in `text`, in order, none overlapping.

    `extra` are a user's own (kind, pattern); where a pattern has a group ``secret`` only that
    part counts. Overlapping finds become one that covers them all. `rules` off: only `extra`.
    """
    found = list(_own(text, extra))
    if rules and len(text) >= _SHORTEST:
        found += find_tokens(text)
        found += find_named(text)
    if "[redacted:" in text:
        # What stands in a secret's place is none: redacting twice changes nothing more.
        found = _outside_marks(found, text)
    found.sort(key=lambda secret: (secret.start, secret.end))
    merged: list[Secret] = []
    for secret in found:
        if merged and secret.start < merged[-1].end:
            merged[-1] = _union(merged[-1], secret)
        elif secret.end > secret.start:
            merged.append(secret)
    return merged


def redact_text(
    text: str, extra: Iterable[tuple[str, re.Pattern[str]]] = (), rules: bool = True
) -> tuple[str, int]:
    """`text` with each secret replaced, and how many there were; arguments as for `find`."""
    secrets = find(text, extra, rules)
    if not secrets:
        return text, 0
    pieces, at = [], 0
    for secret in secrets:
        pieces += [text[at : secret.start], f"[redacted:{secret.kind}]"]
        at = secret.end
    pieces.append(text[at:])
    return "".join(pieces), len(secrets)


def _outside_marks(found: list[Secret], text: str) -> list[Secret]:
    marks = [mark.span() for mark in _MARK.finditer(text)]
    starts = [start for start, _ in marks]

    def is_outside(secret: Secret) -> bool:
        before = bisect_right(starts, secret.start) - 1
        return before < 0 or secret.start >= marks[before][1]

    return list(filter(is_outside, found))


def _own(text: str, extra: Iterable[tuple[str, re.Pattern[str]]]) -> Iterable[Secret]:
    for kind, pattern in extra:
        group = "secret" if "secret" in pattern.groupindex else 0
        for found in pattern.finditer(text):
            if found.group(group):
                yield Secret(found.start(group), found.end(group), kind, 0)


def _union(a: Secret, b: Secret) -> Secret:
    named = a if a.rank <= b.rank else b
    return Secret(a.start, max(a.end, b.end), named.kind, named.rank)
