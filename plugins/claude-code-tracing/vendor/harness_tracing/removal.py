"""Taking everything of ours off a machine: hooks, processes, files. In this order.

A hook that still fires after that finds nothing to run and stays silent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness_tracing import agents, scoping, skills
from harness_tracing.agents.base import Agent, Outcome
from harness_tracing.agents.registration import HooksFile, recorded_paths
from harness_tracing.errors import TracerError
from harness_tracing.inventory import machine
from harness_tracing.paths import Home
from harness_tracing.setup import undo

if TYPE_CHECKING:
    import psutil

_ENTRY_POINTS = ("harness_tracing.worker", "harness_tracing.bootstrap")
_SECONDS_TO_END = 5
_ROUNDS = 5


@dataclass(frozen=True)
class Unregistered:
    """What became of the users' files: those that changed, and what kept others from it."""

    changed: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def unregister(home: Home, env: Mapping[str, str]) -> Unregistered:
    """Take our hooks and switches out of every agent's files, wherever we put them.

    The files have their bytes again. What cannot be done is a problem, and the rest is done.
    """
    changed: list[Path] = []
    problems: list[str] = []
    notes: list[str] = []
    for agent in map(agents.get, agents.names()):
        edits = {
            _hooks_out: home.registrations / agent.name,
            _switches_out: home.scopes,
            _variables_out: home.variables,
        }
        # What was put in last has to come out first, where several stand in one file. Skills
        # before all: a folder that was made for hooks has to be empty to go.
        in_order = sorted(edits, key=lambda each: _newest(edits[each]), reverse=True)
        for edit in (_skills_out, *in_order):
            try:
                for outcome in edit(agent, home, env):
                    changed += [outcome.path] if outcome.changed else []
            except TracerError as error:
                problems.append(str(error))
        notes += [
            f"The plugin {name} of {agent.title} stays: remove it with {agent.title} itself,"
            " or its next session installs this again."
            for name in agent.plugins(machine(env, home, agent))
        ]
    return Unregistered(tuple(dict.fromkeys(changed)), tuple(problems), tuple(notes))


def _hooks_out(agent: Agent, home: Home, env: Mapping[str, str]) -> Iterator[Outcome]:
    if agent.registration is None:
        return
    own = agent.registration(machine(env, home, agent))
    yield own.uninstall()
    if isinstance(own, HooksFile):
        for path in recorded_paths(home.registrations, agent.name):
            yield replace(own, path=path).uninstall()


def _switches_out(agent: Agent, home: Home, env: Mapping[str, str]) -> Iterator[Outcome]:
    for edited in scoping.undo_all(home, agent, env):
        if edited.path != home.config:
            yield Outcome(edited.path, edited.changed)


def _variables_out(agent: Agent, home: Home, env: Mapping[str, str]) -> Iterator[Outcome]:
    yield from undo.undo_all(home, agent.name)


def _skills_out(agent: Agent, home: Home, env: Mapping[str, str]) -> Iterator[Outcome]:
    if agent.skills is not None and home.skills.exists():
        for skill in skills.uninstall(agent, env, home, everywhere=True):
            yield Outcome(skill.path, skill.changed)


def _newest(folder: Path) -> float:
    return max((path.stat().st_mtime for path in folder.rglob("record.json")), default=0)


def end_processes(home: Home) -> int:
    """End all that runs for this home: workers, bootstraps, commands. Returns how many there were.

    Killing a worker anywhere loses nothing that is on disk.
    """
    import psutil

    ended: set[int] = set()
    for _ in range(_ROUNDS):
        found = list(_processes(home))
        if not found:
            break
        for process in found:
            ended.add(process.pid)
            with suppress(psutil.Error):
                process.terminate()
        _, stubborn = psutil.wait_procs(found, timeout=_SECONDS_TO_END)
        for process in stubborn:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(stubborn, timeout=_SECONDS_TO_END)
    return len(ended)


def _processes(home: Home) -> Iterator[psutil.Process]:
    """Processes that work for a home, save for this one and those that started it."""
    import psutil

    own = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if process.pid not in own and _is_of(home, words):
            yield process


def _is_of(home: Home, words: list[str]) -> bool:
    below = f"{home.root}{os.sep}"
    if words and words[0].startswith(below):
        return True
    named = str(home.root) in words and "--home" in words
    return named and any(entry in word for entry in _ENTRY_POINTS for word in words)


def remove_files(home: Home, *, keep_store: bool) -> list[Path]:
    """Remove what we made below our home; returns what is left there that is not ours.

    The folder may hold files of another tracer, so only what is known is removed.
    """
    root = home.root
    # Links first: through `current` no other process shall start from here on.
    for path in (home.current, *root.glob(".current.*")):
        _remove(path)
    folders = [home.capture, home.bin, home.spool, home.quarantine, home.registrations]
    folders += [
        home.scopes,
        home.variables,
        home.status,
        home.agent_sdk,
        home.logs,
        home.versions,
        home.bootstrap,
    ]
    files = [home.config, home.skills, home.evaluate_lock, root / ".pruned"]
    files += root.glob(home.judge_cache.name + "*")
    if not keep_store:
        files += [home.store, *root.glob(home.store.name + "-*")]
    for path in (*folders, *files):
        _remove(path)
    kept = {home.store, *root.glob(home.store.name + "-*")} if keep_store else set()
    left = [path for path in _listed(root) if path not in kept]
    for folder in (root, root.parent):
        with suppress(OSError):  # not empty
            folder.rmdir()
    return left


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        with suppress(OSError):
            path.unlink()
    elif os.name == "nt" and path.name == "current":
        with suppress(OSError):
            path.rmdir()  # a junction: never what it leads to
    else:
        shutil.rmtree(path, ignore_errors=True)
