"""`harness ai-integrations …`: the judges that config.yaml names, and whether they can be asked."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import Edge, Group, pass_edge, print_json, talk
from harness_tracing.errors import ConfigError

if TYPE_CHECKING:
    from harness_tracing.evaluate.judge.answers import Verdict
    from harness_tracing.evaluate.judge.asking import Provider, Question, Reply
    from harness_tracing.evaluate.judge.integrations import Integration

_SDKS = {"openai": "openai", "anthropic": "anthropic"}
_LONG_ENOUGH = 20  # a key of so many characters does not become guessable by its last four
_NONE_YET = (
    "No judge is named yet: ai_integrations in {path} names them. To take the claude that you have:"
    "\n\nai_integrations:\n  mine:\n    provider: claude-code\n\ndocs/judges.md shows the others."
)


@click.group("ai-integrations", cls=Group)
def ai_integrations() -> None:
    """List and test the models that may judge, as config.yaml names them."""


@ai_integrations.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_edge
def list_(edge: Edge, as_json: bool) -> None:
    """List them: provider, model, where recorded text would go, and what is missing here."""
    states = [state_of(edge, each) for each in named(edge).values()]
    if as_json:
        print_json([_report(each) for each in states])
    elif states:
        click.echo("\n".join(_lines(states)))
    else:
        talk(_NONE_YET.format(path=edge.home.config))


@ai_integrations.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@pass_edge
def show(edge: Edge, name: str, as_json: bool) -> None:
    """Show what config.yaml says of one, and whether its key is set here; keys stay hidden."""
    state = state_of(edge, find(edge, name))
    if as_json:
        print_json(_report(state))
        return
    each = state.integration
    facts = {
        "provider": each.provider,
        "model": each.model or "its own choice",
        "text goes to": each.sends_to,
        "key": state.key,
        "structured": each.structured if each.provider == "openai" else None,
        "command": each.command,
        "arguments": " ".join(each.arguments) or None,
        "timeout": None if each.timeout_s is None else f"{each.timeout_s:g} s",
        "longest answer": f"{each.max_output_tokens} tokens",
        "ready": "yes" if state.problem is None else f"no: {state.problem}",
    }
    from harness_tracing.observe.text import first_line

    click.echo(first_line(each.name))
    for key, value in facts.items():
        if value is not None:
            click.echo(f"  {key:<15}{first_line(value)}")


@ai_integrations.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print what came back as JSON.")
@pass_edge
def test(edge: Edge, name: str, as_json: bool) -> None:
    """Ask it whether two and two are four: one question, nothing of your sessions.

    Exits with 1 where no verdict comes back, and says why.
    """
    from harness_tracing.evaluate.judge.integrations import connect

    integration = find(edge, name)
    provider = connect(integration, edge.environ)
    question = _question()
    talk(f"Asking {integration.sends_to}; {_costs(question, provider)}.")
    begun_ns = edge.now_ns()
    reply, verdict = _verdict(name, provider, question)
    told = {
        "name": name,
        "label": verdict.label,
        "explanation": verdict.explanation,
        "model": reply.model or provider.model,
        "cost_usd": _cost(reply, provider),
        "duration_ms": (edge.now_ns() - begun_ns) / 1e6,
    }
    if as_json:
        print_json(told)
    else:
        _tell(told)
    if verdict.label != "yes":
        raise click.ClickException(f"{name} answers, but says that two and two are not four")


def named(edge: Edge) -> dict[str, Integration]:
    """All judges of the user's config.yaml, by name."""
    from harness_tracing.config import read_config
    from harness_tracing.evaluate.judge.integrations import integrations

    path = edge.home.config
    return integrations(read_config(path), path)


def find(edge: Edge, name: str) -> Integration:
    """The judge of that name; ConfigError names those that there are."""
    there = named(edge)
    if name in there:
        return there[name]
    known = ", ".join(map(repr, there)) or "none yet"
    raise ConfigError(
        f"there is no AI integration {name!r} in {edge.home.config}; there are: {known}; "
        "docs/judges.md shows how to add one"
    )


@dataclass(frozen=True)
class State:
    """A judge, and whether it can be asked from here: `problem` says why not."""

    integration: Integration
    key: Optional[str]
    problem: Optional[str]


