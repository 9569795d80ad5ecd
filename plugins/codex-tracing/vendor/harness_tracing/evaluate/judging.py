"""What evaluators say of a session, as annotations: nothing here is stored.

A `Piece` is one evaluator on one span, turn or session. Rules get all turns of a session in
order, whatever pieces are asked for; judges are asked about the pieces alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable, Optional, Union, cast

from harness_tracing.evaluate.catalogue import Catalogue, granularity_of
from harness_tracing.evaluate.definitions import NOT_MEASURABLE, Evaluator, TemplateEvaluator
from harness_tracing.evaluate.finding import Failed, Finding, Judgement
from harness_tracing.evaluate.judge.annotation import annotation
from harness_tracing.evaluate.judge.answers import Choices
from harness_tracing.evaluate.judge.asking import Question
from harness_tracing.evaluate.judge.run import Judged
from harness_tracing.evaluate.judges import Judges
from harness_tracing.evaluate.recorded import Recorded, RecordedTurn, is_sampled
from harness_tracing.evaluate.results import version_of
from harness_tracing.evaluate.rules import Rule, judged
from harness_tracing.evaluate.templates import Subject, TemplateError, fill
from harness_tracing.observe.filter import Filter
from harness_tracing.spans import Shape, Span
from harness_tracing.store import Annotation

TEMPLATE_ERROR = "template"


@dataclass(frozen=True)
class Piece:
    """One evaluator on one span. `turn` None: the session as a whole, whose `span_id` is empty.

    `span` is there where the evaluator is a template on a turn or a span.
    """

    evaluator: Evaluator
    span_id: str
    turn: Optional[RecordedTurn] = None
    span: Optional[Span] = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """By what its result is replaced: span, name, identifier."""
        return self.span_id, self.evaluator.name, self.evaluator.evaluator_id

    def has_result(self, session: Recorded) -> bool:
        """Whether this version of the evaluator gave a verdict on it already."""
        found = session.said.get(self.identity)
        return found is not None and version_of(found) == self.evaluator.version


@dataclass(frozen=True)
class Choice:
    """Which spans of the turns at hand are judged: see `definitions.Task`."""

    filter: Optional[Filter] = None
    shape: Shape = "turns"
    sampling_rate: float = 1.0


EVERYTHING = Choice()


def pieces(
    session: Recorded, turns: Sequence[RecordedTurn], evaluators: Iterable[Evaluator], by: Choice
) -> Iterator[Piece]:
    """What these evaluators are to judge of these turns of a session, in the order of the turns.

    A turn is judged as a whole when a span of it matches the filter, a session when a turn does.
    """
    known = tuple(evaluators)
    for evaluator in known:
        if granularity_of(evaluator) == "session":
            wanted = by.filter is None or any(t.matching(by.shape, by.filter) for t in turns)
            if wanted and turns and is_sampled(session.session.session_id, by.sampling_rate):
                yield Piece(evaluator, "")
    for turn in turns:
        yield from _of_turn(turn, [e for e in known if granularity_of(e) != "session"], by)


def _of_turn(turn: RecordedTurn, evaluators: Sequence[Evaluator], by: Choice) -> Iterator[Piece]:
    needs_spans = by.filter is not None or any(each.kind == "template" for each in evaluators)
    matching = turn.matching(by.shape, by.filter) if evaluators and needs_spans else []
    for evaluator in evaluators:
        if granularity_of(evaluator) == "span":
            for span in matching:
                if is_sampled(span.span_id, by.sampling_rate):
                    yield Piece(evaluator, span.span_id, turn, span)
        elif (matching or by.filter is None) and is_sampled(turn.span_id, by.sampling_rate):
            root = turn.spans(by.shape)[0] if evaluator.kind == "template" else None
            yield Piece(evaluator, turn.span_id, turn, root)


# -- rules


def ruled(
    session: Recorded, wanted: Sequence[Piece], catalogue: Catalogue
) -> Iterator[tuple[Piece, Optional[Annotation]]]:
    """What rules say of these pieces; None where there is nothing to judge.

    Raises DefinitionError for a rule that is not there.
    """
    evaluators = {piece.evaluator.evaluator_id: piece.evaluator for piece in wanted}
    makers: list[Callable[[], Rule]] = [catalogue.rule(each) for each in evaluators.values()]
    by_turn: dict[str, dict[str, Piece]] = {}
    for piece in wanted:
        by_turn.setdefault(piece.span_id, {})[piece.evaluator.evaluator_id] = piece
    turns = {id(each.turn): each for each in session.turns}
    for turn, judgements in judged((t.turn for t in session.turns), session.gate, makers):
        pieces_here = by_turn.get(turns[id(turn)].span_id, {})
        for key, judgement in zip(evaluators, judgements):
            if key in pieces_here:
                piece = pieces_here[key]
                yield piece, _said(judgement, piece)


def _said(judgement: Judgement, piece: Piece) -> Optional[Annotation]:
    if judgement is None:
        return None
    told = _identity(piece)
    result = Annotation(
        piece.span_id, piece.evaluator.name, "CODE", identifier=piece.evaluator.evaluator_id
    )
    if isinstance(judgement, Finding):
        if judgement.evidence:
            told["evidence"] = list(judgement.evidence)
        return replace(
            result,
            label=judgement.label,
            score=judgement.score,
            explanation=judgement.explanation,
            metadata=told,
        )
    if isinstance(judgement, Failed):
        told["error"] = judgement.error
        return replace(result, explanation=judgement.why, metadata=told)
    return replace(result, label=NOT_MEASURABLE, explanation=judgement.why, metadata=told)


# -- judges


def question(session: Recorded, piece: Piece, shape: Shape) -> Question:
    """What a judge is asked about a piece; TemplateError when its template does not fit there."""
    definition = piece.evaluator.definition
    assert isinstance(definition, TemplateEvaluator)
    prompt = fill(definition.template, _subject(session, piece, shape), context=definition.context)
    return Question(prompt, Choices(definition.choices, definition.include_explanations))


def _subject(session: Recorded, piece: Piece, shape: Shape) -> Subject:
    if piece.turn is None or piece.span is None:
        return session.subject(shape)
    return Subject.of_span(piece.turn.turn, piece.span)


def answered(session: Recorded, piece: Piece, shape: Shape, found: Judged) -> Annotation:
    """A judge's answer as the result of a piece."""
    subject = _subject(session, piece, shape)
    said = annotation(found, subject, piece.evaluator.name, piece.evaluator.evaluator_id)
    return replace(said, metadata={**_identity(piece), **(said.metadata or {})})


