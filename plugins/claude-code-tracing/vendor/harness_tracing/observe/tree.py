"""A session as a tree for the terminal: turns, model calls, tools, sub-agents, what is missing.

Everything comes from frozen values; the caller prints the result on a console of its choice,
which decides about width and colour.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from harness_tracing.model import (
    Failure,
    ModelCall,
    Moment,
    Repository,
    Step,
    Subagent,
    ToolCall,
    Turn,
)
from harness_tracing.observe import contents, findings, labels
from harness_tracing.observe.nesting import Node, nested
from harness_tracing.observe.rows import Row, sentence, words
from harness_tracing.observe.styles import CAREFUL, FAILED, QUIET, STATUS_STYLES
from harness_tracing.observe.text import clock, duration, moment, money, plural
from harness_tracing.store import SessionRow, TurnRow

_GUIDES = "dim"
# Claude Code wraps what it tells the model about a failed tool.
_OPENING_TAG = re.compile(r"^<\w+>\s*")
_CAUSES = {"task_notification": "a background task ended", "tab": "inline completion"}


@dataclass(frozen=True)
class View:
    """How a session is shown: contents too when `full`, what edits changed when `diff`.

    Times are in `zone` (None: the user's). `said` is what is shown of verdicts.
    """

    full: bool = False
    diff: bool = False
    zone: Optional[datetime.tzinfo] = None
    said: findings.Said = field(default_factory=dict)


def session_tree(
    session: SessionRow, turns: Sequence[TurnRow], view: View
) -> Iterator[RenderableType]:
    """The session's header and the given turns of it, to be printed one after the other.

    Not one renderable, so that the first turn of a long session is there at once.
    """
    yield from session_header(session, turns, view)
    yield from findings.of_session(view.said, view.full)
    for row in turns:
        yield Text()
        yield turn_tree(row, view)


def turn_tree(row: TurnRow, view: View) -> Tree:
    """One turn: what was asked, every step below the step that led to it, the answer."""
    turn = row.turn
    tree = Tree(Group(*_turn_label(row, view)), guide_style=_GUIDES)
    if view.full:
        _add_all(tree, contents.of_turn_start(turn))
    for node in nested(turn.steps):
        _add(tree, node, turn, view)
    if turn.response:
        answer = tree.add(Row(sentence(Text("answer", "green"), words(turn.response))))
        if view.full:
            _add_all(answer, contents.of_text(turn.response))
    findings.add(tree, findings.of_turn(view.said, turn), turn, view.full)
    for gap in turn.gaps:
        tree.add(sentence(words(f"not seen: {gap.what}", "yellow"), words(f"({gap.why})", QUIET)))
    return tree


def session_header(
    session: SessionRow, turns: Sequence[TurnRow], view: View
) -> Iterator[RenderableType]:
    """What is said of the session as a whole."""
    version = session.session.agent_version or ""
    client = sentence(words(session.agent), words(version), between=" ")
    client.stylize(QUIET)
    yield Row(words(session.project, "bold"), [client])
    yield words(session.session_id, QUIET)
    where = _where(session, turns)
    if where.plain:
        yield where
    begun, ended = session.started_at_ns, session.ended_at_ns or session.last_event_ns
    yield _dotted(
        moment(begun, view.zone) if begun is not None else None,
        duration(ended - begun) if begun is not None and ended is not None else None,
        plural(session.turns, "turn"),
        "still running" if session.open else None,
    )
    used = _dotted(
        *labels.usage_words(session.usage),
        _cost_words(session.cost_usd, session.unpriced_models, " at list prices"),
    )
    if used.plain:
        yield used


def _where(session: SessionRow, turns: Sequence[TurnRow]) -> Text:
    repositories = [row.turn.repository for row in turns]
    repository = next((each for each in reversed(repositories) if each.branch), Repository())
    commit = repository.commit[:9] if repository.commit else ""
    branch = repository.branch or ""
    return _dotted(
        repository.url or session.session.cwd,
        f"{branch} at {commit}" if branch and commit else branch or commit,
    )


def _dotted(*parts: Optional[str]) -> Text:
    line = sentence(*[words(part or "") for part in parts], between=" · ")
    line.stylize(QUIET)
    return line


def _cost_words(usd: Optional[float], unpriced: Sequence[str], label: str) -> Optional[str]:
    without = f"no price for {', '.join(unpriced)}" if unpriced else ""
    if usd is None:
        return without or None
    return f"{money(usd)}{label}" + (f" ({without})" if without else "")


def _turn_label(row: TurnRow, view: View) -> Iterator[RenderableType]:
    turn = row.turn
    style = STATUS_STYLES[turn.status]
    asked = words(turn.prompt or "", "bold")
    if turn.cause:
        asked = words(_CAUSES.get(turn.cause, turn.cause.replace("_", " ")), "italic")
    status = "running" if turn.status == "open" else turn.status
    number = Text(f"Turn {turn.number}", f"bold {'green' if style == QUIET else style}")
    yield Row(sentence(number, asked), [Text(status, style)])
    ended = turn.ended_at_ns
    yield _dotted(
        clock(turn.started_at_ns, view.zone),
        duration(ended - turn.started_at_ns) if ended is not None else None,
        *labels.usage_words(row.usage),
        _cost_words(row.cost_usd, row.unpriced_models, ""),
    )
    if turn.error is not None:
        yield _failure(turn.error, style)


def _failure(error: Failure, style: str = FAILED, *, with_type: bool = True) -> Row:
    kind, said = words(error.type).plain, words(error.message or "").plain
    said = _OPENING_TAG.sub("", said)
    known = kind == "unknown" or _spaced(kind) in _spaced(said)
    if said and (known or not with_type):
        return Row(words(said, style))
    return Row(words(f"{kind}: {said}" if said else kind, style))


def _spaced(text: str) -> str:
    return text.replace("_", " ").lower()


def _add(tree: Tree, node: Node, turn: Turn, view: View) -> None:
    branch = tree.add(Group(*_step_label(node, turn)))
    if view.full:
        _add_all(branch, contents.of_step(node.step, turn))
    if view.diff and isinstance(node.step, ToolCall):
        _add_all(branch, contents.of_edits(node.step, turn))
    findings.add(branch, findings.of_step(view.said, turn, node.step), turn, view.full)
    for child in node.children:
        _add(branch, child, turn, view)


def _add_all(tree: Tree, parts: Sequence[RenderableType]) -> None:
    for part in parts:
        tree.add(part)


def _step_label(node: Node, turn: Turn) -> Iterator[RenderableType]:
    step: Step = node.step
    if isinstance(step, ModelCall):
        yield labels.call_row(step)
    elif isinstance(step, ToolCall):
        yield labels.tool_row(step, turn.cwd)
    elif isinstance(step, Subagent):
        yield labels.subagent_row(step, [child.step for child in node.children])
    else:
        yield labels.moment_row(step)
    error = None if isinstance(step, Moment) else step.error
    if isinstance(step, ToolCall) and error is not None:
        # The line above it already says that it failed, was denied or interrupted.
        yield _failure(error, STATUS_STYLES[step.status], with_type=False)
    elif error is not None:
        yield _failure(error, CAREFUL if error.type == "interrupted" else FAILED)
