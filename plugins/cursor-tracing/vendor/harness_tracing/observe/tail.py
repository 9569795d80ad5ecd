"""What happens in all sessions, as it comes into the store."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from rich.text import Text

from harness_tracing.errors import StoreError, StoreNewerError
from harness_tracing.model import ModelCall, Moment, Subagent, ToolCall, Turn, step_id
from harness_tracing.observe.labels import (
    call_row,
    moment_row,
    subagent_row,
    time_column,
    tool_row,
    usage_facts,
)
from harness_tracing.observe.rows import Fact, Row, sentence, words
from harness_tracing.observe.styles import STATUS_STYLES
from harness_tracing.observe.text import clock, money
from harness_tracing.spans.json_form import iso_time
from harness_tracing.store import News, Seen, Store

POLL_S = 0.3
_SHORT_ID = 8
_LEAST_WORDS = 54


class Follower:
    """Tells what comes into a store from now on.

    A store that is not there yet, or is made anew, is waited for. A look at an unchanged store
    costs microseconds.
    """

    def __init__(self, path: Path) -> None:
        """Follow the store at `path`; what it holds now is no news."""
        self._path, self._version, self._seen = path, -1, Seen()
        self._store: Optional[Store] = None
        self._file: Optional[tuple[int, int]] = None
        with suppress(StoreError):
            store = self._opened()
            self._seen = store.seen_by_now() if store else Seen()

    def look(self) -> list[News]:
        """What is new since the last look; raises StoreNewerError."""
        try:
            same = self._store is not None and _identity(self._path) == self._file
            store = self._store if same else self._opened()
            version = store.data_version() if store else self._version
            if store is None or version == self._version:
                return []
            found, self._seen = store.news(self._seen)
            self._version = version
        except StoreNewerError:
            raise
        except StoreError:
            return []
        return found

    def _opened(self) -> Optional[Store]:
        """The store anew, all of it news; None when there is none."""
        self.close()
        self._store, self._version, self._seen = None, -1, Seen()
        self._file = _identity(self._path)
        if self._file is not None:
            self._store = Store.open(self._path, readonly=True)
        return self._store

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()


def _identity(path: Path) -> Optional[tuple[int, int]]:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def line(news: News) -> Row:
    """One line: when, whose, and what."""
    row = _row(news)
    head = (Text(clock(news.at_ns), "dim"), words(news.session_id[:_SHORT_ID], "bold"))
    return Row(sentence(*head, row.left), row.facts, least=_LEAST_WORDS)


def _row(news: News) -> Row:
    turn, step = news.turn, news.step
    if isinstance(step, ToolCall):
        return tool_row(step, turn.cwd)
    if isinstance(step, ModelCall):
        return call_row(step)
    if isinstance(step, Subagent):
        return subagent_row(step, ())
    if isinstance(step, Moment):
        return moment_row(step)
    if news.what == "began":
        began = Text(f"turn {turn.number} began", "cyan")
        return Row(sentence(began, words(news.project, "bold"), words(turn.prompt or "")))
    return _ended(turn, news.cost_usd)


def _ended(turn: Turn, cost_usd: Optional[float]) -> Row:
    status = words(f"turn {turn.number} {turn.status}", STATUS_STYLES[turn.status])
    said = words((turn.error.message if turn.error else turn.response) or "")
    cost: list[Fact] = [Text(money(cost_usd), "dim")] if cost_usd is not None else []
    facts = [*usage_facts(turn.usage), *cost, time_column(turn.started_at_ns, turn.ended_at_ns)]
    return Row(sentence(status, said), facts)


def report(news: News) -> dict[str, Any]:
    """One piece of news as plain JSON."""
    turn, step = news.turn, news.step
    common = {
        "at": iso_time(news.at_ns),
        "what": _what(news),
        "agent": news.agent,
        "session_id": news.session_id,
        "project": news.project,
        "turn": turn.number,
        "turn_id": turn.turn_id,
    }
    if step is None:
        ended = news.what == "ended"
        return {
            **common,
            "status": turn.status if ended else "open",
            "prompt": turn.prompt,
            "response": turn.response if ended else None,
            "model": turn.model,
            "input_tokens": turn.usage.input_tokens if ended else None,
            "output_tokens": turn.usage.output_tokens if ended else None,
            "cost_usd": news.cost_usd if ended else None,
            "error": turn.error.message if turn.error else None,
        }
    return {**common, "step_id": step_id(step), **_step_report(step)}


def _what(news: News) -> str:
    if news.step is None:
        return f"turn_{news.what}"
    names = {ModelCall: "model_call", ToolCall: "tool", Subagent: "subagent", Moment: "moment"}
    return names[type(news.step)]


def _step_report(step: Any) -> dict[str, Any]:
    error = getattr(step, "error", None)
    failed = {"error": None if error is None else error.type}
    if isinstance(step, ToolCall):
        return {"name": step.name, "status": step.status, "input": step.input, **failed}
    if isinstance(step, ModelCall):
        return {
            "model": step.model,
            "status": "ok" if error is None else "error",
            "input_tokens": step.usage.input_tokens,
            "output_tokens": step.usage.output_tokens,
            **failed,
        }
    if isinstance(step, Subagent):
        return {"name": step.type, "status": step.status, **failed}
    return {"name": step.kind, "details": step.details}