def unfillable(piece: Piece, error: TemplateError) -> Annotation:
    """The result of a piece that its template does not fit."""
    return Annotation(
        piece.span_id,
        piece.evaluator.name,
        "LLM",
        explanation=str(error),
        identifier=piece.evaluator.evaluator_id,
        metadata={**_identity(piece), "error": TEMPLATE_ERROR},
    )


def _identity(piece: Piece) -> dict[str, Any]:
    evaluator = piece.evaluator
    return {"evaluator_id": evaluator.evaluator_id, "version": evaluator.version}


def filled(
    session: Recorded, wanted: Sequence[Piece], shape: Shape
) -> Iterator[tuple[Piece, Union[Question, Annotation]]]:
    """What to ask about each of these pieces, or its result where its template does not fit."""
    for piece in wanted:
        try:
            yield piece, question(session, piece, shape)
        except TemplateError as error:
            yield piece, unfillable(piece, error)


@dataclass(frozen=True)
class Answers:
    """What judges said of pieces; None: not asked, because `stopped` (a reason, with what to do).

    `too_dear`: what may be spent was the reason.
    """

    said: tuple[tuple[Piece, Optional[Annotation]], ...] = ()
    spent_usd: float = 0.0
    stopped: Optional[str] = None
    too_dear: bool = False


def ask(
    session: Recorded,
    wanted: Sequence[Piece],
    judges: Judges,
    shape: Shape,
    max_cost_usd: Optional[float],
) -> Answers:
    """Ask about these pieces of one evaluator; raises NoJudgeError when nobody can be asked."""
    if not wanted:
        return Answers()
    prompts = list(filled(session, wanted, shape))
    asked = [(piece, each) for piece, each in prompts if isinstance(each, Question)]
    definition = cast(TemplateEvaluator, wanted[0].evaluator.definition)
    report = judges.judge(definition, max_cost_usd).judge([each for _, each in asked])
    said: dict[tuple[str, str, str], Optional[Annotation]] = {
        piece.identity: each for piece, each in prompts if isinstance(each, Annotation)
    }
    for (piece, _), found in zip(asked, report.judged):
        said[piece.identity] = None if found is None else answered(session, piece, shape, found)
    results = tuple((piece, said[piece.identity]) for piece in wanted)
    return Answers(results, report.spent_usd, report.stopped, report.too_dear)
