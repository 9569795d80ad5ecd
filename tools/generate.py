"""Makes what is derived: vendored copies, skills, hooks.json, manifests, docs/hooks.md.

    python tools/generate.py            write it
    python tools/generate.py --check    say what differs; exit 1 if anything does

Sources: `python/src/harness_tracing`, the locks beside it, the agents' descriptors
and the root `marketplace.json`. What is derived is committed, and edited by nobody.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

import harness_tracing
from harness_tracing import agents
from harness_tracing.agents.base import Agent, Event
from harness_tracing.capture import hook_command
from harness_tracing.environments import locks_of_extras

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "src" / "harness_tracing"
LOCK = ROOT / "python" / "requirements.lock"
HOOKS_PAGE = ROOT / "docs" / "hooks.md"
REGISTERED = Path("cli", "registered.py")
CAPTURE = "vendor/harness_tracing/capture/capture.sh"
NOT_COPIED = (".pyc", ".pyo")


@dataclass(frozen=True)
class Form:
    """How an agent wants a plugin: where its files lie, what its folder is called in hooks.

    `manifest` is what stands in the manifest besides; `entry` how a plugin stands in the
    agent's list of plugins; `version` is the number that hooks.json begins with.
    """

    manifest_path: str
    marketplace_path: str
    root: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    source: Callable[[str], Any] = lambda path: path
    policy: Mapping[str, str] = field(default_factory=dict)
    version: Optional[int] = None


FORMS = {
    "claude-code": Form(
        ".claude-plugin/plugin.json", ".claude-plugin/marketplace.json", "${CLAUDE_PLUGIN_ROOT}"
    ),
    "codex": Form(
        ".codex-plugin/plugin.json",
        ".agents/plugins/marketplace.json",
        "${PLUGIN_ROOT}",
        {"hooks": "./hooks/hooks.json", "skills": "./skills/"},
        lambda path: {"source": "local", "path": path},
        {"installation": "AVAILABLE", "authentication": "ON_INSTALL"},
    ),
    "cursor": Form(
        ".cursor-plugin/plugin.json",
        ".cursor-plugin/marketplace.json",
        "${CURSOR_PLUGIN_ROOT}",
        {"hooks": "./hooks/hooks.json"},
        version=1,
    ),
}


def derived() -> dict[Path, bytes]:
    """Every derived file and what it has to hold."""
    marketplace = json.loads((ROOT / "marketplace.json").read_text(encoding="utf-8"))
    files = {HOOKS_PAGE: hooks_page().encode(), PACKAGE / REGISTERED: registered().encode()}
    files[ROOT / "python" / "LICENSE"] = (ROOT / "LICENSE").read_bytes()
    for name, form in FORMS.items():
        files[ROOT / form.marketplace_path] = _json(marketplace_of(marketplace, name))
    for entry in marketplace["plugins"]:
        plugin, agent = ROOT / entry["source"], agents.get(entry["agent"])
        manifest = manifest_of(entry, marketplace["owner"])
        files[plugin / FORMS[agent.name].manifest_path] = _json(manifest)
        files[plugin / "hooks" / "hooks.json"] = _json(hooks_of(agent))
        for lock in (LOCK, *locks_of_extras(LOCK)):
            files[plugin / "vendor" / lock.name] = lock.read_bytes()
        files.update(vendored(plugin / "vendor" / "harness_tracing"))
        files[plugin / "vendor" / "harness_tracing" / REGISTERED] = registered().encode()
        files.update(skills(plugin / "skills"))
    return files


def vendored(folder: Path) -> dict[Path, bytes]:
    """The package as it has to lie in `folder`, byte for byte."""
    return {
        folder / path.relative_to(PACKAGE): path.read_bytes()
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and path.suffix not in NOT_COPIED
    }


def skills(folder: Path) -> dict[Path, bytes]:
    """Our skills as they have to lie in a plugin's folder: copies, since links may not survive."""
    source = PACKAGE / "skills"
    return {
        folder / path.relative_to(source): path.read_bytes() for path in source.glob("*/SKILL.md")
    }


