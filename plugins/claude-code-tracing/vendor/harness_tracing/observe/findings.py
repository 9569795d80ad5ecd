"""What was said of turns, steps and sessions, as lines of the tree and of the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Optional

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from harness_tracing.evaluate.definitions import NOT_MEASURABLE
from harness_tracing.evaluate.results import passed
from harness_tracing.model import ModelCall, Step, Subagent, ToolCall, Turn, span_id, step_id
from harness_tracing.observe.labels import (
    call_row,
    moment_row,
    subagent_row,
    tool_row,
)
from harness_tracing.observe.rows import Row, block, sentence, words
from harness_tracing.observe.styles import CAREFUL, FAILED, QUIET
from harness_tracing.observe.text import plural
from harness_tracing.observe.verdicts import spans_of
from harness_tracing.store import Annotation
from harness_tracing.store.verdicts import WHOLE_SESSION

Said = Mapping[str, Sequence[Annotation]]
"""What was said, by the id of the span it is about; of the whole session under the empty id."""

_MOST_PASSING = 3
_BY = {"HUMAN": "person", "CODE": "code", "LLM": "model"}


def by_span(annotations: Iterable[Annotation]) -> dict[str, list[Annotation]]:
    """What was said, for the tree to look up."""
    said: dict[str, list[Annotation]] = {}
    for each in annotations:
        said.setdefault(each.span_id, []).append(each)
    return said


def verdict_row(said: Annotation) -> Row:
    """One verdict: name, label, score, why, and at the edge who says so."""
    label, style = _label(said)
    score = "" if said.score is None else f"{said.score:g}"
    why = words(said.explanation or "", QUIET)
    left = sentence(words(said.name, "italic"), words(label, style), Text(score, style), why)
    return Row(left, [Text(_BY[said.annotator_kind], QUIET)])


def add(tree: Tree, said: Sequence[Annotation], turn: Optional[Turn], full: bool) -> None:
    """Hang what was said below what it is about; with `full` all of each and its evidence.

    Otherwise many that passed are one line, so that the others are seen.
    """
    passing = [each for each in said if passed(each) is True]
    together = passing if len(passing) > _MOST_PASSING and not full else []
    for each in said:
        if each in together:
            continue
        branch = tree.add(verdict_row(each))
        for part in _all_of(each, turn) if full else ():
            branch.add(part)
    if together:
        names = ", ".join(dict.fromkeys(each.name for each in together))
        tree.add(Row(sentence(Text(f"{len(together)} passed", "green"), words(names, QUIET))))


def of_session(said: Said, full: bool) -> Iterator[RenderableType]:
    """What was said of the session as a whole."""
    for each in said.get(WHOLE_SESSION, ()):
        yield verdict_row(each)
        yield from _all_of(each, None) if full else ()


def of_turn(said: Said, turn: Turn) -> Sequence[Annotation]:
    """What was said of a turn as a whole."""
    return said.get(span_id(turn.agent, turn.session_id, turn.turn_id), ())


def of_step(said: Said, turn: Turn, step: Step) -> Sequence[Annotation]:
    """What was said of one of its steps."""
    own = span_id(turn.agent, turn.session_id, turn.turn_id, step_id(step)) if said else ""
    return said.get(own, ()) if own else ()


def page(said: Said, turns: Sequence[Turn]) -> Iterator[RenderableType]:
    """The section of a summary: what did not pass, turn by turn, and how many did."""
    if not said:
        return
    whole = said.get(WHOLE_SESSION, ())
    lines: list[RenderableType] = [_indented(each) for each in _open(whole)]
    for turn in turns:
        told = _open([each for span in spans_of(turn) for each in said.get(span, ())])
        if told:
            asked = words(turn.prompt or turn.cause or "", QUIET)
            lines.append(Row(sentence(Text(f"  turn {turn.number}"), asked)))
            lines += [_indented(each) for each in told]
    passing = sum(passed(each) is True for own in said.values() for each in own)
    if passing:
        lines.append(Text(f"  {plural(passing, 'verdict')} passed", QUIET))
    yield Text()
    yield Text("Findings", "bold")
    yield from lines


def _open(said: Sequence[Annotation]) -> list[Annotation]:
    """What did not pass, or cannot."""
    return [each for each in said if passed(each) is not True]


def _indented(said: Annotation) -> Row:
    row = verdict_row(said)
    return Row(sentence(Text("   "), row.left, between=" "), row.facts)


def _label(said: Annotation) -> tuple[str, str]:
    """The word for a verdict, and its colour."""
    if said.label == NOT_MEASURABLE and said.score is None:
        return "not measurable", QUIET
    if said.label is None and said.score is None and said.annotator_kind != "HUMAN":
        return "no verdict", FAILED
    good = passed(said)
    return said.label or "", "" if good is None else "green" if good else CAREFUL


def _all_of(said: Annotation, turn: Optional[Turn]) -> Iterator[RenderableType]:
    """What the line shortens: the explanation, and the steps that are the evidence."""
    if said.explanation:
        yield block(said.explanation)
    evidence = (said.metadata or {}).get("evidence")
    if turn is None or not isinstance(evidence, (list, tuple)):
        return
    steps = {
        span_id(turn.agent, turn.session_id, turn.turn_id, step_id(step)): step
        for step in turn.steps
    }
    shown = [_line(steps[span], turn) for span in evidence if span in steps]
    if shown:
        yield Group(Text("evidence", "dim italic"), *shown)


def _line(step: Step, turn: Turn) -> Row:
    if isinstance(step, ToolCall):
        return tool_row(step, turn.cwd)
    if isinstance(step, ModelCall):
        return call_row(step)
    return subagent_row(step, ()) if isinstance(step, Subagent) else moment_row(step)
