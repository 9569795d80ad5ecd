"""The rules' results brought up to date: they cost nothing but a moment."""

from __future__ import annotations

from collections.abc import Iterator

from harness_tracing.evaluate.catalogue import Catalogue
from harness_tracing.evaluate.definitions import NOT_MEASURABLE, CodeEvaluator, Evaluator
from harness_tracing.evaluate.finding import Finding, Judgement
from harness_tracing.evaluate.recorded import Recorded, recorded
from harness_tracing.evaluate.rules import judged
from harness_tracing.improve.findings import Asked
from harness_tracing.prices import PriceTable
from harness_tracing.store import Annotation, Store


def bring_up_to_date(store: Store, catalogue: Catalogue, asked: Asked, now_ns: int) -> None:
    """Judge the final turns of the sessions asked for by every rule there is."""
    rules = [each for each in catalogue.evaluators() if isinstance(each.definition, CodeEvaluator)]
    table = PriceTable.load()
    for row in store.sessions(agent=asked.agent, project=asked.project, since_ns=asked.since_ns):
        session = recorded(store, row.agent, row.session_id, table)
        if session is not None and session.turns:
            found = list(_results(session, rules, catalogue))
            store.annotate(row.agent, row.session_id, found, now_ns)


def _results(
    session: Recorded, rules: list[Evaluator], catalogue: Catalogue
) -> Iterator[Annotation]:
    turns = [each.turn for each in session.turns]
    makers = [catalogue.rule(each) for each in rules]
    said = zip(session.turns, judged(turns, session.gate, makers))
    for turn, (_, judgements) in said:
        for rule, judgement in zip(rules, judgements):
            if judgement is not None:
                yield _annotation(turn.span_id, rule, judgement)


def _annotation(span_id: str, rule: Evaluator, said: Judgement) -> Annotation:
    metadata = {"evaluator_id": rule.evaluator_id, "version": rule.version}
    if isinstance(said, Finding):
        return Annotation(
            span_id,
            rule.name,
            "CODE",
            said.label,
            said.score,
            said.explanation,
            rule.evaluator_id,
            {**metadata, "evidence": list(said.evidence)},
        )
    assert said is not None
    return Annotation(
        span_id, rule.name, "CODE", NOT_MEASURABLE, None, said.why, rule.evaluator_id, metadata
    )