def state_of(edge: Edge, integration: Integration) -> State:
    """What holds of a judge in this environment; nothing is asked, no library is loaded."""
    from harness_tracing import extras

    if integration.command is not None:
        found = shutil.which(integration.command, path=edge.environ.get("PATH"))
        missing = f"{integration.command} is not on the PATH; install it, or give its path"
        return State(integration, None, None if found else missing)
    variable = integration.api_key_env
    key = edge.environ.get(variable, "").strip() if variable else ""
    said = f"{variable} is set{_masked(key)}" if key else f"{variable} is not set"
    problem = None if key or not variable else f"{said} here"
    if not extras.is_there(_SDKS[integration.provider]):
        problem = f"it needs the extra 'judge'; install it: {extras.line('judge')}"
    return State(integration, said if variable else "none is sent", problem)


def _masked(key: str) -> str:
    return f" (…{key[-4:]})" if len(key) >= _LONG_ENOUGH else ""


def _report(state: State) -> dict[str, Any]:
    each = state.integration
    return {
        "name": each.name,
        "provider": each.provider,
        "model": each.model,
        "sends_to": each.sends_to,
        "base_url": each.base_url,
        "api_key_env": each.api_key_env,
        "key": state.key,
        "command": each.command,
        "arguments": list(each.arguments),
        "structured": each.structured if each.provider == "openai" else None,
        "timeout_s": each.timeout_s,
        "max_output_tokens": each.max_output_tokens,
        "ready": state.problem is None,
        "problem": state.problem,
    }


def _lines(states: list[State]) -> list[str]:
    """A line each, columns as wide as they need, below it what is missing.

    No table that fits the output: a shortened address would not tell where text goes.
    """
    from harness_tracing.observe.text import first_line

    rows: list[tuple[str, ...]] = [("name", "provider", "model", "text goes to", "ready")]
    for state in states:
        each = state.integration
        texts = (each.name, each.provider, each.model or "its own choice", each.sends_to)
        ready = "yes" if state.problem is None else "no"
        rows.append((*map(first_line, texts), ready))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows]
    for place in range(len(states), 0, -1):
        problem = states[place - 1].problem
        if problem is not None:
            lines.insert(place + 1, f"  {first_line(problem)}")
    return lines


def _question() -> Question:
    from harness_tracing.evaluate.judge.answers import Choices
    from harness_tracing.evaluate.judge.asking import Question
    from harness_tracing.evaluate.templates import Prompt

    prompt = Prompt("You are asked whether you can be asked.", "Are two and two four?")
    return Question(prompt, Choices({"yes": 1.0, "no": 0.0}, explain=True))


def _costs(question: Question, provider: Provider) -> str:
    from harness_tracing.evaluate.judge.purse import most_usd
    from harness_tracing.observe.text import money
    from harness_tracing.prices import PriceTable

    most = most_usd(question, provider, PriceTable.load())
    return "what it costs is not known" if most is None else f"it costs {money(most)} at most"


def _verdict(name: str, provider: Provider, question: Question) -> tuple[Reply, Verdict]:
    from harness_tracing.evaluate.judge.answers import Failure, Verdict
    from harness_tracing.evaluate.judge.asking import ProviderError

    try:
        reply = provider.ask(question)
    except ProviderError as error:
        raise click.ClickException(f"{name} gave no verdict: {error}") from None
    answer = reply.answer
    outcome = answer if isinstance(answer, Failure) else question.choices.outcome(answer)
    if isinstance(outcome, Verdict):
        return reply, outcome
    raise click.ClickException(f"{name} gave no verdict: {outcome.message}")


def _cost(reply: Reply, provider: Provider) -> Optional[float]:
    from harness_tracing.prices import PriceTable

    if reply.cost_usd is not None:
        return reply.cost_usd
    found = PriceTable.load().cost(reply.model or provider.model, reply.usage)
    return None if found is None else found.total


def _tell(told: dict[str, Any]) -> None:
    from harness_tracing.observe.text import duration, first_line, money

    cost = "cost not known" if told["cost_usd"] is None else money(told["cost_usd"])
    took = duration(int(told["duration_ms"] * 1e6))
    said = f"{told['label']}: {told['explanation']}" if told["explanation"] else told["label"]
    click.echo(first_line(said))
    click.echo(" · ".join([first_line(told["model"] or "model not told"), cost, took]))
