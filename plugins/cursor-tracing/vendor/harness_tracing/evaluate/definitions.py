"""What evaluators, tasks and runs are: values, without a store and without a model.

Their ids are derived from their names, so that the same definition has the same id everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Optional, Union

import msgspec

from harness_tracing.errors import TracerError

Granularity = Literal["span", "turn", "session"]
TaskType = Literal["template_evaluation", "code_evaluation"]
TaskShape = Literal["turns", "calls"]
RunKind = Literal["continuous", "backfill"]
RunStatus = Literal["running", "completed", "stopped", "failed"]

NOT_MEASURABLE = "not_measurable"
"""The label of a result that says why nothing could be judged; it has no score."""

_ID_LENGTH = 12


class DefinitionError(TracerError):
    """An evaluator or a task cannot be what was asked for; the message says what could be."""


@dataclass(frozen=True)
class TemplateEvaluator:
    """A question to a model about a span, a turn or a session, with the answers it may give.

    `choices` are labels with their scores (None: no score). `ai_integration` names a judge of
    config.yaml, None: its only one. `model_name` is asked instead of that judge's own model.
    `context`: a turn or session brings its trajectory along. `template_name` is a word for lists.
    """

    template: str
    template_name: str
    choices: Mapping[str, Optional[float]]
    granularity: Granularity = "turn"
    model_name: Optional[str] = None
    ai_integration: Optional[str] = None
    include_explanations: bool = False
    context: bool = True


@dataclass(frozen=True)
class CodeEvaluator:
    """A rule by name: a built-in one, or that of a file of the user's own.

    `sha256` is that of the file; None for a built-in rule.
    """

    rule: str
    sha256: Optional[str] = None

    @property
    def granularity(self) -> Granularity:
        """Rules judge turns."""
        return "turn"


Definition = Union[TemplateEvaluator, CodeEvaluator]


@dataclass(frozen=True)
class Evaluator:
    """One version of an evaluator. `message` says what this version brought."""

    evaluator_id: str
    name: str
    version: int
    message: str
    definition: Definition
    created_at_ns: Optional[int] = None

    @property
    def kind(self) -> Literal["template", "code"]:
        """Whether a model is asked."""
        return "template" if isinstance(self.definition, TemplateEvaluator) else "code"


@dataclass(frozen=True)
class EvaluatorRef:
    """An evaluator as a task names it; `version` None: the newest at the time of judging."""

    evaluator_id: str
    version: Optional[int] = None


@dataclass(frozen=True)
class Task:
    """Evaluators, and which spans they judge. Times are Unix ns.

    `project` None: all. `query_filter`: as of `spans export`, on spans of `shape`. `sampling_rate`
    is the share of spans that is judged, from 0 to 1. A continuous task judges every turn that
    began at `created_at_ns` or later. `max_cost_usd` is the most that all its runs may cost.
    """

    task_id: str
    name: str
    task_type: TaskType
    evaluators: tuple[EvaluatorRef, ...]
    project: Optional[str] = None
    query_filter: Optional[str] = None
    sampling_rate: float = 1.0
    is_continuous: bool = False
    shape: TaskShape = "turns"
    max_cost_usd: Optional[float] = None
    paused: bool = False
    created_at_ns: int = 0


@dataclass(frozen=True)
class Scope:
    """What a one-time run is to judge: turns that began at `since_ns` or later, before `until_ns`.

    `max_spans`: at most so many new results. `override`: also where there is a result.
    """

    since_ns: Optional[int] = None
    until_ns: Optional[int] = None
    max_spans: Optional[int] = None
    override: bool = False
    max_cost_usd: Optional[float] = None


@dataclass(frozen=True)
class Run:
    """What came of a task so far: its continuous judging, or one pass over what was there.

    `judged` counts results, `failed` those without a verdict, `skipped` what had a result. A run
    that cannot go on for now is "running", and its `message` says why and what to do.
    """

    run_id: str
    task_id: str
    kind: RunKind
    status: RunStatus
    started_at_ns: int
    ended_at_ns: Optional[int] = None
    judged: int = 0
    skipped: int = 0
    failed: int = 0
    spent_usd: float = 0.0
    message: Optional[str] = None
    scope: Scope = field(default_factory=Scope)


def evaluator_id(name: str) -> str:
    """The id of the evaluator of that name."""
    return "ev_" + _digest(name)


def rule_evaluator_id(rule: str) -> str:
    """The id of the evaluator that a rule is by itself."""
    return "ev_" + rule


def task_id(name: str) -> str:
    """The id of the task of that name."""
    return "task_" + _digest(name)


def run_id(task: str, started_at_ns: int) -> str:
    """The id of the run of a task that began then."""
    return "run_" + _digest(f"{task} {started_at_ns}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_LENGTH]


_KINDS: dict[str, type[Any]] = {"template": TemplateEvaluator, "code": CodeEvaluator}


def to_json(definition: Definition) -> dict[str, Any]:
    """A definition as plain JSON values."""
    kind = "template" if isinstance(definition, TemplateEvaluator) else "code"
    found: dict[str, Any] = {"kind": kind, **msgspec.to_builtins(definition)}
    return found


def from_json(found: Mapping[str, Any]) -> Definition:
    """What `to_json` gave; fields that this version does not know are left out."""
    kind = _KINDS.get(str(found.get("kind")))
    if kind is None:
        raise DefinitionError(
            f"an evaluator of the kind {found.get('kind')!r} is unknown to this version; run "
            "`harness update`"
        )
    definition: Definition = msgspec.convert(dict(found), kind)
    return definition
