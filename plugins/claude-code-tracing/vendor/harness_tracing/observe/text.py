"""Words for people: durations, token counts, money, times; and traced text made harmless.

What a trace holds was written by models, tools and web pages. Before any of it reaches a
terminal it passes :func:`plain`, so that it cannot move the cursor, change colours, retitle
the window or reorder the line.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection
from typing import Any, Optional

# Escape sequences as terminals read them: CSI, the string kinds (OSC, DCS, SOS, PM, APC, ended
# by BEL or ST), and two-character ones. A string that never ends takes its introducer only.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,64}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,64}[0-Z\\^-~]"
)
# What stays dangerous or invisible: C0 save tab and newline, C1, bidirectional overrides and
# isolates, line separators, byte-order marks, lone surrogates.
_UNSAFE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_SHORT_ID = 8
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_CONTROLS = f"[{_UNSAFE}]"


def plain(text: str) -> str:
    """The text without terminal escapes; other control characters become visible signs.

    Keeps newlines (``\\r\\n`` counts as one) and turns tabs into spaces.
    """
    if text.isprintable():  # as most are, and then no pattern need be compiled
        return text
    text = re.sub(_ESCAPES, "", text.replace("\r\n", "\n"))
    return re.sub(_CONTROLS, _visible, text).replace("\t", "    ")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def first_line(text: Optional[str]) -> str:
    """The first line that says something, harmless, its runs of blanks drawn together."""
    for line in plain(text or "").split("\n"):
        words = " ".join(line.split())
        if words:
            return words
    return ""


def json_text(value: Any, *, only_ascii: bool = False) -> str:
    """JSON that is safe to print on a terminal: control characters stand as ``\\uXXXX``.

    NaN and infinities, which JSON does not know, become null. `only_ascii` escapes all that
    is not ASCII, for outputs that cannot take it.
    """
    import json

    text = json.dumps(_finite(value), ensure_ascii=only_ascii, indent=2, allow_nan=False)
    # They can only stand inside strings, where an escape means the same.
    return re.sub(_CONTROLS, _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    import json

    return json.dumps(match.group())[1:-1] if ord(match.group()) != 0x7F else "\\u007f"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def duration(ns: Optional[int]) -> str:
    """``340 ms``, ``1.2 s``, ``3 m 12 s``, ``2 h 5 m``, ``3 d 4 h``; empty when not known."""
    if ns is None:
        return ""
    milliseconds = round(ns / 1_000_000)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    tenths = round(ns / 100_000_000)
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    seconds = round(ns / 1_000_000_000)
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} m"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def tokens(count: Optional[int]) -> str:
    """``512``, ``12.3k``, ``1.2M``; a question mark when not known."""
    if count is None:
        return "?"
    if count < 1000:
        return str(count)
    if round(count / 100) < 10_000:
        return f"{count / 1000:.1f}k"
    return f"{count / 1_000_000:.1f}M"


def money(usd: float) -> str:
    """``$1.25`` or, below ten cents, with four places (``$0.0213``); never a false zero."""
    if usd == 0 or usd >= 0.1:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.00005 else "< $0.0001"


def clock(at_ns: int, zone: Optional[datetime.tzinfo] = None) -> str:
    """The time of day in `zone` (None: the user's own): ``14:03:12``."""
    return _local(at_ns, zone).strftime("%H:%M:%S")


def moment(at_ns: int, zone: Optional[datetime.tzinfo] = None) -> str:
    """Day and time in `zone` (None: the user's own): ``2025-12-02 14:03``."""
    return _local(at_ns, zone).strftime("%Y-%m-%d %H:%M")


def _local(at_ns: int, zone: Optional[datetime.tzinfo]) -> datetime.datetime:
    return (_EPOCH + datetime.timedelta(seconds=at_ns // 1_000_000_000)).astimezone(zone)


def plural(count: int, noun: str) -> str:
    """``1 turn``, ``2 turns``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def telling_length(ids: Collection[str]) -> int:
    """As much of the ids as tells them apart: those made at the same time may begin alike."""
    different = set(ids)
    longest = max(map(len, different), default=_SHORT_ID)
    for length in range(_SHORT_ID, longest):
        if len({each[:length] for each in different}) == len(different):
            return length
    return longest