def registered() -> str:
    """The module by which `harness hook-command` answers without loading any descriptor."""
    lines = [
        '"""The events that are registered with each agent, and whether its lines need a shell.',
        "",
        "Made by `make vendor` from the agents' descriptors, whose loading takes far longer.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "REGISTERED: dict[str, tuple[bool, tuple[str, ...]]] = {",
    ]
    for name in agents.names():
        agent = agents.get(name)
        lines += [f'    "{name}": (', f"        {agent.own_shell},", "        ("]
        lines += [f'            "{event.name}",' for event in agent.events]
        lines += ["        ),", "    ),"]
    lines += ["}", "ALIASES: dict[str, str] = {"]
    known = map(agents.get, agents.names())
    lines += [f'    "{alias}": "{agent.name}",' for agent in known for alias in agent.aliases]
    return "\n".join([*lines, "}", ""])


def hooks_of(agent: Agent) -> dict[str, Any]:
    """The hooks.json of an agent's plugin."""
    form = FORMS[agent.name]

    def handler(event: Event) -> dict[str, Any]:
        line = hook_command(
            agent.name, event.name, None, f"{form.root}/{CAPTURE}", own_shell=agent.own_shell
        )
        timeout = {} if event.timeout_s is None else {"timeout": event.timeout_s}
        if form.version is not None:
            return {"command": line, **timeout}
        return {"hooks": [{"type": "command", "command": line, **timeout}]}

    hooks = {event.name: [handler(event)] for event in agent.events}
    if form.version is not None:
        return {"version": form.version, "hooks": hooks}
    return {"description": f"Records what {agent.title} does, for harness", "hooks": hooks}


def manifest_of(entry: dict[str, Any], owner: dict[str, str]) -> dict[str, Any]:
    """A plugin's manifest: what the marketplace says of it, and our version."""
    return {
        "name": entry["name"],
        "version": harness_tracing.__version__,
        "description": entry["description"],
        "author": owner,
        "license": "Apache-2.0",
        "keywords": entry["keywords"],
        **FORMS[entry["agent"]].manifest,
    }


def marketplace_of(marketplace: dict[str, Any], agent: str) -> dict[str, Any]:
    """The list of plugins as one agent reads it: its own, without the key `agent`."""
    plugins = [
        {
            **_without_agent(entry),
            **_policy(FORMS[agent]),
            "source": FORMS[agent].source(entry["source"]),
        }
        for entry in marketplace["plugins"]
        if entry["agent"] == agent
    ]
    return {**marketplace, "plugins": plugins}


def _without_agent(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "agent"}


def _policy(form: Form) -> dict[str, Any]:
    return {"policy": dict(form.policy)} if form.policy else {}


def hooks_page() -> str:
    """docs/hooks.md: which events are registered, and what each is for."""
    lines = [
        "# Registered hooks",
        "",
        "<!-- Generated by tools/generate.py from the agents' descriptors. -->",
        "",
        "Each registered event costs the agent a process start whenever it fires. So only",
        "those are taken that tell what the agent's own files do not.",
    ]
    for agent in map(agents.get, agents.names()):
        lines += ["", f"## {agent.title}", "", "| event | what for | time limit |", "|---|---|---|"]
        for event in (*agent.events, *agent.optional_events):
            limit = "the agent's own" if event.timeout_s is None else f"{event.timeout_s} s"
            asked = "; only where asked for" if event in agent.optional_events else ""
            lines.append(f"| `{event.name}` | {event.why}{asked} | {limit} |")
    return "\n".join(lines) + "\n"


def leftovers(files: dict[Path, bytes]) -> Iterator[Path]:
    """Files in copies that the package no longer has."""
    for copy in sorted((*ROOT.glob("plugins/*/vendor"), *ROOT.glob("plugins/*/skills"))):
        for path in sorted(copy.rglob("*")):
            if path.is_file() and path not in files:
                yield path


def write(files: dict[Path, bytes]) -> None:
    """Bring the derived files into shape, touching only those that differ."""
    for path in leftovers(files):
        path.unlink()
    copies = (*ROOT.glob("plugins/*/vendor/**/"), *ROOT.glob("plugins/*/skills/**/"))
    for folder in sorted(copies, reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    for path, content in files.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def differences(files: dict[Path, bytes]) -> list[str]:
    """What `write` would change, as lines."""
    changed = [
        f"{path.relative_to(ROOT)} is out of date"
        for path, content in files.items()
        if not path.exists() or path.read_bytes() != content
    ]
    return changed + [f"{path.relative_to(ROOT)} is too much" for path in leftovers(files)]


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on drift")
    files = derived()
    if not parser.parse_args().check:
        write(files)
        return 0
    found = differences(files)
    for line in found:
        sys.stderr.write(line + "\n")
    if found:
        sys.stderr.write("run: make vendor\n")
    return 1 if found else 0


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
