"""A user's months of sessions, made from the recordings: the same bytes each time.

Every recording with files is there once a round under new ids and on another day; the long ones
and the plain tool cycle come oftener, over several turns. What recordings keep as a mere length
(the client's own texts, as its system prompt) is filled up to it, alike in all copies, and short
outputs of tools become texts of the sizes that such outputs have, cut from this repository's own
code and pages. The recorded model answered within milliseconds: everything takes sixty times as
long here.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, Union

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "tests" / "recordings"
FIRST_DAY = date(2026, 3, 2)
DAYS, DAYS_APART = 200, 7
RECORDED_ON = date(2026, 11, 22)
PROJECTS = 12
# What a round holds besides every recording once: which, how often, over how many turns at most.
OFTENER = (
    ("claude-code/long_session", 3, 4),
    ("claude-code/tool_cycle", 4, 12),
    ("codex/long_session", 4, 1),
)
# Outputs in characters: half are shorter than the median; as long as a client lets them be at most.
OUTPUT_MEDIAN, OUTPUT_SPREAD, OUTPUT_MOST = 1_000, 1.3, 30_000
FILE_MEDIAN = 4_000
SLOWER = 60

_SLOT = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<id>\b(?:toolu|msg|req|resp)_(?=\w))"
    r"|(?P<day>2026-11-\d\d(?=T\d\d:\d\d:))"
    r"|(?P<clock>(?<=_at\":)\d{10}\b|(?<=_at_ms\":)\d{13}\b)"
    r"|(?P<project>order-pricing)"
    r"|\[(?:text|json): (?P<text>\d+) chars\]"
    r"|@(?P<out>out|numbered|file)(?P<number>\d+)@"
)
_TIME = re.compile(
    r"(?P<iso>2026-11-\d\dT\d\d:\d\d:\d\d\.\d+)(?=Z)"
    r"|(?P<clock>(?<=_at\":)\d{10}\b|(?<=_at_ms\":)\d{13}\b)"
)


@dataclass(frozen=True)
class Corpus:
    """What was written: sessions are main files, those of sub-agents belong to one."""

    home: Path
    megabytes: float
    files: int


@dataclass(frozen=True)
class _Slot:
    """A place in a recorded text that differs from copy to copy."""

    kind: str
    text: str


_Parts = Sequence[Union[str, _Slot]]


@dataclass(frozen=True)
class _Template:
    """A recording cut at its slots; `own` are the ids of its sessions, which turns share."""

    name: str
    files: tuple[tuple[_Parts, _Parts, _Parts], ...]
    own: frozenset[str]


def write(home: Path, megabytes: float, seed: int = 7) -> Corpus:
    """Write transcripts and rollouts into a user's home until it has that many (10^6 bytes)."""
    chance = random.Random(seed)
    words = _Words.read()
    often = [(_template(RECORDINGS / name), count, turns) for name, count, turns in OFTENER]
    once = [(_template(folder), 1, 1) for folder in _recorded()]
    plan = [(each, turns) for each, count, turns in [*once, *often] for _ in range(count)]
    copies: Counter[str] = Counter()
    written = files = copy = 0
    while written < megabytes * 1e6:
        chance.shuffle(plan)
        for template, turns in plan:
            copy += 1
            # No two copies on one day: who knows calls by their time would count them as one.
            day = (DAYS_APART * copies[template.name] + len(template.name)) % DAYS
            copies[template.name] += 1
            render = _Copy(copy, day, words, chance)
            count = chance.randint(1, turns)
            for path, text in render.files(template, count):
                written += _put(home / path, text, day + count)
                files += 1
            if written >= megabytes * 1e6:
                break
    return Corpus(home, written / 1e6, files)


def _recorded() -> list[Path]:
    names = ("claude-code", "claude-code-own", "codex", "codex-own")
    found = (path for name in names for path in (RECORDINGS / name).glob("*/home"))
    return sorted(path.parent for path in found if any(path.rglob("*.jsonl")))


