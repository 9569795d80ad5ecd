"""An evaluator from what somebody typed: checked as far as that is possible before it judges."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Optional

from harness_tracing.evaluate import templates
from harness_tracing.evaluate.definitions import DefinitionError, Granularity, TemplateEvaluator
from harness_tracing.evaluate.judge.answers import Choices
from harness_tracing.evaluate.rules import RULES

LONGEST_NAME = 200
GRANULARITIES: Mapping[str, Granularity] = {
    "span": "span",
    "turn": "turn",
    "trace": "turn",
    "session": "session",
}
"""The words for what is judged; a trace is a turn."""


@dataclass(frozen=True)
class Asked:
    """What somebody wants of a template evaluator; None: not said."""

    name: str
    template: str
    choices: str
    template_name: Optional[str] = None
    granularity: str = "turn"
    model_name: Optional[str] = None
    ai_integration: Optional[str] = None
    explain: bool = False
    context: bool = True


def template_evaluator(
    asked: Asked, integrations: Collection[str]
) -> tuple[TemplateEvaluator, list[str]]:
    """The evaluator and what its maker should know; `integrations` are those of config.yaml.

    Raises DefinitionError, TemplateError or ChoicesError, which name what is allowed.
    """
    check_name(asked.name)
    choices = Choices.parse(asked.choices, explain=asked.explain)
    warnings = _template_warnings(asked)
    warnings += _integration_warnings(asked.ai_integration, integrations)
    scores = set(choices.scores.values()) - {None}
    if len(scores) < 2:
        warnings.append(
            "not two of the choices have different scores, so pass rates will tell nothing"
        )
    made = TemplateEvaluator(
        asked.template,
        asked.template_name or asked.name,
        dict(choices.scores),
        GRANULARITIES[asked.granularity],
        _said(asked.model_name, "--model-name"),
        asked.ai_integration,
        asked.explain,
        asked.context,
    )
    return made, warnings


def check_name(name: str) -> None:
    """Raises DefinitionError for what can be no evaluator's name."""
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME:
        raise DefinitionError(f"a name has 1 to {LONGEST_NAME} characters and no blanks around it")
    if not name.isprintable() or "," in name:
        raise DefinitionError("a name has printable characters alone, and no comma")
    if name in (rule().about.name for rule in RULES):
        raise DefinitionError(f"{name} is a rule that comes along; choose another name")


def _template_warnings(asked: Asked) -> list[str]:
    used = templates.placeholders(asked.template)
    if not asked.template.strip():
        raise DefinitionError("the template is empty; write what the judge is to answer")
    shows_steps = asked.context and GRANULARITIES[asked.granularity] != "span"
    if not used and not shows_steps:
        raise DefinitionError(
            "the template has no placeholder, so the judge would see nothing of what it judges; "
            "there are {{input.value}}, {{output.value}}, {{trajectory}}, {{tool_calls}}, {{diff}}"
        )
    unknown = [name for name in dict.fromkeys(used) if not templates.is_familiar(name)]
    half = templates.is_half_open(asked.template)
    warnings = ["`{{` begins a placeholder that does not end; it is asked as it stands"]
    return (warnings if half else []) + [
        f"{{{{{name}}}}} is none of the attributes that our spans carry (docs/spans.md); "
        "a span without it cannot be judged"
        for name in unknown
    ]


def _integration_warnings(name: Optional[str], there: Collection[str]) -> list[str]:
    known = ", ".join(there)
    if name is not None and name not in there:
        raise DefinitionError(
            f"there is no AI integration {name!r}; config.yaml names "
            f"{known or 'none yet'} (docs/judges.md shows how to add one)"
        )
    if name is None and len(there) > 1:
        raise DefinitionError(f"which judge is it for? Give --ai-integration-id, one of {known}")
    if not there:
        return [
            "config.yaml names no judge yet, so nothing can be judged: docs/judges.md shows how, "
            "and `harness ai-integrations list` what there is"
        ]
    return []


def _said(value: Optional[str], option: str) -> Optional[str]:
    if value is not None and not value.strip():
        raise DefinitionError(f"{option} is empty; leave it out to take the judge's own model")
    return value.strip() if value else None
