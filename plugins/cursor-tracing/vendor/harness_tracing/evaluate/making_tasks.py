"""A task from what somebody asked for: its evaluators found, and everything that can be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Optional, cast

from harness_tracing.evaluate.catalogue import Catalogue, built_in, granularity_of
from harness_tracing.evaluate.definitions import (
    DefinitionError,
    EvaluatorRef,
    Task,
    TaskShape,
    TaskType,
)
from harness_tracing.observe.filter import Filter

ALL = "all"
_KIND_OF: dict[TaskType, str] = {"template_evaluation": "template", "code_evaluation": "code"}
_LIKE = """give them like '[{"evaluator_id": "ev_…"}]' or by their names with commas between"""


def new_task(
    catalogue: Catalogue,
    *,
    name: str,
    task_type: str,
    evaluators: str,
    project: Optional[str],
    query_filter: Optional[str],
    sampling_rate: float,
    is_continuous: bool,
    shape: str,
    max_cost_usd: Optional[float],
    now_ns: int,
) -> tuple[Task, bool]:
    """The task (without its id), and whether it judges whole sessions.

    `evaluators` is JSON as hosted products take it, names or ids with commas between, or ``all``:
    every built-in rule. Raises DefinitionError, and FilterError for the filter.
    """
    if not name.strip() or not name.isprintable():
        raise DefinitionError("a task needs a name of printable characters")
    if not 0 < sampling_rate <= 1:
        raise DefinitionError(f"a sampling rate of {sampling_rate:g} is not between 0 and 1")
    if query_filter is not None:
        Filter(query_filter)
    kind = cast(TaskType, task_type)
    refs = tuple(dict.fromkeys(_refs(evaluators, kind, catalogue)))
    judges_sessions = _check(refs, kind, catalogue)
    task = Task(
        "",
        name,
        kind,
        refs,
        project,
        query_filter,
        sampling_rate,
        is_continuous,
        cast(TaskShape, shape),
        max_cost_usd,
        created_at_ns=now_ns,
    )
    return task, judges_sessions


def _refs(text: str, task_type: TaskType, catalogue: Catalogue) -> Iterator[EvaluatorRef]:
    if text.strip() == ALL and task_type == "code_evaluation":
        yield from (EvaluatorRef(each.evaluator_id) for each in built_in())
        return
    for id_or_name, version in _asked(text):
        found = catalogue.evaluator(id_or_name, version)
        if found is None:
            of = "" if version is None else f" version {version} of"
            raise DefinitionError(
                f"there is no{of} evaluator {id_or_name!r}; see `harness evaluators list`"
            )
        yield EvaluatorRef(found.evaluator_id, version)


def _asked(text: str) -> Iterator[tuple[str, Optional[int]]]:
    if not text.lstrip().startswith("["):
        names = [part.strip() for part in text.split(",") if part.strip()]
        if not names:
            raise DefinitionError(f"no evaluator is named; {_LIKE}")
        yield from ((name, None) for name in names)
        return
    try:
        listed: Any = json.loads(text)
    except ValueError as error:
        raise DefinitionError(f"the evaluators are no JSON ({error}); {_LIKE}") from None
    if not listed:
        raise DefinitionError(f"no evaluator is named; {_LIKE}")
    for each in listed:
        named = each.get("evaluator_id") if isinstance(each, dict) else None
        version = each.get("version") if isinstance(each, dict) else None
        whole = version is None or (isinstance(version, int) and not isinstance(version, bool))
        if not isinstance(named, str) or not whole:
            raise DefinitionError(f"{json.dumps(each)} names no evaluator; {_LIKE}")
        yield named, version


def _check(refs: tuple[EvaluatorRef, ...], task_type: TaskType, catalogue: Catalogue) -> bool:
    """Whether the task judges whole sessions; raises DefinitionError where they do not agree."""
    found = [catalogue.named(ref) for ref in refs]
    wrong = [each.name for each in found if each.kind != _KIND_OF[task_type]]
    if wrong:
        other = next(kind for kind in _KIND_OF if kind != task_type)
        raise DefinitionError(
            f"{', '.join(wrong)}: {other} is the task type for that; make a task for each type"
        )
    for each in found:
        if each.kind == "code":
            catalogue.rule(each)
    whole = {granularity_of(each) == "session" for each in found}
    if len(whole) > 1:
        raise DefinitionError(
            "some of these judge whole sessions and some turns; make a task for each"
        )
    return whole == {True}
