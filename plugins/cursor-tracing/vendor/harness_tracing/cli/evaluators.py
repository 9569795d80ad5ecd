"""`harness evaluators …`: who judges what agents did, and in which versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import (
    Edge,
    Group,
    confirm,
    pass_edge,
    print_json,
    print_table,
    talk,
)
from harness_tracing.cli.evaluator_test import test
from harness_tracing.cli.integrations import named
from harness_tracing.cli.parameters import space_option

if TYPE_CHECKING:
    from harness_tracing.evaluate.catalogue import Catalogue
    from harness_tracing.evaluate.definitions import Definition, Evaluator
    from harness_tracing.evaluate.own_rules import OwnRule
    from harness_tracing.store import Store

_GRANULARITIES = ["span", "trace", "turn", "session"]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_message = click.option("--commit-message", "message", default="", help="What this version brings.")


@click.group(cls=Group)
def evaluators() -> None:
    """Make, list and test evaluators: rules without a model, and questions to one."""


evaluators.add_command(test)


@evaluators.command("list")
@space_option
@_json
@pass_edge
def list_(edge: Edge, as_json: bool) -> None:
    """List them: the rules that come along, those of your own, and what you made."""
    from harness_tracing.cli import evaluator_text as text

    with open_catalogue(edge) as (_, catalogue, own):
        rows = [text.report(each, own) for each in catalogue.evaluators()]
    for rule in own.values():
        if rule.problem is not None:
            talk(f"Not usable: {rule.problem}")
    for name in sorted({each["name"] for each in rows if each.get("file") is None} & set(own)):
        if own[name].problem is None:
            talk(f"Two are called {name!r}: rename {own[name].path}, or delete the other.")
    if as_json:
        print_json(rows)
    else:
        print_table(edge, lambda width: text.table(rows))


@evaluators.command()
@click.argument("name", metavar="NAME")
@click.option("--version", type=click.IntRange(min=1), help="That version instead of the newest.")
@space_option
@_json
@pass_edge
def show(edge: Edge, name: str, version: Optional[int], as_json: bool) -> None:
    """Show one with its labels, its template or rule, and all its versions."""
    from harness_tracing.cli import evaluator_text as text

    with open_catalogue(edge) as (_, catalogue, own):
        found = evaluator_of(catalogue, name, version)
        versions = catalogue.versions(name)
    report = text.report(found, own)
    report["versions"] = [text.report(each, own) for each in versions]
    if as_json:
        print_json(report)
        return
    for line in text.lines(report):
        click.echo(line)


@evaluators.command("create-template-evaluator")
@click.option("--name", required=True, help="What its results are called.")
@click.option("--template", required=True, help="The question, with {{placeholders}}.")
@click.option("--template-name", help="A word for the template.  [default: the name]")
@click.option(
    "--classification-choices",
    "choices",
    required=True,
    metavar="JSON",
    help='The labels with their scores: {"correct": 1, "incorrect": 0}.',
)
@click.option("--include-explanations", "explain", is_flag=True, help="Ask for reasons too.")
@click.option(
    "--data-granularity",
    "granularity",
    type=click.Choice(_GRANULARITIES),
    default="turn",
    show_default=True,
    help="What is judged; a trace is a turn.",
)
@click.option("--model-name", help="The model, instead of the one that config.yaml names.")
@click.option(
    "--ai-integration-id",
    "ai_integration",
    metavar="NAME",
    help="The judge, one of ai_integrations in config.yaml; may be left out where there is one.",
)
@click.option("--no-context", is_flag=True, help="Leave out the trajectory of turns and sessions.")
@_message
@space_option
@_json
@pass_edge
def create_template_evaluator(
    edge: Edge, /, name: str, message: str, no_context: bool, as_json: bool, **asked: Any
) -> None:
    """Make an evaluator that asks a model, or a new version of the one of that NAME.

    \b
    harness evaluators create-template-evaluator --name scope --include-explanations \\
        --classification-choices '{"in scope": 1, "beyond": 0}' \\
        --template 'Asked was: {{input.value}} Did the agent change more than that? {{diff}}'

    Placeholders are {{input.value}}, {{output.value}}, {{trajectory}}, {{tool_calls}}, {{diff}},
    and every attribute of a span by its dotted name (docs/spans.md). Nothing is judged yet:
    `harness evaluators test` compares it with your labels, `harness tasks` lets it judge.
    """
    from harness_tracing.evaluate.making import Asked, template_evaluator

    wanted = Asked(name, context=not no_context, **asked)
    there = named(edge)
    definition, warnings = template_evaluator(wanted, list(there))
    warnings += _judge_warnings(edge, definition.ai_integration)
    made = _put(edge, name, definition, message)
    for warning in warnings:
        talk(f"Note: {warning}.")
    _tell(edge, made, as_json)


@evaluators.command("create-code-evaluator")
@click.option("--name", required=True, help="What its results are called.")
@click.option("--rule", metavar="BUILTIN", help="A rule that comes along, under a name of yours.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A rule of your own; it is copied into the folder of evaluators.",
)
@click.option("--yes", is_flag=True, help="Replace a file of that name without asking.")
@_message
@space_option
@_json
@pass_edge
def create_code_evaluator(
    edge: Edge,
    name: str,
    rule: Optional[str],
    path: Optional[Path],
    yes: bool,
    message: str,
    as_json: bool,
) -> None:
    """Make an evaluator that asks no model: a Python file of yours, or a rule that comes along.

    The file is run with your rights when turns are judged. docs/writing-evaluators.md shows one.
    """
    from harness_tracing.evaluate.catalogue import built_in
    from harness_tracing.evaluate.definitions import CodeEvaluator, DefinitionError
    from harness_tracing.evaluate.making import check_name

    if (rule is None) is (path is None):
        raise click.UsageError("Give one of --rule and --file.")
    check_name(name)
    if path is not None:
        _tell(edge, _put_file(edge, name, path, message, yes), as_json)
        return
    known = [each.name for each in built_in()]
    if rule not in known:
        raise DefinitionError(f"there is no rule {rule!r}; there are {', '.join(known)}")
    _tell(edge, _put(edge, name, CodeEvaluator(rule), message), as_json)


@evaluators.command()
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@space_option
@pass_edge
def delete(edge: Edge, name: str, yes: bool) -> None:
    """Delete an evaluator with all its versions; what it found stays. Of a rule, its file too."""
    from harness_tracing.cli import evaluator_text as text
    from harness_tracing.evaluate.catalogue import BUILT_IN
    from harness_tracing.evaluate.definitions import DefinitionError

    with open_catalogue(edge, readonly=False) as (store, catalogue, own):
        found = evaluator_of(catalogue, name, None)
        if found.message == BUILT_IN:
            raise DefinitionError(f"{found.name} comes along and cannot be deleted")
        file = text.file_of(found, own)
        if not yes:
            confirm(f"Delete {found.name}{f' and {file}' if file else ''} for good?")
        if store is not None:
            store.evaluations.delete_evaluator(found.evaluator_id)
        if file is not None:
            file.unlink(missing_ok=True)
    talk(f"Deleted {found.name}.")


@contextmanager
def open_catalogue(
    edge: Edge, *, readonly: bool = True
) -> Iterator[tuple[Optional[Store], Catalogue, dict[str, OwnRule]]]:
    """The store, None when nothing was ever traced; all evaluators; the rules of the user's own."""
    from harness_tracing import config
    from harness_tracing.evaluate.catalogue import Catalogue, own_rules_of

    own = own_rules_of(edge.home, config.user_home(edge.environ))
    with edge.store(readonly=readonly) as store:
        yield store, Catalogue(store, own, edge.settings.gates), own


