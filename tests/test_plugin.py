"""The plugin and what is generated for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness_tracing
from harness_tracing import agents
from tests.capture.hooks import SESSION, Place, payload

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "plugins" / "claude-code-tracing"
AGENT = agents.get("claude-code")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def handlers() -> dict[str, dict[str, Any]]:
    """The one handler of each event of hooks.json."""
    hooks = read(PLUGIN / "hooks" / "hooks.json")["hooks"]
    found = {}
    for event, groups in hooks.items():
        (group,) = groups
        (found[event],) = group["hooks"]
        assert set(group) == {"hooks"}, "a matcher would leave tools out"
    return found


def test_hooks_json_registers_the_events_of_the_descriptor() -> None:
    assert list(handlers()) == [event.name for event in AGENT.events]
    limits = {name: handler.get("timeout") for name, handler in handlers().items()}
    assert limits == {event.name: event.timeout_s for event in AGENT.events}


def test_hooks_are_commands_that_claude_code_waits_for() -> None:
    for handler in handlers().values():
        assert set(handler) <= {"type", "command", "timeout"}
        assert handler["type"] == "command"


def test_manifest_and_marketplaces_agree() -> None:
    manifest = read(PLUGIN / ".claude-plugin" / "plugin.json")
    assert (manifest["name"], manifest["version"]) == (PLUGIN.name, harness_tracing.__version__)
    for path in (ROOT / "marketplace.json", ROOT / ".claude-plugin" / "marketplace.json"):
        marketplace = read(path)
        assert marketplace["name"] == "coding-harness-tracing"
        (entry,) = [entry for entry in marketplace["plugins"] if entry["name"] == PLUGIN.name]
        assert (ROOT / entry["source"]).resolve() == PLUGIN
        assert entry["description"] == manifest["description"]


@pytest.mark.parametrize("event", [event.name for event in AGENT.events])
def test_each_registered_line_captures_its_event(place: Place, event: str) -> None:
    env = place.environ(
        CLAUDE_PLUGIN_ROOT=str(PLUGIN), CLAUDE_CODE_SESSION_ID=SESSION, CLAUDE_PID="7"
    )
    # An installed version that does nothing, so that none is built.
    python = place.home / "current" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (place.home / "current" / "version").write_text(harness_tracing.__version__ + "\n")
    words = ["sh", "-c", handlers()[event]["command"]]
    done = subprocess.run(words, input=payload(), env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (file,) = place.events()
    assert file.name.startswith(f"{event}.7.")
    assert file.read_bytes() == payload()


def test_the_plugins_command_says_how_to_install(place: Place) -> None:
    command = PLUGIN / "bin" / "harness"
    done = subprocess.run(
        [str(command), "sessions", "list"],
        env=place.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "harness bootstrap" in done.stderr
    assert place.everything() == []


@pytest.mark.parametrize("named", [None, "elsewhere"])
def test_the_plugins_command_is_the_installed_one(place: Place, named: str | None) -> None:
    home = place.root / named if named else place.home
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "harness").write_text('#!/bin/sh\necho "installed: $*"\n')
    (home / "bin" / "harness").chmod(0o755)
    env = place.environ(**({"ARIZE_HARNESS_HOME": str(home)} if named else {}))
    words = [str(PLUGIN / "bin" / "harness"), "sessions", "show", "a b"]
    assert subprocess.check_output(words, env=env, text=True) == "installed: sessions show a b\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of all that the generator reads and writes."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("python/src/harness_tracing", "plugins", ".claude-plugin", ".agents"):
        shutil.copytree(ROOT / part, copy / part, ignore=ignored)
    locks = ("requirements.lock", "requirements-plot.lock", "requirements-phoenix.lock")
    parts = (
        "LICENSE",
        "marketplace.json",
        "tools/generate.py",
        *(f"python/{lock}" for lock in locks),
    )
    for part in parts:
        (copy / part).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / part, copy / part)
    generate(copy)
    return copy


def generate(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(checkout / "tools" / "generate.py"), *options]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_what_was_generated_passes_the_check(checkout: Path) -> None:
    done = generate(checkout, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "change",
    [
        "plugins/claude-code-tracing/hooks/hooks.json",
        "plugins/claude-code-tracing/vendor/harness_tracing/model.py",
        "plugins/claude-code-tracing/skills/trace/SKILL.md",
        "plugins/claude-code-tracing/vendor/requirements.lock",
        "plugins/claude-code-tracing/vendor/requirements-plot.lock",
        "plugins/claude-code-tracing/.claude-plugin/plugin.json",
        ".claude-plugin/marketplace.json",
        "docs/hooks.md",
    ],
)
def test_a_changed_file_fails_the_check_and_is_mended(checkout: Path, change: str) -> None:
    file = checkout / change
    before = file.read_bytes()
    file.write_bytes(before.replace(b"e", b"E", 1))
    found = generate(checkout, "--check")
    assert found.returncode == 1
    assert f"{change} is out of date" in found.stderr
    assert generate(checkout).returncode == 0
    assert file.read_bytes() == before


@pytest.mark.parametrize("folder", ["vendor/harness_tracing/gone", "skills/gone"])
def test_a_file_too_many_fails_the_check_and_goes(checkout: Path, folder: str) -> None:
    old = checkout / "plugins" / "claude-code-tracing" / folder / "old.py"
    old.parent.mkdir()
    old.write_text("")
    assert "gone/old.py is too much" in generate(checkout, "--check").stderr
    generate(checkout)
    assert not old.parent.exists()


def test_the_vendored_copy_is_the_package_byte_for_byte(checkout: Path) -> None:
    package = checkout / "python" / "src" / "harness_tracing"
    copy = checkout / "plugins" / "claude-code-tracing" / "vendor" / "harness_tracing"

    def files(folder: Path) -> dict[str, bytes]:
        return {
            str(p.relative_to(folder)): p.read_bytes()
            for p in folder.rglob("*")
            if p.is_file() and p.suffix != ".pyc"
        }

    assert files(copy) == files(package)
    assert not list(copy.rglob("__pycache__"))
