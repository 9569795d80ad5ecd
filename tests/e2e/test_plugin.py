"""The plugin as users get it: from a marketplace, on an empty home, twice, upgraded, broken."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from checkout import HARNESS, PLUGIN, ROOT, plugin_version
from claude_client import BYPASS, Home, wait_until
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from installed import check_nothing_runs, index_settings
from test_turns import bash_runs, new_id, run, traced
from tracer import Tracer

BUILD_TIMEOUT_S = 400
NAME = "claude-code-tracing"
NEXT_VERSION = "0.1.1"
NAMES_THE_VERSION = (
    ".claude-plugin/plugin.json",
    "vendor/harness_tracing/__init__.py",
    "vendor/harness_tracing/capture/capture.sh",
)


def installed_from_the_marketplace(home: Home) -> None:
    """Install the plugin as the documentation says."""
    for words in (
        ("marketplace", "add", str(ROOT)),
        ("install", f"{NAME}@coding-harness-tracing"),
    ):
        done = home.run("plugin", *words)
        assert done.returncode == 0, done


def test_a_plugin_from_the_marketplace_traces(
    tracer: Tracer, bare_home: Home, model: ScriptedModel
) -> None:
    installed_from_the_marketplace(bare_home)
    session_id = run(bare_home, "Add SAVE25. [[tool_cycle]]")
    traced(tracer, model, session_id)


def test_the_first_session_on_an_empty_home_is_complete(
    bare_home: Home, model: ScriptedModel
) -> None:
    bare_home.extra_env.update(index_settings())
    installed_from_the_marketplace(bare_home)
    session_id = run(bare_home, "Survey. [[subagent_parallel]]")
    tracer = Tracer(bare_home, bare_home.path / ".arize" / "harness" / "bin" / "harness")
    assert not (tracer.root / "current").exists(), "built before the session ended: shows nothing"
    try:
        wait_until((tracer.root / "current").exists, timeout_s=BUILD_TIMEOUT_S, every_s=1)
    except AssertionError:
        pytest.fail(f"the version was not built\n{tracer.logs()}")
    traced(tracer, model, session_id)
    tracer.run("doctor")
    assert bare_home.run("plugin", "uninstall", f"{NAME}@coding-harness-tracing").returncode == 0
    tracer.run("uninstall", "--all", "--yes", "--delete-store")
    assert not (bare_home.path / ".arize").exists()
    check_nothing_runs(bare_home.path / ".arize")


def test_untraced_leaves_nothing_at_all(home: Home, tracer: Tracer, model: ScriptedModel) -> None:
    run(home, "Add SAVE25. [[tool_cycle]]", HARNESS_UNTRACED="1")
    time.sleep(1)
    assert sorted(path.name for path in tracer.root.iterdir()) == ["current", "versions"]


def test_a_project_switched_off_leaves_nothing(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    settings = home.project / ".claude" / "settings.json"
    settings.write_text(json.dumps({"env": {"ARIZE_TRACE_ENABLED": "false"}}), encoding="utf-8")
    run(home, "Add SAVE25. [[tool_cycle]]")
    time.sleep(1)
    assert sorted(path.name for path in tracer.root.iterdir()) == ["current", "versions"]


def test_a_plugin_registered_twice_counts_once(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    hooks = json.loads((PLUGIN / "hooks" / "hooks.json").read_text(encoding="utf-8"))["hooks"]
    registered = {}
    for event in hooks:
        command = tracer.run("hook-command", "claude-code", event).stdout.strip()
        registered[event] = [{"hooks": [{"type": "command", "command": command}]}]
    home.write_settings({"hooks": registered})
    for marker in ("tool_cycle", "subagent_parallel"):
        traced(tracer, model, run(home, f"Please. [[{marker}]]"))


def test_a_plugin_upgraded_in_the_middle_of_a_turn_loses_nothing(
    tracer: Tracer, bare_home: Home, model: ScriptedModel, tmp_path: Path
) -> None:
    """As after an upgrade: the old folder is gone while its session runs, the next uses the new."""
    bare_home.extra_env.update(index_settings())
    old, new = tmp_path / "plugin-old", tmp_path / "plugin-new"
    shutil.copytree(PLUGIN, old)
    shutil.copytree(PLUGIN, new)
    for name in NAMES_THE_VERSION:
        text = (new / name).read_text(encoding="utf-8")
        assert plugin_version() in text
        (new / name).write_text(text.replace(plugin_version(), NEXT_VERSION), encoding="utf-8")
    session_id = new_id()
    arguments = ("-p", "Sleep a little. [[short_tool]]", *BYPASS, "--plugin-dir", str(old))
    process = bare_home.start(*arguments, session_id=session_id)
    wait_until(lambda: bash_runs(model, "short_tool"))
    time.sleep(0.5)
    shutil.rmtree(old)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip()) == (0, "Slept."), err
    bare_home.prompt("Again. [[again]]", "--resume", session_id, "--plugin-dir", str(new))
    wait_until(
        lambda: (tracer.root / "current" / "version").read_text().strip() == NEXT_VERSION,
        timeout_s=BUILD_TIMEOUT_S,
        every_s=1,
    )
    upgraded = Tracer(bare_home, tracer.root / "bin" / "harness")
    traced(upgraded, model, session_id, ["completed", "completed"])


def test_a_broken_environment_loses_nothing(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    python = tracer.root / "current" / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    session_id = run(home, "Survey. [[subagent_parallel]]")
    assert Tracer(home, HARNESS).run("flush", "--wait", check=False).returncode in (0, 1)
    traced(tracer, model, session_id)


def test_an_environment_that_no_longer_starts_is_built_anew(
    bare_home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    bare_home.extra_env.update(index_settings())
    bare_home.always = ("--plugin-dir", str(PLUGIN))
    broken = (tracer.root / "current").resolve()
    python = broken / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    session_id = run(bare_home, "Survey. [[subagent_parallel]]")
    wait_until(
        lambda: (tracer.root / "current").resolve() != broken,
        timeout_s=BUILD_TIMEOUT_S,
        every_s=1,
    )
    rebuilt = Tracer(bare_home, tracer.root / "bin" / "harness")
    traced(rebuilt, model, session_id)


def test_hooks_are_gone_and_the_agent_does_not_notice(
    bare_home: Home, tracer: Tracer, model: ScriptedModel, tmp_path: Path
) -> None:
    hollow = tmp_path / "plugin"
    shutil.copytree(PLUGIN, hollow)
    shutil.rmtree(hollow / "vendor")
    bare_home.always = ("--plugin-dir", str(hollow))
    session_id = new_id()
    done = bare_home.prompt("Add SAVE25. [[tool_cycle]]", session_id=session_id)
    assert done.stdout.strip() == "SAVE25 takes 25 % off; `make check` passes."
    assert not tracer.sessions()
    (transcript,) = (bare_home.path / ".claude" / "projects").glob("*/*.jsonl")
    assert "hook_non_blocking_error" not in transcript.read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [".", "plugins/claude-code-tracing"])
def test_validation_finds_nothing_wrong_but_the_name(
    bare_home: Home, tmp_path: Path, part: str
) -> None:
    """Claude Code 2.1.330 reserves names that begin with `claude-`; ours is the documented one.

    So `claude plugin validate` refuses the plugin for its name, and for nothing else: the same
    files under another name pass. Installing and running it work under its own name.
    """
    report = json.loads(bare_home.run("plugin", "validate", "--json", str(ROOT / part)).stdout)
    assert [error["message"].split(":")[0] for error in report["manifest"]["errors"]] == [
        f'Plugin name "{NAME}" is reserved'
    ]
    for folder in (".claude-plugin", "plugins"):
        shutil.copytree(ROOT / folder, tmp_path / "copy" / folder)
    for manifest in (tmp_path / "copy").rglob(".claude-plugin/*.json"):
        text = manifest.read_text(encoding="utf-8")
        renamed = text.replace(f'"name": "{NAME}"', '"name": "harness-tracing"')
        manifest.write_text(renamed, encoding="utf-8")
    done = bare_home.run("plugin", "validate", str(tmp_path / "copy" / part))
    assert done.returncode == 0, done.stdout