def _put(path: Path, text: str, day: int) -> int:
    """Write a file that was last changed at that day's end, after all that it tells of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    path.write_bytes(content)
    at = datetime.combine(FIRST_DAY, datetime.min.time(), timezone.utc) + timedelta(days=day + 1)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return len(content)


# -- recordings, cut at what differs


def _template(folder: Path) -> _Template:
    """Cut a recording: of each file its name, its text, and the text of a further turn."""
    home = folder / "home"
    files = []
    own: set[str] = set()
    slower = _Slower.of(home)
    for path in sorted(filter(Path.is_file, home.rglob("*"))):
        if path.suffix not in (".jsonl", ".json") or path.name == "history.jsonl":
            continue
        name = str(path.relative_to(home)).replace("dot-", ".")
        own.update(slot.text for slot in _cut(name) if isinstance(slot, _Slot))
        text = _TIME.sub(slower, path.read_text(encoding="utf-8"))
        lines = [_varied(line, number) for number, line in enumerate(text.split("\n"))]
        more = (line for line in lines if '"type":"session_meta"' not in line)
        files.append((_cut(name), _cut("\n".join(lines)), _cut("\n".join(more))))
    return _Template(folder.name, tuple(files), frozenset(own))


@dataclass(frozen=True)
class _Slower:
    """Stretches the times of a recording, from its first one on."""

    first: float

    @classmethod
    def of(cls, home: Path) -> _Slower:
        texts = (path.read_text(encoding="utf-8") for path in home.rglob("*.jsonl"))
        times = (found["iso"] for text in texts for found in _TIME.finditer(text) if found["iso"])
        return cls(_seconds(min(times)))

    def __call__(self, found: re.Match[str]) -> str:
        if found["iso"]:
            later = self.first + (_seconds(found["iso"]) - self.first) * SLOWER
            return datetime.fromtimestamp(later, timezone.utc).isoformat(timespec="milliseconds")[
                :-6
            ]
        unit = 1 if len(found["clock"]) == 10 else 1000
        seconds = int(found["clock"]) / unit - self.first
        return str(int((self.first + max(0.0, seconds) * SLOWER) * unit))


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso[:23] + "+00:00").timestamp()


def _cut(text: str) -> _Parts:
    parts: list[Union[str, _Slot]] = []
    at = 0
    for found in _SLOT.finditer(text):
        kind = str(found.lastgroup)
        if kind == "number":
            kind = found["out"]
        parts += [text[at : found.start()], _Slot(kind, found["number"] or found[kind])]
        at = found.end()
    parts.append(text[at:])
    return parts


def _varied(line: str, number: int) -> str:
    """A recorded line with marks where an output of a tool stands as plain text."""
    if '"tool_result"' not in line and "_output" not in line:
        return line
    value = json.loads(line)
    told = _claude_result(value, number) or _codex_output(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if told else line


def _claude_result(value: dict[str, Any], number: int) -> bool:
    result = value.get("toolUseResult")
    content = value.get("message", {}).get("content")
    if not isinstance(result, dict) or not isinstance(content, list) or len(content) != 1:
        return False
    block = content[0]
    if result.get("stdout") and result["stdout"] == block.get("content"):
        result["stdout"] = block["content"] = f"@out{number}@"
    elif result.get("type") == "text" and "content" in result.get("file", {}):
        result["file"]["content"] = f"@out{number}@"
        block["content"] = f"@numbered{number}@"
    elif result.get("originalFile"):
        result["originalFile"] = f"@file{number}@"
    else:
        return False
    return True


def _codex_output(value: dict[str, Any]) -> bool:
    payload = value.get("payload", {})
    item = payload.get("item") or {}
    called = str(payload.get("call_id") or item.get("id"))
    number = re.sub(r"\D", "", called)
    if payload.get("type") == "function_call_output" and "\nOutput:\n" in str(payload["output"]):
        head = payload["output"].split("\nOutput:\n")[0]
        payload["output"] = f"{head}\nOutput:\n@out{number}@"
        return bool(number)
    if item.get("type") == "CommandExecution" and item.get("aggregated_output") and number:
        item["aggregated_output"] = f"@out{number}@"
        return True
    return False


# -- filling them again


@dataclass(frozen=True)
class _Words:
    """Lines of real text as they stand inside JSON; a slice between two `starts` is whole."""

    plain: str
    starts: tuple[int, ...]
    numbered: str
    numbered_starts: tuple[int, ...]

    @classmethod
    def read(cls) -> _Words:
        sources = [*ROOT.glob("python/src/**/*.py"), *ROOT.glob("docs/*.md")]
        found: list[str] = []
        for source in sorted(sources):
            found += source.read_text(encoding="utf-8").split("\n")
        lines = [json.dumps(line, ensure_ascii=False)[1:-1] + "\\n" for line in found]
        numbered = [f"{n}\\t{line}" for n, line in enumerate(lines, 1)]
        return cls("".join(lines), _starts(lines), "".join(numbered), _starts(numbered))

    def lines(self, first: int, chars: int) -> int:
        """The number of the line that ends `chars` after the first one's beginning."""
        last = first + 1
        while last < len(self.starts) - 1 and self.starts[last] - self.starts[first] < chars:
            last += 1
        return last

    def text(self, first: int, last: int, numbered: bool = False) -> str:
        """The lines from the first up to the last, as JSON holds them."""
        if numbered:
            return self.numbered[self.numbered_starts[first] : self.numbered_starts[last]]
        return self.plain[self.starts[first] : self.starts[last]]


