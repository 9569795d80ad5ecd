"""The plugins of every agent: what is generated for them agrees, and their lines capture."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit

import harness_tracing
from harness_tracing import agents
from tests.capture.hooks import Place

ROOT = Path(__file__).resolve().parent.parent
MARKETPLACE = json.loads((ROOT / "marketplace.json").read_text(encoding="utf-8"))
ENTRIES = {entry["agent"]: entry for entry in MARKETPLACE["plugins"]}
FOLDERS = {"claude-code": ".claude-plugin", "codex": ".codex-plugin", "cursor": ".cursor-plugin"}
LISTS = {
    "claude-code": ".claude-plugin/marketplace.json",
    "codex": ".agents/plugins/marketplace.json",
    "cursor": ".cursor-plugin/marketplace.json",
}
ROOT_VARIABLE = re.compile(r"\$\{([A-Z_]*PLUGIN_ROOT)\}")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def plugin(agent: str) -> Path:
    return ROOT / str(ENTRIES[agent]["source"])


def handlers(agent: str) -> dict[str, dict[str, Any]]:
    """The one handler of each event of a plugin's hooks.json."""
    found = {}
    for event, items in read(plugin(agent) / "hooks" / "hooks.json")["hooks"].items():
        (item,) = items
        (found[event],) = item.get("hooks", [item])
    return found


def digest(folder: Path) -> dict[str, str]:
    """Every file of a folder and the hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_agent_has_a_plugin() -> None:
    assert sorted(ENTRIES) == agents.names() == sorted(FOLDERS)


@pytest.mark.parametrize("agent", agents.names())
def test_hooks_json_registers_the_events_of_the_descriptor(agent: str) -> None:
    found = {event: handler.get("timeout") for event, handler in handlers(agent).items()}
    assert found == {event.name: event.timeout_s for event in agents.get(agent).events}


@pytest.mark.parametrize("agent", agents.names())
def test_manifest_and_lists_agree(agent: str) -> None:
    manifest = read(plugin(agent) / FOLDERS[agent] / "plugin.json")
    assert (manifest["name"], manifest["version"]) == (
        plugin(agent).name,
        harness_tracing.__version__,
    )
    listed = read(ROOT / LISTS[agent])
    (entry,) = listed["plugins"]
    assert (listed["name"], entry["name"]) == (MARKETPLACE["name"], manifest["name"])
    source = entry["source"]
    path = source["path"] if isinstance(source, dict) else source
    assert (ROOT / path).resolve() == plugin(agent).resolve()
    assert (plugin(agent) / manifest.get("hooks", "hooks/hooks.json")).is_file()


def test_codex_takes_hooks_json_only_without_keys_of_others() -> None:
    assert set(read(plugin("codex") / "hooks" / "hooks.json")) == {"description", "hooks"}


def test_codex_managed_requirements_have_the_plugins_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(ROOT / "tools" / "codex_requirements.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    managed = tomlkit.parse(done.stdout).unwrap()["hooks"]
    assert managed.pop("managed_dir") == str(plugin("codex"))
    found = {event: handlers[0]["hooks"] for event, handlers in managed.items()}
    root = str(plugin("codex"))
    assert found == {
        event: [{**handler, "command": handler["command"].replace("${PLUGIN_ROOT}", root)}]
        for event, handler in handlers("codex").items()
    }


def test_cursor_takes_a_file_only_without_what_looks_like_a_comment() -> None:
    assert "//" not in (plugin("cursor") / "hooks" / "hooks.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("agent", agents.names())
def test_each_line_captures_and_leaves_the_plugins_folder_as_it_is(
    agent: str, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    python = place.home / "current" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (place.home / "current" / "version").write_text(harness_tracing.__version__ + "\n")
    before = digest(plugin(agent))
    content = json.dumps({agents.get(agent).session_key: "s-1", "x": 1}).encode()
    for event, handler in handlers(agent).items():
        (variable,) = set(ROOT_VARIABLE.findall(handler["command"]))
        done = subprocess.run(
            ["sh", "-c", handler["command"]],
            input=content,
            env=place.environ(**{variable: str(plugin(agent))}),
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        (file,) = (place.home / "spool" / agent / "s-1").glob(f"{event}.*")
        assert file.read_bytes() == content
    assert digest(plugin(agent)) == before
