"""`harness config …`: what holds and why; single settings of config.yaml changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.cli.parameters import agent_name
from harness_tracing.errors import ConfigError

if TYPE_CHECKING:
    from harness_tracing.setup.explain import Explained, Row
    from harness_tracing.setup.keys import Key

_agent = click.option("--agent", callback=agent_name, help="As it is for this agent.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("config")
def config_() -> None:
    """Show what holds, and change config.yaml."""


@config_.command()
@click.option("--explain", is_flag=True, help="Also say what was passed over, and why.")
@click.option("--all", "everything", is_flag=True, help="Also what nobody set.")
@_agent
@_json
@pass_edge
def show(edge: Edge, explain: bool, everything: bool, agent: Optional[str], as_json: bool) -> None:
    """Show each value that somebody set, whose word it is, and where it stands.

    It is what would hold for a session that begins in this folder. Variables of the
    environment come before the agent's user settings, those before config.yaml; a project's
    settings may only say on or off, name the project, and hide content. Keys are never shown.
    """
    from harness_tracing import config

    explained = _explained(edge)
    rows = explained.rows(agent)
    if as_json:
        report = {"settings": [_report(row) for row in rows], "refused": explained.refused()}
        print_json(report)
        return
    shown = [row for row in rows if everything or explain or row.source != "default"]
    for line in _lines(shown, str(config.user_home(edge.environ))):
        click.echo(line)
    if not shown:
        talk("Nobody set anything: everything is at its default (--all shows what that is).")
    for text in explained.refused() if explain else ():
        click.echo(f"passed over: {text}")
    if not explain and explained.refused():
        talk("Something was passed over; --explain says what and why.")


@config_.command()
@click.argument("name")
@_agent
@_json
@pass_edge
def get(edge: Edge, name: str, agent: Optional[str], as_json: bool) -> None:
    """Print the value that holds of NAME: a key of config.yaml, or a variable.

    Exits with 1 where nothing is set. Where agents differ there is a line for each.
    """
    from harness_tracing.observe.text import plain
    from harness_tracing.setup import keys

    key = keys.find(name)
    if key.path[0] == "agents":
        agent, key = agent or key.path[1], keys.find(key.path[2])
    rows = [row for row in _explained(edge).rows(agent) if row.name == key.name]
    rows = [row for row in rows if row.value is not None]
    if as_json:
        print_json([_report(row) for row in rows])
    for row in () if as_json else rows:
        of = f"{row.agent}: " if row.agent and agent is None else ""
        click.echo(plain(of + _text(row.value)))
    if not rows:
        raise click.ClickException(f"{key.name} is not set")


@config_.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("value", required=False)
@pass_edge
def set_(edge: Edge, name: str, value: Optional[str]) -> None:
    """Write NAME into config.yaml; comments and order stay, what it may not be is refused.

    NAME is a setting (project, log_prompts), one of an agent's (agents.codex.project) or of a
    destination's (destinations.phoenix.endpoint). Without VALUE it is asked for, hidden where
    it is a key, or read from standard input: so no key has to stand in a shell's history.
    """
    from harness_tracing import config
    from harness_tracing.setup import keys

    key = keys.find(name)
    _check_in_file(key)
    text = _asked(key) if value is None else value
    _change(edge, key, key.value(text, config.user_home(edge.environ)))


@config_.command()
@click.argument("name")
@pass_edge
def unset(edge: Edge, name: str) -> None:
    """Take NAME out of config.yaml; what holds then is its default, or what a variable says."""
    from harness_tracing.setup import keys

    key = keys.find(name)
    _check_in_file(key)
    _change(edge, key, None)


def _explained(edge: Edge) -> Explained:
    from harness_tracing.paths import home_of
    from harness_tracing.setup.explain import Explained

    return Explained(edge.environ, home_of(edge.environ))


def _check_in_file(key: Key) -> None:
    if not key.in_file:
        variables = " or ".join(key.variables)
        raise ConfigError(f"{key.name} cannot stand in config.yaml: set the variable {variables}")


def _asked(key: Key) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(key.name, hide_input=key.secret, err=True))
    text = sys.stdin.readline().strip()
    if not text:
        raise click.UsageError(f"Give a VALUE for {key.name}, or a line on standard input.")
    return text


def _change(edge: Edge, key: Key, value: Any) -> None:
    """Change one key of the file, unless the file would not hold together then."""
    from harness_tracing import config
    from harness_tracing.paths import home_of
    from harness_tracing.setup import files

    home, env = home_of(edge.environ), edge.environ
    config.read_config(home.config)
    before = files.read_text(home.config)
    after = files.edited(before, [(key.path, value)])
    bare = {name: env[name] for name in ("HOME", "USERPROFILE") if name in env}
    problem, warnings = _said_of(bare, home.root, after)
    if problem is not None and problem != _said_of(bare, home.root, before)[0]:
        raise ConfigError(f"{home.config} was left as it is: {problem}")
    if after == before:
        talk(f"{home.config} says so already." if value is not None else f"{key.name} is not set.")
        return
    files.write_text(home.config, after)
    talk(f"{key.name} {'set' if value is not None else 'taken out'}: {home.config}")
    for warning in warnings:
        talk(warning)
    for variable in key.variables:
        if env.get(variable):
            talk(f"{variable} in your environment comes first for as long as it is set there.")


def _said_of(env: Any, root: Any, text: str) -> tuple[Optional[str], tuple[str, ...]]:
    """What is wrong with a text of config.yaml, and what is said of it otherwise."""
    from harness_tracing import config
    from harness_tracing.setup import files

    try:
        content = files.parsed(text)
        return None, config.load(env, home=root, content=content).warnings
    except ConfigError as error:
        return str(error), ()


def _report(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "agent": row.agent,
        "value": row.value,
        "source": row.source,
        "origin": row.origin or None,
        "file": row.file,
    }


def _lines(rows: list[Row], user_home: str) -> Iterator[str]:
    """Each value, and below it where it stands."""
    from harness_tracing.observe.text import plain

    for row in rows:
        name = f"{row.name} ({row.agent})" if row.agent else row.name
        at_default = "  (default)" if row.source == "default" else ""
        yield plain(f"{name}: {_text(row.value)}{at_default}")
        if not at_default:
            yield plain(f"    {_place(row, user_home)}")


def _place(row: Row, user_home: str) -> str:
    """Where a value stands: a file and, in one of an agent's, the variable; else a variable."""
    if row.file is None:
        return f"{row.source}: {row.origin}" if row.origin else row.source
    file = row.file
    if file.startswith(user_home + os.sep):
        file = "~" + file[len(user_home) :]
    return file if row.source == "config.yaml" else f"{file}: {row.origin} ({row.source})"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items()) or "-"
    return "-" if value is None else str(value)
