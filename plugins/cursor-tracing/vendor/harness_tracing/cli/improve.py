"""`harness improve`: what evaluators found becomes changes of rules and hooks; did they help?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import Edge, Group, pass_edge, print_json, talk
from harness_tracing.cli.parameters import agent_name
from harness_tracing.errors import ImproveError

if TYPE_CHECKING:
    from harness_tracing.improve.proposal import Proposal
    from harness_tracing.improve.report import Report
    from harness_tracing.improve.suggest import Outside
    from harness_tracing.improve.wording import Reworder
    from harness_tracing.store import Store

_DAY_NS = 86_400 * 1_000_000_000
_DAYS = 30


@click.group(cls=Group)
def improve() -> None:
    """Change an agent's rules and hooks by what evaluators found; you decide, nothing else does."""


@improve.command()
@click.option("--project", help="Only findings of this project.")
@click.option("--agent", callback=agent_name, help="Only findings of this agent.")
@click.option(
    "--days",
    type=click.IntRange(1, 100_000),
    default=_DAYS,
    show_default=True,
    help="Look at the turns of so many days.",
)
@click.option(
    "--at-least",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Failing turns that make a proposal.",
)
@click.option("--judge", metavar="NAME", help="Have this judge of config.yaml word the rule lines.")
@click.option("--max-cost", type=float, metavar="USD", help="What the judge may spend, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@pass_edge
def suggest(
    edge: Edge,
    project: Optional[str],
    agent: Optional[str],
    days: int,
    at_least: int,
    judge: Optional[str],
    max_cost: Optional[float],
    as_json: bool,
) -> None:
    """Propose changes for findings that recur, the gravest first; nothing is applied.

    The rules judge the stored turns first. For each finding there is the mildest step (a rule
    line) and what may follow when it recurs (a hook). Hooks are replayed over recorded sessions:
    you see what they would have blocked, rightly and wrongly.
    """
    from harness_tracing.evaluate.catalogue import Catalogue, own_rules_of
    from harness_tracing.improve import suggest as suggesting
    from harness_tracing.improve.findings import Asked
    from harness_tracing.improve.judging import bring_up_to_date
    from harness_tracing.improve.text import suggested

    outside = _outside(edge)
    asked = Asked(project, agent, outside.now_ns - days * _DAY_NS, at_least)
    reword = _reworder(edge, judge, max_cost) if judge else None
    own = own_rules_of(edge.home, outside.user_home)
    with _store(edge) as store:
        bring_up_to_date(store, Catalogue(store, own, outside.gates), asked, outside.now_ns)
        abouts = {name: rule.about.what for name, rule in own.items() if rule.about is not None}
        found = suggesting.suggest(store, asked, outside, abouts=abouts, reword=reword)
    if as_json:
        print_json(found.to_json())
        return
    for line in suggested(found):
        click.echo(line)
    if reword is not None:
        from harness_tracing.observe.text import money

        talk(f"{reword.name} took {money(reword.spent_usd)} for the words.")
    if found.proposals:
        talk("See one with its diff: harness improve show ID")
    elif not found.seen_once:
        talk(f"Nothing recurs in the last {days} days.")


@improve.command("list")
@click.option("--all", "everything", is_flag=True, help="Those taken back or dismissed as well.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_edge
def list_(edge: Edge, everything: bool, as_json: bool) -> None:
    """List the proposals that were made, and what became of them."""
    from harness_tracing.improve.proposal import to_json
    from harness_tracing.improve.suggest import stored
    from harness_tracing.improve.text import listed

    with edge.store() as store:
        rows = store.proposals.all() if store is not None else []
    found = [stored(row) for row in rows]
    shown = [each for each in found if everything or each.state in ("proposed", "applied")]
    if as_json:
        print_json([to_json(each) for each in shown])
        return
    for line in listed(shown):
        click.echo(line)
    if not shown:
        talk("Nothing is proposed: harness improve suggest")


@improve.command()
@click.argument("proposal", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_edge
def show(edge: Edge, proposal: str, as_json: bool) -> None:
    """Show a proposal: its evidence, what a hook would have done, the diff, the whole text."""
    from harness_tracing.improve.draft import with_diff
    from harness_tracing.improve.proposal import to_json
    from harness_tracing.improve.text import shown

    with _store(edge) as store:
        found = _proposal(store, proposal)
    if found.state in ("proposed", "reverted"):
        found = with_diff(found)
    if as_json:
        print_json(to_json(found))
        return
    for line in shown(found, found.diff):
        click.echo(line)


@improve.command()
@click.argument("proposal", metavar="ID")
@click.option(
    "--local",
    is_flag=True,
    help="A hook or permission goes into .claude/settings.local.json, which is yours alone.",
)
@pass_edge
def apply(edge: Edge, proposal: str, local: bool) -> None:
    """Write a proposal into the project's files, after a yes that a person types at a terminal.

    The diff is shown first. What the files held is kept: `harness improve revert ID` gives it
    back. An agent's session cannot apply anything, and there is no option that answers for you.
    """
    from harness_tracing.improve import apply as applying
    from harness_tracing.improve.draft import with_diff
    from harness_tracing.improve.proposal import to_json
    from harness_tracing.improve.text import question, shown

    _refuse_agents(edge, "apply")
    with _store(edge) as store:
        found = _proposal(store, proposal)
        planned = applying.plan(found, local=local)
        diff = applying.preview(planned)
        if not diff:
            talk(f"{found.proposal_id} is in the files already; nothing was changed.")
            if found.state == "proposed":
                _keep(store, replace(found, state="applied", applied_at_ns=edge.now_ns()), edge)
            return
        for line in shown(with_diff(found), diff):
            click.echo(line)
        _typed_yes(question(found))
        done = applying.apply_proposal(found, edge.home, edge.now_ns(), local=local, shown=planned)
        store.proposals.put(done.proposal_id, to_json(done), done.state, edge.now_ns())
    for each in planned:
        if each.changes:
            talk(f"Applied {done.proposal_id}: {each.path}")
    talk("Sessions that start from now on have it. Whether it helps: harness improve report")


@improve.command()
@click.argument("proposal", metavar="ID")
@pass_edge
def revert(edge: Edge, proposal: str) -> None:
    """Take an applied proposal out of the files again, after a typed yes.

    A file that nobody changed since gets back its bytes; of any other, our part alone goes.
    """
    from harness_tracing.improve import apply as applying
    from harness_tracing.observe.text import plain

    _refuse_agents(edge, "revert")
    with _store(edge) as store:
        found = _proposal(store, proposal)
        if found.state != "applied":
            raise ImproveError(
                f"{found.proposal_id} is {found.state}, so there is nothing to revert"
            )
        for path in applying.touched(found, edge.home):
            click.echo(plain(str(path)))
        _typed_yes(f"Take {found.proposal_id} out of these files?")
        changed = applying.revert_proposal(found, edge.home)
        now_ns = edge.now_ns()
        _keep(store, replace(found, state="reverted", reverted_at_ns=now_ns), edge)
    for path in changed:
        talk(f"Reverted {found.proposal_id}: {path}")
    if applying.is_in_place(found):
        talk("The project's files hold it all the same: it was there before. Take it out by hand.")
    elif not changed:
        talk("The files held nothing of it any more.")


@improve.command()
@click.argument("proposal", metavar="ID")
@pass_edge
def dismiss(edge: Edge, proposal: str) -> None:
    """Say no to a proposal: it is not suggested again."""
    _refuse_agents(edge, "dismiss")
    with _store(edge) as store:
        found = _proposal(store, proposal)
        if found.state == "applied":
            raise ImproveError(
                f"{found.proposal_id} is applied: harness improve revert takes it out"
            )
        _keep(store, replace(found, state="dismissed"), edge)
    talk(f"Dismissed {found.proposal_id}.")


@improve.command()
@click.argument("proposals", metavar="[ID]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_edge
def report(edge: Edge, proposals: tuple[str, ...], as_json: bool) -> None:
    """Compare the turns before and after proposals were applied: did it help?

    Pass rates with counts and intervals, and what the turns cost and took. Where there are too
    few turns to tell, it says so.
    """
    from harness_tracing.improve.measured import measured
    from harness_tracing.improve.report_text import lines

    with _store(edge) as store:
        chosen = _applied(store, proposals)
        _judge_again(edge, store, chosen)
        found = [(each, measured(store, each, _outside(edge).user_home)) for each in chosen]
    if as_json:
        print_json([_as_json(*each) for each in found])
        return
    for place, (proposal, told) in enumerate(found):
        if place:
            click.echo()
        click.echo(f"{proposal.proposal_id}: {proposal.kind.replace('_', ' ')}, {proposal.state}")
        for line in lines(told):
            click.echo(line)
    if not found:
        talk("Nothing was applied yet: harness improve suggest")


# --- what the commands share ---------------------------------------------------------------


@contextmanager
def _store(edge: Edge) -> Iterator[Store]:
    with edge.store(readonly=False) as store:
        if store is None:
            raise ImproveError("nothing has been traced yet, so there is nothing to improve")
        yield store


def _outside(edge: Edge) -> Outside:
    from harness_tracing.improve.replay import script_path
    from harness_tracing.improve.suggest import Outside

    home = edge.environ.get("HOME") or edge.environ.get("USERPROFILE") or str(Path.home())
    return Outside(Path(home), script_path(edge.environ), edge.now_ns(), edge.settings.gates)


def _proposal(store: Store, named: str) -> Proposal:
    from harness_tracing.improve.suggest import stored

    row = store.proposals.get(named) if named else None
    if row is None:
        raise ImproveError(f"there is no proposal {named!r}; see `harness improve list`")
    return stored(row)


def _keep(store: Store, proposal: Proposal, edge: Edge) -> None:
    from harness_tracing.improve.proposal import to_json

    store.proposals.put(proposal.proposal_id, to_json(proposal), proposal.state, edge.now_ns())


def _reworder(edge: Edge, name: str, max_cost_usd: Optional[float]) -> Reworder:
    from harness_tracing.evaluate.definitions import TemplateEvaluator
    from harness_tracing.evaluate.judges import judges_of
    from harness_tracing.improve.wording import Reworder

    definition = TemplateEvaluator("", "wording", {}, ai_integration=name)
    judges = judges_of(edge.home, edge.environ)
    talk(f"Findings go to {name}: {judges.integration(definition).sends_to}")
    return Reworder(name, judges.judge(definition, max_cost_usd))


def _refuse_agents(edge: Edge, what: str) -> None:
    """ImproveError where an agent may be at work, or nobody sits at a terminal."""
    from harness_tracing import agents
    from harness_tracing.improve import traced

    known = [agents.get(name) for name in agents.names()]
    variables = [each.session_variable for each in known if each.session_variable]
    programs = {each.program for each in known if each.program}
    above = traced.ancestors(os.getpid())
    why = traced.session_around(edge.environ, variables, programs, above)
    if why is not None:
        raise ImproveError(
            f"this is an agent's session ({why}), and an agent does not change its own rules: run"
            f" `harness improve {what}` yourself, in a terminal of your own"
        )


def _typed_yes(question: str) -> None:
    """Nothing but `yes`, typed at a terminal, goes on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ImproveError(
            "nobody is at a terminal, and only a person there can say yes: run it in a terminal,"
            " without pipes"
        )
    from harness_tracing.observe.text import plain

    click.echo(plain(f"{question} Type yes: "), nl=False, err=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise ImproveError("that was no yes, so nothing was changed")


def _applied(store: Store, named: tuple[str, ...]) -> list[Proposal]:
    from harness_tracing.improve.suggest import stored

    if named:
        chosen = [_proposal(store, each) for each in named]
    else:
        chosen = [stored(row) for row in store.proposals.all()]
        chosen = [each for each in chosen if each.applied_at_ns is not None]
    for each in chosen:
        if each.applied_at_ns is None:
            raise ImproveError(f"{each.proposal_id} was never applied, so there is no after")
    return chosen


def _judge_again(edge: Edge, store: Store, chosen: list[Proposal]) -> None:
    """New turns are judged by the rules before they are counted."""
    from harness_tracing.evaluate.catalogue import Catalogue, own_rules_of
    from harness_tracing.improve.findings import Asked
    from harness_tracing.improve.judging import bring_up_to_date

    outside = _outside(edge)
    own = own_rules_of(edge.home, outside.user_home)
    catalogue = Catalogue(store, own, outside.gates)
    for agent in sorted({each.agent for each in chosen}):
        bring_up_to_date(store, catalogue, Asked(agent=agent), edge.now_ns())


def _as_json(proposal: Proposal, told: Report) -> dict[str, Any]:
    import msgspec

    head = {"proposal_id": proposal.proposal_id, "kind": proposal.kind, "state": proposal.state}
    body: dict[str, Any] = msgspec.to_builtins(told)
    return {**head, "agent": proposal.agent, "folder": proposal.folder, **body}