def evaluator_of(catalogue: Catalogue, name: str, version: Optional[int]) -> Evaluator:
    """The evaluator of that name or id; DefinitionError says which there are."""
    from harness_tracing.evaluate.definitions import DefinitionError

    found = catalogue.evaluator(name, version)
    if found is not None:
        return found
    if version is not None and catalogue.evaluator(name) is not None:
        there = ", ".join(str(each.version) for each in catalogue.versions(name))
        raise DefinitionError(f"{name} has no version {version}; there are {there}")
    known = ", ".join(each.name for each in catalogue.evaluators())
    raise DefinitionError(f"there is no evaluator {name!r}; there are {known}")


def _put(edge: Edge, name: str, definition: Definition, message: str) -> Evaluator:
    """Store a definition, also when nothing was ever traced."""
    from harness_tracing.cli import evaluator_text as text
    from harness_tracing.evaluate.definitions import DefinitionError
    from harness_tracing.store import Store

    with open_catalogue(edge) as (_, catalogue, own):
        before = catalogue.evaluator(name)
        if before is not None and text.file_of(before, own) is not None:
            raise DefinitionError(f"{name} is a rule of your own already; choose another name")
        if before is not None and type(before.definition) is not type(definition):
            raise DefinitionError(
                f"{name} is a {before.kind} evaluator already; choose another name, or delete it"
            )
    with Store.open(edge.home.store) as store:
        return store.evaluations.put_evaluator(name, definition, message, edge.now_ns())


def _put_file(edge: Edge, name: str, path: Path, message: str, yes: bool) -> Evaluator:
    """Copy a rule to where rules lie, and note its version."""
    from harness_tracing.evaluate import rule_files
    from harness_tracing.evaluate.catalogue import FILE_CAME, FILE_CHANGED
    from harness_tracing.evaluate.definitions import (
        CodeEvaluator,
        DefinitionError,
        rule_evaluator_id,
    )
    from harness_tracing.store import Store

    key = rule_evaluator_id(name)
    with open_catalogue(edge) as (_, catalogue, _own):
        before = catalogue.evaluator(name)
        if before is not None and before.evaluator_id != key:
            raise DefinitionError(f"{name} is an evaluator already; choose another name")
    content, folder = rule_files.checked(name, path), _folder(edge)
    target = folder / f"{name}.py"
    if target.exists() and target.read_bytes() != content and not yes:
        confirm(f"Replace {target}?", "nothing was changed; --yes replaces without asking")
    rule = rule_files.put(folder, name, content)
    talk(f"Its file is {target}; whenever that changes, it is a new version.")
    definition = CodeEvaluator(name, rule.sha256)
    with Store.open(edge.home.store) as store:
        return store.evaluations.put_evaluator(
            name,
            definition,
            message or (FILE_CHANGED if before else FILE_CAME),
            edge.now_ns(),
            identity=key,
        )


def _folder(edge: Edge) -> Path:
    from harness_tracing import config
    from harness_tracing.evaluate.own_rules import folder_in

    home = edge.home
    settings = config.read_config(home.config)
    return folder_in(settings, home.config, home.evaluators, config.user_home(edge.environ))


def _judge_warnings(edge: Edge, integration: Optional[str]) -> list[str]:
    from harness_tracing.cli.integrations import state_of

    there = named(edge)
    name = integration or next(iter(there), None)
    problem = state_of(edge, there[name]).problem if name in there else None
    return [f"{name} cannot be asked from here: {problem}"] if problem else []


def _tell(edge: Edge, made: Evaluator, as_json: bool) -> None:
    from harness_tracing.cli import evaluator_text as text

    talk(f"{made.name} is version {made.version}.")
    if as_json:
        with open_catalogue(edge) as (_, _all, own):
            print_json(text.report(made, own))
    else:
        click.echo(made.evaluator_id)
