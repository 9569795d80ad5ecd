"""`harness evaluators test`: an evaluator against what people said under its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Optional, cast

import click

from harness_tracing.cli.complete import project_names
from harness_tracing.cli.edge import Edge, confirm, pass_edge, print_json, talk
from harness_tracing.cli.parameters import MOST_DAYS, space_option
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.evaluate.catalogue import Catalogue
    from harness_tracing.evaluate.definitions import Evaluator
    from harness_tracing.evaluate.judges import Judges
    from harness_tracing.evaluate.labelled import Labelled, SpanKey
    from harness_tracing.spans import Shape
    from harness_tracing.store import Annotation, Store

_DAY_NS = 86_400_000_000_000


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--version", type=click.IntRange(min=1), help="That version instead of the newest.")
@click.option("--project", shell_complete=project_names, help="Only turns of this project.")
@click.option(
    "--days", type=click.IntRange(min=1, max=MOST_DAYS), help="Only turns of so many days back."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the latest first.")
@click.option(
    "--shape",
    type=click.Choice(["turns", "calls"]),
    default="turns",
    show_default=True,
    help="The shape whose spans a template is about.",
)
@click.option(
    "--max-cost",
    "max_cost_usd",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Spend no more on the judge than this.",
)
@click.option("--yes", is_flag=True, help="Do not ask before a model is asked.")
@click.option("--save", is_flag=True, help="Keep what the evaluator says as its results.")
@space_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_edge
def test(
    edge: Edge,
    /,
    name: str,
    version: Optional[int],
    save: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Judge what you labelled by `harness annotate --name NAME`, and see how far both agree.

    Prints a confusion table, the agreement, Cohen's kappa, and where both differ. What could not be
    measured, or got no verdict, is counted apart. Nothing is kept without --save.
    """
    from harness_tracing.cli.evaluator_text import labels_of
    from harness_tracing.cli.evaluators import evaluator_of, open_catalogue
    from harness_tracing.evaluate.agreement import agreement
    from harness_tracing.evaluate.judges import judges_of
    from harness_tracing.evaluate.labelled import pairs

    with open_catalogue(edge, readonly=not save) as (store, catalogue, own):
        evaluator = evaluator_of(catalogue, name, version)
        labels = _labels(edge, store, evaluator, **how)
        assert store is not None
        judges = judges_of(edge.home, edge.environ)
        run = _Run(store, catalogue, judges, evaluator, cast("Shape", how["shape"]))
        if evaluator.kind == "template" and not how["yes"] and how["max_cost_usd"] is None:
            run.ask_first(labels)
        said = run.results(labels, how["max_cost_usd"])
        if save:
            run.save(said, edge.now_ns())
    found = agreement(pairs(labels, said), labels_of(evaluator, own))
    _print(evaluator, found, labels, said, run.stopped, as_json)


def _labels(
    edge: Edge,
    store: Optional[Store],
    evaluator: Evaluator,
    *,
    project: Optional[str],
    days: Optional[int],
    limit: Optional[int],
    **_rest: Any,
) -> list[Labelled]:
    """What people said under the evaluator's name; StoreError tells how to say something."""
    from harness_tracing.evaluate.labelled import labelled

    since_ns = edge.now_ns() - days * _DAY_NS if days else None
    found = (
        labelled(store, evaluator.name, project=project, since_ns=since_ns, limit=limit)
        if store is not None
        else []
    )
    if found:
        return found
    where = " there" if project or days else ""
    raise StoreError(
        f"no human labels yet{where} under the name {evaluator.name!r}; give some with"
        f" `harness annotate SESSION:NUMBER --name {evaluator.name!r} --label LABEL`,"
        " and test it again"
    )


class _Run:
    """One evaluator on the spans that people labelled."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        judges: Judges,
        evaluator: Evaluator,
        shape: Shape,
    ) -> None:
        self._store, self._catalogue, self._judges = store, catalogue, judges
        self._evaluator, self._shape = evaluator, shape
        self.stopped: Optional[str] = None

    def ask_first(self, labels: Sequence[Labelled]) -> None:
        """Say what is sent where and what it may cost; ends the command without a yes."""
        from harness_tracing.evaluate.definitions import TemplateEvaluator
        from harness_tracing.evaluate.judge.purse import most_usd
        from harness_tracing.evaluate.trying import questions
        from harness_tracing.observe.text import money, plural

        definition = self._evaluator.definition
        assert isinstance(definition, TemplateEvaluator)
        judges = self._judges
        integration, provider = judges.integration(definition), judges.provider(definition)
        asked = list(questions(self._store, judges, self._evaluator, _targets(labels), self._shape))
        costs = [most_usd(each, provider, judges.table) for each in asked]
        known = [cost for cost in costs if cost is not None]
        price = (
            f"for {money(sum(known))} at most"
            if len(known) == len(costs)
            else "for a price that is not known"
        )
        confirm(
            f"Ask {integration.name} {plural(len(asked), 'question')} {price}? Recorded text goes"
            f" to {integration.sends_to}.",
            "nobody was asked; --yes asks without a question, --max-cost USD up to a limit",
        )

    def results(
        self, labels: Sequence[Labelled], max_cost_usd: Optional[float]
    ) -> dict[SpanKey, Optional[Annotation]]:
        """What the evaluator says of each span; one it was not asked about is not among them."""
        from harness_tracing.evaluate.trying import try_out

        said: dict[SpanKey, Optional[Annotation]] = {}
        for target, result, stopped in try_out(
            self._store,
            self._catalogue,
            self._judges,
            self._evaluator,
            _targets(labels),
            shape=self._shape,
            max_cost_usd=max_cost_usd,
        ):
            if stopped is None:
                said[target.agent, target.session_id, target.span_id] = result
            self.stopped = self.stopped or stopped
        return said

    def save(self, said: dict[SpanKey, Optional[Annotation]], now_ns: int) -> None:
        """Keep what it said as its results."""
        self._catalogue.note_own_rules(now_ns)
        for (agent, session_id, _), result in said.items():
            if result is not None:
                self._store.annotate(agent, session_id, [result], now_ns)


def _targets(labels: Iterable[Labelled]) -> Any:
    from harness_tracing.evaluate.trying import Target

    return [Target(*each.key) for each in labels]


def _print(
    evaluator: Evaluator,
    found: Any,
    labels: Sequence[Labelled],
    said: dict[SpanKey, Optional[Annotation]],
    stopped: Optional[str],
    as_json: bool,
) -> None:
    from harness_tracing.evaluate.agreement import report
    from harness_tracing.evaluate.agreement_text import lines
    from harness_tracing.observe.text import money, plain, plural

    costs = [(each.metadata or {}).get("cost_usd") for each in said.values() if each]
    spent = [cost for cost in costs if isinstance(cost, (int, float))]
    if as_json:
        print_json(
            {
                "evaluator_id": evaluator.evaluator_id,
                "name": evaluator.name,
                "version": evaluator.version,
                "human_labels": len(labels),
                **report(found),
                "cost_usd": sum(spent) if spent else None,
                "stopped": stopped,
            }
        )
    else:
        what = plural(len(labels), "label")
        click.echo(
            plain(f"{evaluator.name}, version {evaluator.version}, against {what} of people")
        )
        click.echo("")
        click.echo(plain("\n".join(lines(found))))
    doubtful = sum(each.others > 0 for each in labels)
    if doubtful:
        talk(f"People differ on {doubtful} of them; what was said last counts.")
    if spent:
        talk(f"The judge cost {money(sum(spent))}.")
    if stopped is not None:
        talk(f"Not all were judged: {stopped}")
