"""`harness enable` and `disable`: one setting in the right file, and what then holds."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness_tracing import agents, scoping
from tests.cli.conftest import CommandLine
from tests.worker.player import NOBODY, Place

ODD = b'\xef\xbb\xbf{ "model":"opus" ,\r\n\t"hooks": {"Stop": [ ]},\r\n "z": [1,2 ]}\r\n'
FIRST = "11111111-0b0a-4908-8706-050403020100"
SECOND = "22222222-0b0a-4908-8706-050403020100"


@pytest.fixture
def project(run: CommandLine) -> Path:
    folder = run.folder / "work" / "one"
    folder.mkdir(parents=True)
    return folder


def settings_of(run: CommandLine) -> Path:
    return run.folder / ".claude" / "settings.json"


def local_of(project: Path) -> Path:
    return project / ".claude" / "settings.local.json"


def test_one_setting_is_changed_and_all_else_stays(run: CommandLine) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_bytes(ODD)
    assert run("disable", "claude").code == 0
    written = settings_of(run).read_bytes()
    assert json.loads(written.decode("utf-8-sig"))["env"] == {"ARIZE_TRACE_ENABLED": "false"}
    left = written.replace(
        b'"z": [1,2 ],\r\n "env": {\r\n \t"ARIZE_TRACE_ENABLED": "false"\r\n }', b"X"
    )
    assert left == ODD.replace(b'"z": [1,2 ]', b"X")


def test_doing_it_again_changes_nothing(run: CommandLine) -> None:
    run("disable", "claude")
    before = settings_of(run).stat()
    ran = run("disable", "claude")
    assert ran.code == 0 and "did not have to change" in ran.err
    assert settings_of(run).stat().st_mtime_ns == before.st_mtime_ns


def test_what_is_kept_for_taking_it_back_is_the_users_alone(run: CommandLine) -> None:
    run("disable", "claude")
    made = [run.home.root, *run.home.root.rglob("*")]
    assert len(made) > 3
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_on_again_restores_the_bytes(run: CommandLine) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_bytes(ODD)
    run("disable", "claude")
    run("enable", "claude")
    assert settings_of(run).read_bytes() == ODD
    assert not run.home.scopes.exists()


@pytest.mark.parametrize("agent", ["claude-code", "codex", "cursor"])
def test_off_and_on_leaves_no_file_of_ours(run: CommandLine, agent: str) -> None:
    assert run("disable", agent).code == 0
    made = [path for path in run.folder.rglob("*") if path.is_file()]
    assert made, "it has to stand somewhere"
    assert run("enable", agent).code == 0
    assert [path for path in run.folder.rglob("*") if path.is_file()] == []


def test_what_changed_meanwhile_stays_when_it_is_taken_back(run: CommandLine) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_text('{\n  "model": "opus"\n}\n')
    run("disable", "claude")
    text = settings_of(run).read_text().replace("opus", "sonnet")
    settings_of(run).write_text(text)
    assert run("disable", "claude", "--undo").code == 0
    assert settings_of(run).read_text() == '{\n  "model": "sonnet"\n}\n'


def test_on_again_takes_only_our_setting_from_a_file_that_changed(run: CommandLine) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_text('{\n  "model": "opus"\n}\n')
    run("disable", "claude")
    settings_of(run).write_text(settings_of(run).read_text().replace("opus", "sonnet"))
    run("enable", "claude")
    assert settings_of(run).read_text() == '{\n  "model": "sonnet"\n}\n'


def test_what_was_there_first_comes_back_after_changes_of_both(
    run: CommandLine, project: Path
) -> None:
    file, words = local_of(project), ("claude", "--project", str(project))
    file.parent.mkdir()
    file.write_text('{\n  "model": "opus"\n}\n')
    run("enable", *words)
    file.write_text(file.read_text().replace("opus", "sonnet"))
    run("disable", *words)
    assert json.loads(file.read_text())["env"] == {"ARIZE_TRACE_ENABLED": "false"}
    run("disable", *words, "--undo")
    assert file.read_text() == '{\n  "model": "sonnet"\n}\n'


def test_with_hooks_in_the_same_file_either_goes_first(run: CommandLine) -> None:
    before = b'{\n  "model": "opus" ,\n  "z": [1,2 ]}\n'
    settings_of(run).parent.mkdir()
    settings_of(run).write_bytes(before)
    run("install", "claude")
    run("disable", "claude")
    run("uninstall", "claude")
    assert b"capture.sh" not in settings_of(run).read_bytes()
    run("enable", "claude")
    assert settings_of(run).read_bytes() == before


def test_a_value_of_the_users_own_comes_back(run: CommandLine) -> None:
    file = run.folder / ".codex" / "arize-env.sh"
    file.parent.mkdir()
    before = "# mine\nexport ARIZE_TRACE_ENABLED=true\nexport ARIZE_USER_ID=me\n"
    file.write_text(before)
    run("disable", "codex")
    assert "ARIZE_TRACE_ENABLED=false\nexport ARIZE_USER_ID=me\n" in file.read_text()
    run("enable", "codex")
    assert file.read_text() == before


def test_a_project_gets_the_file_that_is_its_users_own(run: CommandLine, project: Path) -> None:
    assert run("enable", "claude", "--project", str(project)).code == 0
    assert json.loads(local_of(project).read_text()) == {"env": {"ARIZE_TRACE_ENABLED": "true"}}
    shared = project / ".claude" / "settings.json"
    assert not shared.exists()
    assert run("disable", "claude", "--project", str(project), "--shared").code == 1
    assert json.loads(shared.read_text()) == {"env": {"ARIZE_TRACE_ENABLED": "false"}}


def test_a_file_that_git_would_commit_is_told_of(run: CommandLine, project: Path) -> None:
    subprocess.run(["git", "init", "-q", str(project)], check=True, env=run.environ)
    words = ("claude", "--project", str(project))
    assert "git does not ignore it" in run("enable", *words).err
    (project / ".git" / "info" / "exclude").write_text("settings.local.json\n")
    assert "git does not ignore it" not in run("disable", *words).err
    assert "git does not ignore it" not in run("disable", *words, "--shared").err


def test_it_says_what_comes_before_it(run: CommandLine, project: Path) -> None:
    run("enable", "claude", "--project", str(project))
    ran = run("disable", "claude", "--project", str(project), "--shared")
    assert f"what would come before it: {local_of(project)}, HARNESS_UNTRACED" in ran.err
    assert "So it is still on" in ran.err


def test_it_says_what_holds_where_we_are(run: CommandLine, project: Path) -> None:
    run("enable", "claude", "--project", str(project))
    run.environ["PWD"] = str(project / "deeper")
    ran = run("disable", "claude")
    assert "in force everywhere: off (ARIZE_TRACE_ENABLED, agent's user settings)" in ran.err
    assert f"but in {project}: on (its own settings say so)" in ran.err


def test_a_variable_of_the_shell_that_comes_first_is_a_problem(run: CommandLine) -> None:
    run.environ["ARIZE_TRACE_ENABLED"] = "true"
    ran = run("disable", "codex")
    assert ran.code == 1
    assert "in force everywhere: on (ARIZE_TRACE_ENABLED, environment)" in ran.err
    assert run("disable", "claude").code == 0, "Claude Code's settings come before the shell's"


def test_untraced_is_said(run: CommandLine) -> None:
    run.environ["HARNESS_UNTRACED"] = "1"
    ran = run("enable", "claude")
    assert ran.code == 1 and "HARNESS_UNTRACED is set here" in ran.err


@pytest.mark.parametrize(
    ("agent", "advice"),
    [("codex", "ARIZE_TRACE_ENABLED=true codex"), ("cursor", "harness install cursor --project")],
)
def test_an_agent_without_a_projects_file_says_what_to_do(
    run: CommandLine, project: Path, agent: str, advice: str
) -> None:
    ran = run("enable", agent, "--project", str(project))
    assert ran.code == 1 and advice in ran.err
    assert [path for path in run.folder.rglob("*") if path.is_file()] == []


def test_without_an_agent_it_is_every_one_that_is_here(run: CommandLine) -> None:
    ran = run("disable")
    assert ran.code == 1 and "no agent was found here" in ran.err
    (run.folder / ".claude").mkdir()
    (run.folder / ".cursor").mkdir()
    assert run("disable").code == 0
    assert settings_of(run).exists() and run.home.config.exists()
    assert not (run.folder / ".codex").exists()


def test_a_comment_in_config_yaml_stays(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    before = "# mine\nproject: p  # why\n"
    run.home.config.write_text(before)
    run("disable", "cursor")
    assert run.home.config.read_text().startswith(before)
    run("enable", "cursor")
    assert run.home.config.read_text() == before


@pytest.mark.parametrize("text", ["{", '{"env": 3}', '{"a": 1} // why'])
def test_a_broken_file_is_left_alone(run: CommandLine, text: str) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_text(text)
    ran = run("disable", "claude")
    assert ran.code == 1 and str(settings_of(run)) in ran.err
    assert settings_of(run).read_text() == text


def test_a_read_only_file_is_refused(run: CommandLine) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_text("{}")
    settings_of(run).chmod(0o400)
    ran = run("disable", "claude")
    assert ran.code == 1 and "read-only" in ran.err
    assert settings_of(run).read_text() == "{}" and not run.home.scopes.exists()


def test_taking_everything_back_is_one_call(run: CommandLine, project: Path) -> None:
    settings_of(run).parent.mkdir()
    settings_of(run).write_bytes(ODD)
    run("disable", "claude")
    run("enable", "claude", "--project", str(project))
    run("disable", "claude", "--project", str(project), "--shared")
    done = list(scoping.undo_all(run.home, agents.get("claude"), run.environ))
    assert [each.changed for each in done] == [True] * 3
    assert settings_of(run).read_bytes() == ODD
    assert list(project.iterdir()) == [] and not run.home.scopes.exists()


def prompt(place: Place, session: str, project: Path, user: Path) -> None:
    """A prompt's hook as Claude Code fires it: its settings files in the environment."""
    env: dict[str, str] = {}
    for file in (user, project / ".claude" / "settings.json", local_of(project)):
        env.update(json.loads(file.read_text())["env"] if file.exists() else {})
    payload = {"session_id": session, "prompt_id": "p", "prompt": "hello", "cwd": str(project)}
    place.fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        interpreter=NOBODY,
        CLAUDE_CODE_SESSION_ID=session,
        CLAUDE_PROJECT_DIR=str(project),
        CLAUDE_PID=str(os.getpid()),
        **env,
    )


def test_two_commands_trace_one_project_alone(run: CommandLine, project: Path) -> None:
    place = Place(run.folder)
    other = project.with_name("other")
    other.mkdir()
    run("disable", "claude")
    run("enable", "claude", "--project", str(project))
    prompt(place, FIRST, project, settings_of(run))
    prompt(place, SECOND, other, settings_of(run))
    place.flush()
    listed = run("sessions", "list", "--json").json
    assert [each["session_id"] for each in listed] == [FIRST]
