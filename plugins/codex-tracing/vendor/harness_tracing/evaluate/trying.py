"""What an evaluator would say, and ask, without storing any of it: for trying it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from harness_tracing.evaluate.catalogue import Catalogue
from harness_tracing.evaluate.definitions import Evaluator
from harness_tracing.evaluate.judge.asking import Question
from harness_tracing.evaluate.judges import Judges
from harness_tracing.evaluate.judging import Piece, ask, filled, ruled
from harness_tracing.evaluate.recorded import Recorded, recorded
from harness_tracing.spans import Shape
from harness_tracing.store import Annotation, Store


@dataclass(frozen=True)
class Target:
    """A span to be judged, by its session; an empty `span_id` is the session itself."""

    agent: str
    session_id: str
    span_id: str


def try_out(
    store: Store,
    catalogue: Catalogue,
    judges: Judges,
    evaluator: Evaluator,
    targets: Iterable[Target],
    *,
    shape: Shape = "turns",
    max_cost_usd: Optional[float] = None,
) -> Iterator[tuple[Target, Optional[Annotation], Optional[str]]]:
    """What an evaluator would say of these spans, session by session, without storing it.

    None: there is nothing to judge, the span is not there, or nobody was asked; then the third
    says why, such as that `max_cost_usd` does not allow for it any more. Raises NoJudgeError and
    DefinitionError as judging does.
    """
    left = max_cost_usd
    for session, asked in _by_session(store, targets, judges, catalogue.gates):
        found = {} if session is None else _pieces_at(session, evaluator, asked, shape)
        stopped: Optional[str] = None
        if session is None:
            results: Mapping[str, Optional[Annotation]] = {}
        elif evaluator.kind == "code":
            ruled_now = ruled(session, list(found.values()), catalogue)
            results = {piece.span_id: said for piece, said in ruled_now}
        else:
            answers = ask(session, list(found.values()), judges, shape, left)
            results = {piece.span_id: said for piece, said in answers.said}
            stopped = answers.stopped
            left = None if left is None else max(0.0, left - answers.spent_usd)
        for target in asked:
            said = results.get(target.span_id)
            was_asked = said is not None or target.span_id not in found
            yield target, said, None if was_asked else stopped


def questions(
    store: Store,
    judges: Judges,
    evaluator: Evaluator,
    targets: Iterable[Target],
    shape: Shape = "turns",
) -> Iterator[Question]:
    """What a template evaluator would ask about these spans: to know beforehand what it may cost.

    What its template does not fit is left out.
    """
    for session, asked in _by_session(store, targets, judges, {}):
        if session is not None:
            found = _pieces_at(session, evaluator, asked, shape)
            for _, each in filled(session, list(found.values()), shape):
                if isinstance(each, Question):
                    yield each


def _by_session(
    store: Store, targets: Iterable[Target], judges: Judges, gates: Mapping[str, str]
) -> Iterator[tuple[Optional[Recorded], list[Target]]]:
    sessions: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        sessions.setdefault((target.agent, target.session_id), []).append(target)
    for (agent, session_id), asked in sessions.items():
        yield recorded(store, agent, session_id, judges.table, gates=gates), asked


def _pieces_at(
    session: Recorded, evaluator: Evaluator, targets: Sequence[Target], shape: Shape
) -> dict[str, Piece]:
    """The pieces of an evaluator at these spans; on whichever span it is asked about."""
    wanted = {target.span_id for target in targets}
    found = {"": Piece(evaluator, "")} if "" in wanted and session.turns else {}
    for turn in session.turns:
        if evaluator.kind == "code":
            if turn.span_id in wanted:
                found[turn.span_id] = Piece(evaluator, turn.span_id, turn)
            continue
        for span in turn.spans(shape):
            if span.span_id in wanted:
                found[span.span_id] = Piece(evaluator, span.span_id, turn, span)
    return found
