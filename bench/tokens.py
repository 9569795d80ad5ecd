"""The tokens of a corpus as we count them and as ccusage does, and by which rule they differ."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import table

AGENTS = {"claude-code": "Claude Code", "codex": "Codex"}
COUNTS = ("input", "output", "cache write", "cache read")
# A reply that was cut off says a few tokens of output, those of its first piece.
MOST_OF_A_CUT_REPLY = 10

_OURS = """
SELECT agent, {condition},
       sum(ifnull({of}.input_tokens, 0) - ifnull({of}.cache_read_tokens, 0)
           - ifnull({of}.cache_write_tokens, 0)),
       sum(ifnull({of}.output_tokens, 0)),
       sum(ifnull({of}.cache_write_tokens, 0)),
       sum(ifnull({of}.cache_read_tokens, 0))
FROM {rows} GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Tokens:
    """Tokens of calls; `input` is what no cache had."""

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(*(a + b for a, b in zip(self.counts, other.counts)))

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(*(a - b for a, b in zip(self.counts, other.counts)))

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """All four, in the order of `COUNTS`."""
        return self.input, self.output, self.cache_write, self.cache_read


@dataclass(frozen=True)
class Agent:
    """One agent's tokens: both counts, and what each rule says they differ by."""

    name: str
    ours: Tokens
    theirs: Tokens
    rules: Mapping[str, Tokens]
    cut_replies: int

    @property
    def rest(self) -> Tokens:
        """What no rule with a number explains; ccusage has more where it is below zero."""
        rest = self.ours - self.theirs
        for explained in self.rules.values():
            rest -= explained
        return rest

    @property
    def unexplained(self) -> int:
        """How many tokens are left when cut-off replies are allowed for."""
        fresh, output, written, read = self.rest.counts
        allowed = MOST_OF_A_CUT_REPLY * self.cut_replies
        return (
            abs(fresh) + abs(written) + abs(read) + (0 if -allowed <= output <= 0 else abs(output))
        )


@dataclass(frozen=True)
class Comparison:
    """Both agents."""

    agents: tuple[Agent, ...]

    @property
    def unexplained(self) -> int:
        """Tokens that differ by no rule."""
        return sum(agent.unexplained for agent in self.agents)

    def text(self) -> str:
        """A table of all counts."""
        rows = []
        for agent in self.agents:
            rows.append([agent.name, "ours", *_numbers(agent.ours)])
            rows.append(["", "`ccusage`", *_numbers(agent.theirs)])
            rows += [["", f"rule: {name}", *_numbers(t)] for name, t in agent.rules.items()]
            cut = f"left, with {agent.cut_replies} replies cut off"
            rows.append(["", cut, *_numbers(agent.rest)])
        return table(["agent", "", *COUNTS], rows)


def compare(home: Path, told: Mapping[str, bytes]) -> Comparison:
    """Compare the store in a user's home with ccusage's JSON, by agent."""
    with sqlite3.connect(home / ".arize" / "harness" / "store.sqlite3") as store:
        turns = "turns JOIN sessions USING (session_key)"
        ours = _sums(store, _OURS.format(condition="1", of="turns", rows=turns))
        calls = f"steps JOIN {turns.replace('turns ', 'turns USING (turn_key) ', 1)}"
        named = "ifnull(steps.name, '') = 'compaction' AND steps.kind = 'model_call'"
        compactions = _sums(store, _OURS.format(condition=named, of="steps", rows=calls))
        cut = dict(
            store.execute(
                f"SELECT agent, count(*) FROM {calls} WHERE kind = 'model_call'"
                " AND steps.status = 'error' AND steps.output_tokens IS NULL GROUP BY 1"
            ).fetchall()
        )
    agents = []
    for agent, title in AGENTS.items():
        rules = {"compaction": compactions.get((agent, 1), Tokens())}
        if agent == "codex":
            rules = {"records that no `token_count` repeats": _records_alone(home)}
        theirs = _theirs(json.loads(told[agent])["totals"])
        agents.append(Agent(title, ours[agent, 1], theirs, rules, cut.get(agent, 0)))
    return Comparison(tuple(agents))


def _sums(store: sqlite3.Connection, query: str) -> dict[tuple[str, int], Tokens]:
    return {(agent, key): Tokens(*counts) for agent, key, *counts in store.execute(query)}


def _theirs(totals: Mapping[str, Any]) -> Tokens:
    names = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")
    return Tokens(*(int(totals[name]) for name in names))


def _records_alone(home: Path) -> Tokens:
    """Calls with a record in a rollout, but no `token_count` that repeats it.

    A compaction at the provider is one, and the last call of a client that was killed.
    """
    total = Tokens()
    for path in (home / ".codex" / "sessions").rglob("*.jsonl"):
        waiting = Tokens()
        for is_record, usage in _usages(path):
            if is_record:
                total, waiting = total + waiting, usage
            elif usage == waiting:
                waiting = Tokens()
        total += waiting
    return total


def _usages(path: Path) -> Iterator[tuple[bool, Tokens]]:
    """The tokens that the lines of a rollout tell of, and whether as a record of their own."""
    with path.open("rb") as stream:
        for line in stream:
            if b'"type":"token_usage_record"' in line:
                yield True, _of_record(json.loads(line)["payload"]["usage"])
            elif b'"type":"token_count"' in line:
                info = json.loads(line)["payload"].get("info") or {}
                if info.get("last_token_usage"):
                    yield False, _of_record(info["last_token_usage"])


def _of_record(usage: Mapping[str, int]) -> Tokens:
    read, written = usage["cached_input_tokens"], usage.get("cache_write_input_tokens", 0)
    return Tokens(usage["input_tokens"] - read - written, usage["output_tokens"], written, read)


def _numbers(tokens: Tokens) -> list[str]:
    return [f"{count:,}" for count in tokens.counts]
