"""The rules' results brought up to date: they cost nothing but a moment."""

from __future__ import annotations

from harness_tracing.evaluate.catalogue import Catalogue
from harness_tracing.evaluate.definitions import CodeEvaluator, DefinitionError, Evaluator
from harness_tracing.evaluate.running import run_rules
from harness_tracing.improve.findings import Asked
from harness_tracing.store import Store


def bring_up_to_date(store: Store, catalogue: Catalogue, asked: Asked, now_ns: int) -> None:
    """Judge the final turns of the sessions asked for by every rule there is.

    A file of the user's own that cannot be used is left out.
    """
    catalogue.note_own_rules(now_ns)
    rules = [each for each in catalogue.evaluators() if _is_usable(each, catalogue)]
    rows = store.sessions(agent=asked.agent, project=asked.project, since_ns=asked.since_ns)
    names = [(row.agent, row.session_id) for row in rows]
    run_rules(store, catalogue, rules, names, now_ns, since_ns=asked.since_ns or 0)


def _is_usable(evaluator: Evaluator, catalogue: Catalogue) -> bool:
    if not isinstance(evaluator.definition, CodeEvaluator):
        return False
    try:
        catalogue.rule(evaluator)
    except DefinitionError:
        return False
    return True
