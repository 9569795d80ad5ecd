"""`harness setup [AGENT]`: where sessions go and what of them is recorded; asks, then writes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional, cast

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.cli.parameters import agent_name
from harness_tracing.errors import ConfigError, TracerError

if TYPE_CHECKING:
    from harness_tracing.agents.base import Agent
    from harness_tracing.setup.answers import Access, Answers, Backend, Checked
    from harness_tracing.setup.apply import Edit, Plan, Situation
    from harness_tracing.setup.earlier import Earlier
    from harness_tracing.setup.terminal import TerminalAsker
    from harness_tracing.setup.wizard import Where

_CANCELLED = "Nothing was written."


@click.command()
@click.argument("agent", required=False, callback=agent_name)
@click.option("--yes", is_flag=True, help="Ask nothing: take the environment's variables.")
@click.option(
    "--backend",
    type=click.Choice(["local", "ax", "phoenix", "otlp"]),
    help="Where sessions go; with --yes the default is what the environment or config.yaml names.",
)
@click.option(
    "--to",
    "where",
    type=click.Choice(["config", "agent"]),
    default="config",
    show_default=True,
    help="With --yes: write config.yaml, or the agent's own settings file.",
)
@click.option(
    "--import",
    "import_",
    is_flag=True,
    help="With --yes: take over the config.json of Arize's own tracer, where one is there.",
)
@click.option("--check/--no-check", default=True, help="Ask the backend before writing.")
@click.option("--register/--no-register", default=True, help="Register the hooks if they are not.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@click.pass_context
@pass_edge
def setup(
    edge: Edge,
    context: click.Context,
    agent: Optional[str],
    yes: bool,
    backend: Optional[str],
    where: Where,
    import_: bool,
    check: bool,
    register: bool,
    as_json: bool,
) -> None:
    """Say where sessions go and what of them is recorded, for AGENT or for every agent.

    Asks in the terminal, also when standard input is a pipe; shows what it is about to write
    and writes after a yes. Ctrl-C leaves everything as it was. Keys are never shown.

    With --yes nobody is asked: ARIZE_API_KEY, ARIZE_SPACE_ID, ARIZE_OTLP_ENDPOINT,
    PHOENIX_ENDPOINT, PHOENIX_API_KEY, OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_HEADERS, ARIZE_PROJECT_NAME, ARIZE_USER_ID and ARIZE_LOG_* are taken
    from the environment and kept in config.yaml.
    """
    if yes:
        run = _Run(edge, context, agent, register, as_json)
        run.without_asking(backend, where, import_, check)
        return
    _check_usage(where, import_)
    from harness_tracing.setup.terminal import NoTerminalError, opened

    try:
        with opened(edge.environ) as ask:
            _Run(edge, context, agent, register, as_json).asking(ask, backend, check)
    except NoTerminalError:
        raise click.UsageError(
            "There is no terminal to ask in. With --yes the answers are taken from environment"
            " variables, for instance: harness setup claude --yes --backend local"
        ) from None
    except (KeyboardInterrupt, EOFError):
        raise click.ClickException(f"Stopped. {_CANCELLED}") from None


def _check_usage(where: str, import_: bool) -> None:
    for option, given in (("--import", import_), ("--to", where != "config")):
        if given:
            raise click.UsageError(f"{option} goes with --yes; without it you are asked.")


class _Run:
    """One setting up: what it looks at, asks, and writes."""

    def __init__(
        self,
        edge: Edge,
        context: click.Context,
        agent: Optional[str],
        register: bool,
        as_json: bool,
    ) -> None:
        self._edge, self._context = edge, context
        self._agent, self._register, self._as_json = agent, register, as_json
        self._checked: Optional[Checked] = None

    # --- with nobody to ask

    def without_asking(
        self, backend: Optional[str], where: Where, import_: bool, check: bool
    ) -> None:
        """Take everything from the environment."""
        from harness_tracing.setup.answers import MissingAnswersError
        from harness_tracing.setup.apply import planned

        now = self._situation()
        earlier = self._earlier(now)
        if earlier is not None and import_:
            now = self._situation(earlier)
        elif earlier is not None:
            talk(f"{earlier.path} is left alone; --import takes it over.")
        try:
            answers = self._answers(now, backend)
        except MissingAnswersError as error:
            raise click.UsageError(str(error)) from None
        if where == "agent" and now.settings_file is None:
            raise click.UsageError("--to agent needs an agent with a settings file of its own.")
        try:
            plan = planned(now, answers, where)
        except ConfigError as error:
            raise ConfigError(f"{error}.{self._taken_from(answers.access)}") from None
        if check and answers.access is not None and answers.access.backend != "local":
            self._checked = self._check(now, answers.access)
            talk(("" if self._checked.ok else "Problem: ") + self._checked.message)
        for note in plan.notes:
            talk(note)
        unregistered = self._unregistered()
        self._write(now, plan, unregistered if self._register else None)

    def _answers(self, now: Situation, backend: Optional[str]) -> Answers:
        from harness_tracing.setup import answers as told

        env = self._edge.environ
        chosen: Any = backend or told.backend_of(env)
        if chosen is None and not now.content.get("destinations"):
            chosen = "local"
        return told.Answers(
            access=told.from_environment(env, chosen) if chosen else None,
            keep=() if chosen == "local" else tuple(now.titles),
            project=(env.get("ARIZE_PROJECT_NAME") or "").strip() or None,
            content=told.content_of(env),
        )

    def _taken_from(self, access: Optional[Access]) -> str:
        """Which variables the answers came from that config.yaml would have held."""
        from harness_tracing.config.fields import variables_of

        known = variables_of(access.backend) if access is not None else {}
        given = [name for names in known.values() for name in names if name in self._edge.environ]
        return f" With --yes that comes from: {', '.join(given)}" if given else ""

    # --- asking

    def asking(self, ask: TerminalAsker, backend: Optional[str], check: bool) -> None:
        """Ask, show, write."""
        from harness_tracing.setup.apply import planned
        from harness_tracing.setup.wizard import Wizard

        self._agent = self._agent or self._chosen_agent(ask)
        now = self._situation()
        ask.say(
            f"Setting up tracing for {now.present().title}. Ctrl-C leaves all as it is.", "bold"
        )
        earlier = self._earlier(now)
        if earlier is not None and self._import(ask, earlier):
            now = self._situation(earlier)

        def checking(access: Access) -> Checked:
            self._checked = self._check(now, access)
            return self._checked

        chosen = cast("Optional[Backend]", backend)
        wizard = Wizard(ask, now.present(), checking if check else None, chosen)
        answers, where = wizard.answers()
        plan = planned(now, answers, where)
        agent = self._unregistered() if self._register else None
        if agent is not None and not ask.confirm(f"Register the hooks with {agent.title}?"):
            agent = None
        ask.say()
        ask.table([*plan.rows, *([("Hooks", f"registered with {agent.title}")] if agent else [])])
        for note in plan.notes:
            ask.say(note, "yellow")
        if not ask.confirm("Write this?"):
            raise click.ClickException(_CANCELLED)
        self._write(now, plan, agent)

    def _chosen_agent(self, ask: TerminalAsker) -> Optional[str]:
        from harness_tracing import agents

        known = [agents.get(name) for name in agents.names()]
        path = self._edge.environ.get("PATH", "")
        known.sort(key=lambda each: shutil.which(each.program, path=path) is None)
        choices = {each.name: each.title for each in known}
        choices["-"] = "none of them: settings for every agent"
        said = ask.select("Which agent?", choices, next(iter(choices)))
        return None if said == "-" else said

    def _import(self, ask: TerminalAsker, earlier: Earlier) -> bool:
        for note in earlier.notes:
            ask.say(note, "yellow")
        named = ", ".join(earlier.destinations) or "names and switches"
        return ask.confirm(f"{earlier.path} of Arize's own tracer names {named}. Take it over?")

    # --- both

    def _situation(self, earlier: Optional[Earlier] = None) -> Situation:
        from harness_tracing import agents
        from harness_tracing.paths import home_of
        from harness_tracing.setup.apply import Situation

        known = agents.get(self._agent) if self._agent else None
        env = self._edge.environ
        return Situation(env, home_of(env), known, earlier.changes if earlier else ())

    def _earlier(self, now: Situation) -> Optional[Earlier]:
        """Another tracer's settings, unless there are some of ours."""
        from harness_tracing.setup import earlier

        return None if now.content.get("destinations") else earlier.read(now.home.root)

    def _check(self, now: Situation, access: Access) -> Checked:
        from harness_tracing.setup import answers, probe

        try:
            return probe.ask(now.destination(access))
        except ConfigError as error:
            return answers.Checked(False, str(error))

    def _unregistered(self) -> Optional[Agent]:
        """The agent, when nothing of ours is registered with it."""
        from harness_tracing import agents
        from harness_tracing.inventory import machine
        from harness_tracing.paths import home_of

        known = agents.get(self._agent) if self._agent else None
        if known is None or known.registration is None:
            return None
        here = machine(self._edge.environ, home_of(self._edge.environ), known)
        with suppress(TracerError):
            if known.registration(here).registered() or known.plugins(here):
                return None
        return known

    def _write(self, now: Situation, plan: Plan, register: Optional[Agent]) -> None:
        written = plan.write()
        for edit, changed in written:
            talk(f"{'Written' if changed else 'Unchanged'}: {edit.path}")
        if plan.lines:
            talk(f"Put these lines into your shell's profile for {now.present().title}:")
            for line in plan.lines:
                talk(f"  {line}")
        if register is not None:
            from harness_tracing.cli.registration import install

            self._context.invoke(
                install, agent=register.name, project=None, tab_edits=None, agent_version=None
            )
        elif now.agent is not None:
            self._hint(now.agent)
        talk("See whether all is well with: harness doctor")
        if self._as_json:
            print_json(self._report(plan, written, register is not None))

    def _hint(self, agent: Agent) -> None:
        from harness_tracing.inventory import machine
        from harness_tracing.paths import home_of

        env = self._edge.environ
        for note in agent.hint(machine(env, home_of(env), agent)):
            talk(note)

    def _report(
        self, plan: Plan, written: Sequence[tuple[Edit, bool]], registered: bool
    ) -> dict[str, Any]:
        checked = self._checked
        return {
            "agent": self._agent,
            "files": [
                {"path": str(edit.path), "changed": changed, "names": list(edit.names)}
                for edit, changed in written
            ],
            "shell_lines": list(plan.lines),
            "registered": registered,
            "check": {"ok": checked.ok, "message": checked.message} if checked else None,
        }
