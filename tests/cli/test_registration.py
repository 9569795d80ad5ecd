"""`harness install` and `harness uninstall`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness_tracing import agents
from harness_tracing.environments import write_capture
from tests import golden
from tests.cli.conftest import CommandLine

FILES = {
    "claude-code": ".claude/settings.json",
    "codex": ".codex/hooks.json",
    "cursor": ".cursor/hooks.json",
}


@pytest.mark.parametrize("agent", agents.names())
def test_twice_is_once_and_uninstalling_leaves_nothing(run: CommandLine, agent: str) -> None:
    ran = run("install", agent)
    assert (ran.code, ran.out) == (0, "")
    assert "are now registered" in ran.err and FILES[agent] in ran.err
    assert "were registered already" in run("install", agent).err
    assert "are gone" in run("uninstall", agent).err
    assert "were not registered" in run("uninstall", agent).err
    assert not (run.folder / FILES[agent]).exists()
    assert not run.home.capture.exists()


def test_an_agent_that_is_not_installed_is_said(run: CommandLine) -> None:
    run.environ["PATH"] = "/nowhere"
    ran = run("install", "codex")
    assert ran.code == 0
    golden.check("install/agent-not-installed", ran.err.replace(str(run.folder), "~"))


def test_capture_stays_while_another_agent_is_registered(run: CommandLine) -> None:
    run("install", "codex")
    run("install", "claude")
    run("uninstall", "codex")
    assert (run.home.capture / "capture.sh").exists()


def test_a_broken_file_is_a_problem_said_in_one_line(run: CommandLine) -> None:
    path = run.folder / FILES["codex"]
    path.parent.mkdir()
    path.write_text("{")
    ran = run("install", "codex")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1 and str(path) in ran.err
    assert path.read_text() == "{"


def test_cursor_is_asked_for_its_version(run: CommandLine) -> None:
    program = run.folder / "cursor"
    program.write_text("#!/bin/sh\necho 2.7.3\necho commit\n")
    program.chmod(0o755)
    run.environ["PATH"] = f"{run.folder}:{run.environ['PATH']}"
    assert "--agent-version" not in run("install", "cursor").err
    hooks = json.loads((run.folder / FILES["cursor"]).read_bytes())["hooks"]
    assert set(hooks) == {event.name for event in agents.get("cursor").events}


def test_codexs_trust_is_told_and_what_to_do(run: CommandLine) -> None:
    said = run("install", "codex").err
    assert "Codex: untrusted." in said and "/hooks" in said
    assert not (run.folder / ".codex" / "config.toml").exists()


@pytest.mark.parametrize("agent", agents.names())
def test_the_registered_line_captures_with_the_installed_version(
    run: CommandLine, agent: str
) -> None:
    run("install", agent, "--agent-version", "3.0")
    python = run.home.current / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    text = (run.folder / FILES[agent]).read_text()
    event = agents.get(agent).events[0].name
    (item,) = json.loads(text)["hooks"][event]
    (handler,) = item.get("hooks", [item])
    payload = json.dumps({agents.get(agent).session_key: "s-1"}).encode()
    done = subprocess.run(
        ["sh", "-c", handler["command"]],
        input=payload,
        env=run.environ,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (file,) = (run.home.spool / agent / "s-1").glob(f"{event}.*")
    assert file.read_bytes() == payload


def bootstraps(folder: Path, name: str) -> Path:
    """A package whose bootstrap tells its name."""
    package = folder / name / "harness_tracing"
    (package / "capture").mkdir(parents=True)
    for script in ("capture.sh", "capture.py", "wait.sh"):
        (package / "capture" / script).write_text(f"# {name}\n")
    (package / "capture" / "bootstrap.sh").write_text(f'echo {name.replace(chr(39), "")} "$@"\n')
    return package


def test_the_placed_bootstrap_is_the_installed_versions_else_the_installers(
    run: CommandLine,
) -> None:
    write_capture(run.home.capture, bootstraps(run.folder, "installer's own"))
    words = ["sh", str(run.home.capture / "bootstrap.sh"), str(run.home.root), "--wait"]
    assert subprocess.check_output(words, text=True) == f"installers own {run.home.root} --wait\n"
    bootstraps(run.home.current, "package")
    assert subprocess.check_output(words, text=True) == f"package {run.home.root} --wait\n"
    assert (run.home.capture / "capture.sh").read_text() == "# installer's own\n"


def test_an_agent_that_is_not_there_is_spoken_of_and_registered(run: CommandLine) -> None:
    run.environ["PATH"] = ""
    assert "was not found here" in run("install", "cursor").err
    (run.folder / ".claude").mkdir()
    assert "was not found here" not in run("install", "claude-code").err


def test_a_project_of_cursors_and_back(run: CommandLine) -> None:
    project = run.folder / "project"
    project.mkdir()
    said = run("install", "cursor", "--project", str(project), "--tab-edits").err
    assert str(project / ".cursor" / "hooks.json") in said and "if it is committed" in said
    assert not (run.folder / ".cursor").exists()
    run("install", "cursor")
    assert f"harness uninstall cursor --project {project}" in run("uninstall", "cursor").err
    assert (run.home.capture / "capture.sh").exists()
    assert "are gone" in run("uninstall", "cursor", "--project", str(project)).err
    assert list(project.iterdir()) == []
    assert not run.home.capture.exists()


@pytest.mark.parametrize("option", [("--project", "."), ("--tab-edits",)])
def test_options_that_an_agent_lacks_are_wrong_usage(
    run: CommandLine, option: tuple[str, ...]
) -> None:
    ran = run("install", "codex", *option)
    assert (ran.code, ran.out) == (2, "")
    assert option[0] in ran.err
    assert not (run.folder / ".codex").exists()


def test_a_refused_install_leaves_nothing_of_ours(run: CommandLine) -> None:
    path = run.folder / FILES["codex"]
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o444)
    ran = run("install", "codex")
    assert ran.code == 1 and "chmod u+w" in ran.err and ran.err.count("\n") == 1
    assert not run.home.capture.exists() and not run.home.registrations.exists()


def test_help_names_the_agents_and_their_files(run: CommandLine) -> None:
    said = run("install", "--help").out
    for word in ("claude-code", "codex", "cursor", "settings.json", "hooks.json", "--tab-edits"):
        assert word in said
