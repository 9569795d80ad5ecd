"""Evaluators as JSON, as a table, and one of them in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from harness_tracing.evaluate.catalogue import BUILT_IN
from harness_tracing.evaluate.definitions import (
    CodeEvaluator,
    Evaluator,
    TemplateEvaluator,
    rule_evaluator_id,
)
from harness_tracing.evaluate.own_rules import OwnRule
from harness_tracing.evaluate.rules import RULES
from harness_tracing.observe.text import first_line, plain
from harness_tracing.spans.json_form import iso_time

if TYPE_CHECKING:
    from rich.table import Table

_ABOUT = {rule().about.name: rule().about for rule in RULES}


def report(evaluator: Evaluator, own: Mapping[str, OwnRule]) -> dict[str, Any]:
    """One version of an evaluator as plain JSON values; `own` are the rules of the user's own."""
    at_ns = evaluator.created_at_ns
    return {
        "evaluator_id": evaluator.evaluator_id,
        "name": evaluator.name,
        "kind": evaluator.kind,
        "version": evaluator.version,
        "commit_message": evaluator.message,
        "created_at": None if at_ns is None else iso_time(at_ns),
        "granularity": evaluator.definition.granularity,
        "built_in": evaluator.message == BUILT_IN,
        "labels": labels_of(evaluator, own),
        **_of_definition(evaluator, own),
    }


def labels_of(evaluator: Evaluator, own: Mapping[str, OwnRule]) -> dict[str, Optional[float]]:
    """The labels that an evaluator gives, with their scores; none for a rule that is gone."""
    definition = evaluator.definition
    if isinstance(definition, TemplateEvaluator):
        return dict(definition.choices)
    rule = _own_rule(evaluator, own)
    about = rule.about if rule else _ABOUT.get(definition.rule)
    return dict(about.labels) if about else {}


def file_of(evaluator: Evaluator, own: Mapping[str, OwnRule]) -> Optional[Path]:
    """The file that an evaluator is; None for all but rules of the user's own."""
    definition = evaluator.definition
    if not isinstance(definition, CodeEvaluator) or definition.rule not in own:
        return None
    is_it = evaluator.evaluator_id == rule_evaluator_id(definition.rule)
    return own[definition.rule].path if is_it else None


def _own_rule(evaluator: Evaluator, own: Mapping[str, OwnRule]) -> Optional[OwnRule]:
    """The user's rule that an evaluator is, or asks: a file named like ours is not asked."""
    definition = evaluator.definition
    assert isinstance(definition, CodeEvaluator)
    is_it = evaluator.evaluator_id == rule_evaluator_id(definition.rule)
    is_ours = definition.rule in _ABOUT and (not is_it or evaluator.message == BUILT_IN)
    return None if is_ours else own.get(definition.rule)


def _of_definition(evaluator: Evaluator, own: Mapping[str, OwnRule]) -> dict[str, Any]:
    definition = evaluator.definition
    if isinstance(definition, TemplateEvaluator):
        return {
            "template_name": definition.template_name,
            "template": definition.template,
            "model_name": definition.model_name,
            "ai_integration_id": definition.ai_integration,
            "include_explanations": definition.include_explanations,
            "context": definition.context,
        }
    rule = _own_rule(evaluator, own)
    about = rule.about if rule else _ABOUT.get(definition.rule)
    return {
        "rule": definition.rule,
        "what": about.what if about else None,
        "file": str(rule.path) if rule else None,
        "problem": rule.problem if rule else None,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line per evaluator."""
    from rich.table import Table
    from rich.text import Text

    from harness_tracing.observe.rows import words

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("name", "by", "judges", "version"):
        made.add_column(name, no_wrap=True, overflow="ellipsis")
    # The only column that may shrink; its cells do not wrap either.
    made.add_column("labels")
    for row in rows:
        labels = words(", ".join(row["labels"]), "dim")
        labels.no_wrap, labels.overflow = True, "ellipsis"
        made.add_row(
            words(row["name"]),
            words(_by(row)),
            words(f"{row['granularity']}s"),
            Text(str(row["version"])),
            labels,
        )
    return made


def _by(row: Mapping[str, Any]) -> str:
    if row["kind"] == "template":
        return " ".join(["model", row["ai_integration_id"] or "", row["model_name"] or ""]).strip()
    if row["built_in"]:
        return "rule"
    own = row["file"] is not None
    return "rule of yours" if own else f"rule {row['rule']}"


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """An evaluator in full: what it is, its labels, its versions, its template."""
    yield first_line(f"{told['name']}  {told['evaluator_id']}")
    for name, value in _facts(told):
        if value:
            yield f"  {name:<13}{first_line(value)}"
    yield ""
    yield "Labels"
    for label, score in told["labels"].items():
        yield first_line(label).join(("  ", "  " + ("no score" if score is None else f"{score:g}")))
    yield ""
    yield "Versions"
    for each in told["versions"]:
        when = (each["created_at"] or "")[:16].replace("T", " ")
        yield f"  {each['version']}  {when}  {first_line(each['commit_message'])}".rstrip()
    if told["kind"] == "template":
        yield ""
        yield "Template"
        yield plain(told["template"])


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, Optional[str]]]:
    yield "version", str(told["version"])
    yield "judges", f"{told['granularity']}s"
    if told["kind"] == "code":
        yield "rule", told["rule"]
        yield "looks for", told["what"]
        yield "file", told["file"]
        yield "not usable", told["problem"]
        return
    yield "judge", told["ai_integration_id"] or "the one that config.yaml names"
    yield "model", told["model_name"]
    yield "template", told["template_name"]
    yield "explains", "yes" if told["include_explanations"] else "no"
    if told["granularity"] != "span":
        yield "trajectory", "comes along" if told["context"] else "only where the template says so"
