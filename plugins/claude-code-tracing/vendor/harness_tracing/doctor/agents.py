"""Checks of each agent: our hooks registered, trusted, alone, and really firing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

import harness_tracing
from harness_tracing import inventory, scoping, spool
from harness_tracing.agents.base import Agent, HistorySession, Registration
from harness_tracing.agents.registration import recorded_at_ns
from harness_tracing.doctor import Finding, Place
from harness_tracing.doctor.files import is_free
from harness_tracing.environments import write_capture
from harness_tracing.errors import TracerError
from harness_tracing.inventory import AgentHere
from harness_tracing.observe.text import duration, plural
from harness_tracing.secret_rules import redact_text

# An agent writes a last line or two after its last hook.
_AFTERWARDS_NS = 600 * 10**9
_LOOK_BACK_NS = 30 * 86_400 * 10**9
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")


def check_agents(place: Place) -> Iterator[Finding]:
    """How each agent that is here is registered, whether it trusts us, who else listens."""
    present = [each for each in place.agents if each.found is not None or each.registered]
    if not present:
        yield Finding("agents", True, "none of those we know was found here")
    for each in present:
        yield from _registered(place, each)
        if each.trust is not None and not each.trust.ok:
            yield Finding(each.agent.title, False, each.trust.state, each.trust.advice)
        yield from _twice(each)
        yield from _others(place, each)
        yield from _version(each)


def _registered(place: Place, each: AgentHere) -> Iterator[Finding]:
    title, install = each.agent.title, f"harness install {each.agent.name}"
    if not each.registered:
        yield Finding(title, True, "is here, and its sessions are not traced", install)
    for way in each.registered:
        if way.whole:
            yield Finding(title, True, f"hooks are registered ({way.how} {way.where})")
            continue
        yield Finding(
            title,
            False,
            f"not all of our hooks stand in {way.where} as they have to",
            install,
            _reinstall(place, each.agent, way) if way.ours else None,
        )
    capture = place.home.capture / "capture.sh"
    if any(way.ours for way in each.registered) and not capture.exists():
        yield Finding(
            title,
            False,
            f"its hooks start {capture}, which is not there",
            install,
            lambda: _place_capture(place),
        )


def _reinstall(place: Place, agent: Agent, way: inventory.Registered) -> Callable[[], str]:
    def mend() -> str:
        _place_capture(place)
        version = inventory.version_of(agent, place.env) if agent.version_command else None
        project = inventory.project_of(way) if way.how == "project" else None
        machine = inventory.machine(place.env, place.home, agent, version=version, project=project)
        assert agent.registration is not None
        outcome = agent.registration(machine).install()
        return f"our hooks stand in {outcome.path} again; start {agent.title} anew"

    return mend


def _place_capture(place: Place) -> str:
    write_capture(place.home.capture, Path(harness_tracing.__file__).resolve().parent)
    return f"{place.home.capture} was written again"


def _twice(each: AgentHere) -> Iterator[Finding]:
    files = [way for way in each.registered if way.how != "plugin"]
    plugins = [way for way in each.registered if way.how == "plugin"]
    if files and plugins:
        yield Finding(
            each.agent.title,
            True,
            f"the hooks stand in {files[0].where} and in the plugin {plugins[0].where}; what is"
            " told twice is counted once",
            f"one is enough: harness uninstall {each.agent.name}",
        )


def _others(place: Place, each: AgentHere) -> Iterator[Finding]:
    machine = inventory.machine(place.env, place.home, each.agent)
    own: Optional[Registration] = (
        each.agent.registration(machine) if each.agent.registration else None
    )
    others = [*each.agent.others(machine), *(own.others() if own is not None else ())]
    for other in others:
        yield Finding(
            each.agent.title,
            True,
            f"another tracer listens as well: {redact_text(other)[0][:80]}",
            "each session is then sent by both; remove the other one where that is not meant",
        )


def _version(each: AgentHere) -> Iterator[Finding]:
    """Whether the installed version is one of those all this was learned on."""
    ours, oldest = _numbers(each.agent.learned_on), _numbers(each.agent.supported_versions)
    here = _numbers(each.version or "")
    if not here:
        return
    subject = f"{each.agent.title} {each.version}"
    if here < oldest:
        known = each.agent.supported_versions
        yield Finding(subject, False, f"is older than what we can read ({known})", "update it")
    elif here[:2] > ours[:2]:
        yield Finding(
            subject,
            True,
            f"is newer than the {each.agent.learned_on} that we learned from",
            "see below whether it still writes what we know",
        )
    else:
        yield Finding(subject, True, "is known to us")


def _numbers(text: str) -> tuple[int, ...]:
    found = _NUMBERS.search(text)
    return tuple(map(int, found[0].split("."))) if found else ()


# -- whether anything comes from the hooks


def check_firing(place: Place) -> Iterator[Finding]:
    """Whether an agent that worked since has told us, as its hooks should have made it."""
    for each in place.agents:
        if not each.registered:
            continue
        silent = _silent(place, each)
        last = _last(place, each)
        if silent is None:
            yield Finding(each.agent.title, True, last)
            continue
        ago = duration(max(0, place.now_ns - silent.modified_ns))
        yield Finding(
            each.agent.title,
            False,
            f"the hooks do not fire: its session {silent.session_id} went on {ago} ago, {last}",
            f"start {each.agent.title} anew: hooks are read at its start; then look whether its"
            " /hooks shows ours, and whether HARNESS_UNTRACED is set where it is started",
        )


def _last(place: Place, each: AgentHere) -> str:
    if each.last_event_ns is None:
        return "no event came from it yet"
    ago = duration(max(0, place.now_ns - each.last_event_ns))
    folders = spool.session_folders(place.home)
    live = sum(name == each.agent.name and not is_free(path) for name, _, path in folders)
    now = f", {live} followed now" if live else ""
    return f"the last event came {ago} ago ({plural(each.sessions, 'session')}{now})"


def _silent(place: Place, each: AgentHere) -> Optional[HistorySession]:
    """The session that changed last and should have been heard of; None where all is well."""
    if each.agent.history is None:
        return None
    heard_ns = max(
        each.last_event_ns or 0,
        recorded_at_ns(place.home.registrations, each.agent.name) or 0,
        place.now_ns - _LOOK_BACK_NS,
    )
    try:
        found = [
            session
            for session in each.agent.history(place.env, heard_ns)
            if session.modified_ns > heard_ns + _AFTERWARDS_NS and _is_traced(place, each, session)
        ]
    except (TracerError, OSError):
        return None
    return max(found, key=lambda session: session.modified_ns, default=None)


def _is_traced(place: Place, each: AgentHere, session: HistorySession) -> bool:
    """Whether a session should have been heard of, by where it began."""
    folder = Path(session.cwd) if session.cwd else None
    if all(way.how == "project" for way in each.registered):
        projects = {inventory.project_of(way) for way in each.registered}
        if folder is None or projects.isdisjoint((folder, *folder.parents)):
            return False
    settings = scoping.in_force(each.agent, place.env, place.home, folder)
    return settings.enabled and not settings.untraced
