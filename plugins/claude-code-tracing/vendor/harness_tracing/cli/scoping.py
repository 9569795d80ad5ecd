"""`harness enable` and `harness disable`: tracing on and off, everywhere or in one project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, talk
from harness_tracing.cli.parameters import agent_name

if TYPE_CHECKING:
    from harness_tracing.agents.base import Agent
    from harness_tracing.config import Settings

_OFF = ("0", "false", "no", "off")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--undo",
            is_flag=True,
            help="Take back what enable and disable wrote there instead: the file as it was.",
        ),
        click.option(
            "--shared",
            is_flag=True,
            help="With --project: in the settings that everybody has who works on it.",
        ),
        click.option("--user", is_flag=True, help="Everywhere (that is the default)."),
        click.option(
            "--project",
            metavar="DIR",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="In the sessions that are started in this folder.",
        ),
        click.argument("agent", required=False, callback=agent_name),
    ):
        command = option(command)
    return command


@click.command()
@_options
@pass_edge
def enable(edge: Edge, /, agent: Optional[str], **where: Any) -> None:
    """Turn the tracing of AGENT on, everywhere or in one project.

    Without AGENT, of every agent that was found here. One setting is changed, in the agent's own
    settings file: Claude Code's settings.json, a project's .claude/settings.local.json, Codex's
    arize-env.sh; for agents without one in config.yaml. It says what holds then, and why.

    \b
    One project alone:
      harness disable claude-code
      harness enable claude-code --project DIR
    """
    _turn(edge, agent, True, **where)


@click.command()
@_options
@pass_edge
def disable(edge: Edge, /, agent: Optional[str], **where: Any) -> None:
    """Turn the tracing of AGENT off, everywhere or in one project.

    The opposite of `harness enable`, in the same files. Hooks stay registered: they see that
    there is nothing to do, and nothing is written. Sessions that run already go on as they
    began.
    """
    _turn(edge, agent, False, **where)


def _turn(
    edge: Edge,
    agent: Optional[str],
    enabled: bool,
    *,
    project: Optional[Path],
    user: bool,
    shared: bool,
    undo: bool,
) -> None:
    from harness_tracing import agents
    from harness_tracing.errors import ConfigError

    if user and project is not None:
        raise click.UsageError("--user is everywhere, --project one folder: take one of both.")
    if shared and project is None:
        raise click.UsageError("--shared is for --project.")
    chosen = [agents.get(agent)] if agent else _found(edge)
    if not chosen:
        raise click.ClickException("no agent was found here: name one, such as claude-code")
    folder = project.absolute() if project is not None else None
    failed = False
    for each in chosen:
        try:
            failed |= not _turn_one(edge, each, enabled, folder, shared=shared, undo=undo)
        except ConfigError as error:
            if agent:
                raise
            talk(str(error))
    if failed:
        raise SystemExit(1)


def _found(edge: Edge) -> list[Agent]:
    from harness_tracing import agents
    from harness_tracing.inventory import is_here

    known = map(agents.get, agents.names())
    return [agent for agent in known if is_here(agent, edge.environ)]


def _turn_one(
    edge: Edge,
    agent: Agent,
    enabled: bool,
    project: Optional[Path],
    *,
    shared: bool,
    undo: bool,
) -> bool:
    """Do it for one agent and tell; whether it then is as it was asked for."""
    from harness_tracing import scoping
    from harness_tracing.errors import ConfigError

    home = edge.home
    at = scoping.place(agent, edge.environ, home, project, shared=shared)
    if undo:
        edited = scoping.undo(at, home)
        done = "is as it was before" if edited.changed else "holds nothing of enable or disable"
        talk(f"{agent.title}: {at.path} {done}.")
    else:
        without = project is None and _is_on_without(edge, agent, at) is enabled
        edited = scoping.put(at, enabled, home, is_so_without=without)
        done = "says so now" if edited.changed else "did not have to change"
        talk(f"{agent.title}: tracing {_word(enabled)} {_where(project)}; {at.path} {done}.")
        if edited.changed and project is not None and not shared and _git_sees(edge, at.path):
            talk(f"  git does not ignore it: add {at.path.name} to .git/info/exclude")
    settings = scoping.in_force(agent, edge.environ, home, project)
    for line in _what_holds(agent, settings, at, project):
        talk(line)
    if project is None:
        for line in _exceptions(edge, agent):
            talk(line)
    if undo or _is_on(settings) is enabled:
        return True
    if settings.untraced:
        raise ConfigError("HARNESS_UNTRACED is set here and comes before all else: unset it")
    talk(f"So it is still {_word(not enabled)}: change it there.")
    return False


def _git_sees(edge: Edge, path: Path) -> bool:
    """Whether a file that is its user's own could be committed by mistake."""
    import subprocess
    from contextlib import suppress

    safely = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["git", *safely, "check-ignore", "--quiet", str(path)],
            cwd=path.parent,
            env=dict(edge.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=1,
            check=False,
        )
        return done.returncode == 1
    return False


def _is_on_without(edge: Edge, agent: Agent, at: Any) -> Optional[bool]:
    """What would hold everywhere if the agent's user settings said nothing."""
    from harness_tracing import config
    from harness_tracing.scoping import VARIABLE

    if at.settings is None:
        said = config.read_config(edge.home.config).get("enabled", True)
        return None if not isinstance(said, bool) else said
    user_env = {**agent.settings_env(edge.environ, None)[0]}
    user_env.pop(VARIABLE, None)
    environ = {name: value for name, value in edge.environ.items() if name != VARIABLE}
    home = edge.home.root
    return config.load(environ, agent=agent.name, user_env=user_env, home=home).enabled


def _is_on(settings: Settings) -> bool:
    return settings.enabled and not settings.untraced


def _word(enabled: bool) -> str:
    return "on" if enabled else "off"


def _where(project: Optional[Path]) -> str:
    return f"in {project}" if project is not None else "everywhere"


def _what_holds(
    agent: Agent, settings: Settings, at: Any, project: Optional[Path]
) -> Iterator[str]:
    """What is in force, whose word that is, and what would come before it."""
    from harness_tracing.config import Source

    origin = settings.origins["enabled"]
    whose = "nothing says otherwise"
    if origin.source is not Source.DEFAULT:
        whose = f"{origin.name}, {origin.source.value}"
    yield f"  in force {_where(project)}: {_word(_is_on(settings))} ({whose})"
    stronger = [str(path) for path in _stronger(agent, at, project)]
    if not agent.over_shell:
        stronger.append("ARIZE_TRACE_ENABLED in the shell")
    stronger.append("HARNESS_UNTRACED")
    yield f"  what would come before it: {', '.join(stronger)}"


def _stronger(agent: Agent, at: Any, project: Optional[Path]) -> Iterator[str]:
    folder = str(project) if project is not None else "DIR"
    files = agent.settings_files({"HOME": "/"}, folder) if at.settings else ()
    own = [file.path for file in files if file.of_project]
    for path in own[own.index(at.path) + 1 :] if at.path in own else own:
        yield f"{path}{'' if project else ' of a project'}"


def _exceptions(edge: Edge, agent: Agent) -> Iterator[str]:
    """Where we are, if a project says something else than holds everywhere."""
    from harness_tracing import scoping

    here = Path(edge.environ.get("PWD") or "/")
    everywhere = scoping.in_force(agent, edge.environ, edge.home)
    for folder in (here, *here.parents):
        settings = scoping.in_force(agent, edge.environ, edge.home, folder)
        if _is_on(settings) is not _is_on(everywhere):
            yield f"  but in {folder}: {_word(_is_on(settings))} (its own settings say so)"
            return