def _starts(lines: Sequence[str]) -> tuple[int, ...]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    return tuple(starts)


class _Copy:
    """One copy of a recording: its ids, its days, its texts."""

    def __init__(self, copy: int, day: int, words: _Words, chance: random.Random) -> None:
        self._day = day
        self._copy, self._words, self._chance = copy, words, chance
        self._project = f"order-pricing-{copy % PROJECTS}"

    def files(self, template: _Template, turns: int) -> Iterator[tuple[str, str]]:
        """Names and texts of the copy's files; each turn but the first is a day later."""
        spans: dict[str, tuple[int, int]] = {}
        for name, text, more in template.files:
            first = self._filled(text, 0, template.own, spans)
            others = (self._filled(more, turn, template.own, {}) for turn in range(1, turns))
            yield self._filled(name, 0, template.own, spans), "".join([first, *others])

    def _filled(
        self,
        parts: _Parts,
        turn: int,
        own: frozenset[str],
        spans: dict[str, tuple[int, int]],
    ) -> str:
        days = (FIRST_DAY - RECORDED_ON).days + self._day + turn
        fixed = {
            "id": f"{self._copy}x{turn}x",
            "project": self._project,
            "own": f"{self._copy * 16:08x}",
            "uuid": f"{self._copy * 16 + turn:08x}",
        }
        pieces = []
        for part in parts:
            if isinstance(part, str):
                pieces.append(part)
            elif part.kind == "uuid":
                pieces.append(fixed["own" if part.text in own else "uuid"] + part.text[8:])
            elif part.kind == "id":
                pieces.append(part.text + fixed["id"])
            elif part.kind == "project":
                pieces.append(fixed["project"])
            elif part.kind == "day":
                pieces.append(_later(part.text, days))
            elif part.kind == "clock":
                seconds = days * 86_400 * (1 if len(part.text) == 10 else 1000)
                pieces.append(str(int(part.text) + seconds))
            else:
                pieces.append(self._words_for(part, spans))
        return "".join(pieces)

    def _words_for(self, slot: _Slot, spans: dict[str, tuple[int, int]]) -> str:
        words = self._words
        if slot.kind == "text":
            # One of the client's own, such as its system prompt: the same from session to session.
            first = int(slot.text) % (len(words.starts) - 100)
            return words.text(first, words.lines(first, int(slot.text)))
        median = FILE_MEDIAN if slot.kind == "file" else OUTPUT_MEDIAN
        span = spans.get(slot.text)
        if span is None:
            chars = min(OUTPUT_MOST, self._chance.lognormvariate(0, OUTPUT_SPREAD) * median)
            first = self._line()
            span = spans[slot.text] = first, words.lines(first, int(chars))
        return words.text(*span, numbered=slot.kind == "numbered")

    def _line(self) -> int:
        return self._chance.randrange(len(self._words.starts) - 100)


@cache
def _later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
