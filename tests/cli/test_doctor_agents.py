"""`harness doctor` on agents: registered, trusted, alone, really firing, writing what we know."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.locks import FileLock
from tests.cli.conftest import CommandLine
from tests.worker.player import NOBODY, Place

SESSION = "11111111-0b0a-4908-8706-050403020100"
HOUR_S = 3600.0


@pytest.fixture
def user(run: CommandLine) -> CommandLine:
    run.environ["PATH"] = "/usr/bin:/bin"
    run.environ["PWD"] = str(run.folder)
    return run


def told(user: CommandLine, check: str, level: str) -> list[dict[str, Any]]:
    checks = user("doctor", "--json").json["checks"]
    return [each for each in checks if (each["check"], each["level"]) == (check, level)]


def one(user: CommandLine, check: str, level: str) -> dict[str, Any]:
    (found,) = told(user, check, level)
    return found


def settings_of(user: CommandLine) -> Path:
    return user.folder / ".claude" / "settings.json"


def change(path: Path, **members: Any) -> None:
    known = json.loads(path.read_text())
    known.update(members)
    path.write_text(json.dumps(known))


def program(user: CommandLine, name: str, says: str) -> None:
    path = user.folder / "programs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    user.environ["PATH"] = f"{path.parent}:/usr/bin:/bin"


def session_file(user: CommandLine, changed_s: float, *lines: Any, cwd: str = "/work") -> Path:
    """A session as Claude Code keeps it, last written at a time."""
    path = user.folder / ".claude" / "projects" / "-work" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = {"type": "user", "sessionId": SESSION, "cwd": cwd, "uuid": "u", "message": {}}
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *lines)))
    os.utime(path, (changed_s, changed_s))
    return path


# --- registered


def test_an_agent_that_is_here_and_not_registered_is_told(user: CommandLine) -> None:
    (user.folder / ".claude").mkdir()
    found = one(user, "agents", "note")
    assert "its sessions are not traced" in found["message"]
    assert found["remedy"] == "harness install claude-code"


def test_a_registered_agent_is_well(user: CommandLine) -> None:
    user("install", "claude")
    assert [each for each in user("doctor", "--json").json["checks"] if not each["ok"]] == []
    assert str(settings_of(user)) in one(user, "agents", "ok")["message"]


def test_hooks_that_somebody_took_out_are_found_and_put_back(user: CommandLine) -> None:
    user("install", "claude")
    whole = json.loads(settings_of(user).read_text())["hooks"]
    change(settings_of(user), hooks={k: v for k, v in whole.items() if k != "Stop"}, model="opus")
    assert "not all of our hooks" in one(user, "agents", "problem")["message"]
    ran = user("doctor", "--fix")
    assert ran.code == 0 and "our hooks stand in" in ran.err
    mended = json.loads(settings_of(user).read_text())
    assert set(mended["hooks"]) == set(whole) and mended["model"] == "opus"


def test_hooks_that_were_never_ours_are_not_mended(user: CommandLine) -> None:
    user("install", "claude")
    whole = json.loads(settings_of(user).read_text())["hooks"]
    written = json.dumps({"hooks": {"Stop": whole["Stop"]}})
    user("uninstall", "claude")
    settings_of(user).parent.mkdir(exist_ok=True)
    settings_of(user).write_text(written)
    ran = user("doctor", "--fix")
    assert ran.code == 1 and settings_of(user).read_text() == written


def test_hooks_whose_script_is_gone_are_found_and_it_is_put_back(user: CommandLine) -> None:
    user("install", "claude")
    script = user.home.capture / "capture.sh"
    script.unlink()
    assert f"{script}, which is not there" in one(user, "agents", "problem")["message"]
    assert user("doctor", "--fix").code == 0
    assert script.exists()


def test_installer_and_plugin_together_are_told(user: CommandLine) -> None:
    user("install", "claude")
    change(settings_of(user), enabledPlugins={"claude-code-tracing@coding-harness-tracing": True})
    found = one(user, "agents", "note")
    assert "told twice is counted once" in found["message"]
    assert found["remedy"] == "one is enough: harness uninstall claude-code"


def test_another_tracers_hook_is_told_without_its_key(user: CommandLine) -> None:
    user("install", "claude")
    known = json.loads(settings_of(user).read_text())
    command = "LANGFUSE_SECRET_KEY=sk-lf-0123456789abcdef0123 python3 langfuse_hook.py"
    known["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": command}]})
    settings_of(user).write_text(json.dumps(known))
    found = one(user, "agents", "note")
    assert "another tracer listens as well" in found["message"]
    assert "0123456789abcdef0123" not in json.dumps(found)


def test_another_tracers_plugin_is_told(user: CommandLine) -> None:
    user("install", "claude")
    change(settings_of(user), enabledPlugins={"arize-tracing@other": True, "pdf@x": True})
    assert "arize-tracing@other" in one(user, "agents", "note")["message"]


def test_hooks_that_codex_does_not_trust_are_found_and_never_mended(user: CommandLine) -> None:
    user("install", "codex")
    found = one(user, "agents", "problem")
    assert found["message"] == "untrusted" and "open /hooks" in found["remedy"]
    files = {p: p.read_bytes() for p in (user.folder / ".codex").rglob("*") if p.is_file()}
    assert user("doctor", "--fix").code == 1
    assert files == {p: p.read_bytes() for p in (user.folder / ".codex").rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("says", "level", "message"),
    [
        ("1.0.88 (Claude Code)", "problem", "is older than what we can read (2.1)"),
        ("2.1.330 (Claude Code)", "ok", "is known to us"),
        ("2.9.0 (Claude Code)", "note", "is newer than the 2.1.330 that we learned from"),
    ],
)
def test_the_agents_version_is_held_against_what_we_know(
    user: CommandLine, says: str, level: str, message: str
) -> None:
    program(user, "claude", says)
    user("install", "claude")
    found = {each["subject"]: each["message"] for each in told(user, "agents", level)}
    assert found[f"Claude Code {says.split()[0]}"] == message


# --- firing


def test_hooks_that_do_not_fire_are_found(user: CommandLine) -> None:
    user("install", "claude")
    session_file(user, time.time() + HOUR_S)
    found = one(user, "firing", "problem")
    assert f"the hooks do not fire: its session {SESSION} went on" in found["message"]
    assert "no event came from it yet" in found["message"]
    assert "start Claude Code anew" in found["remedy"]


def test_what_happened_before_the_registration_says_nothing(user: CommandLine) -> None:
    session_file(user, time.time() - HOUR_S)
    user("install", "claude")
    assert one(user, "firing", "ok")["message"] == "no event came from it yet"


def test_a_session_in_a_project_that_is_not_traced_says_nothing(user: CommandLine) -> None:
    project = user.folder / "work"
    project.mkdir()
    user("install", "claude")
    user("disable", "claude", "--project", str(project))
    session_file(user, time.time() + HOUR_S, cwd=str(project))
    assert told(user, "firing", "problem") == []


def test_with_tracing_off_nothing_is_expected(user: CommandLine) -> None:
    user("install", "claude")
    user("disable", "claude")
    session_file(user, time.time() + HOUR_S)
    assert told(user, "firing", "problem") == []


def test_an_event_since_then_is_enough(user: CommandLine) -> None:
    user("install", "claude")
    for record in user.home.registrations.glob("*/*/record.json"):
        os.utime(record, (time.time() - 2 * HOUR_S,) * 2)
    session_file(user, time.time() - HOUR_S / 2)
    assert told(user, "firing", "problem")
    payload = {"session_id": SESSION, "prompt_id": "p", "prompt": "hello", "cwd": "/work"}
    Place(user.folder).fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        interpreter=NOBODY,
        CLAUDE_CODE_SESSION_ID=SESSION,
        CLAUDE_PID=str(os.getpid()),
    )
    assert "the last event came" in one(user, "firing", "ok")["message"]
    lock = FileLock(user.home.spool / "claude-code" / SESSION / "worker.lock")
    assert lock.acquire()
    assert "1 followed now" in one(user, "firing", "ok")["message"]
    lock.release()


# --- formats


def test_an_event_that_is_not_as_we_know_it_is_found(user: CommandLine) -> None:
    lost = user.home.quarantine / "claude-code" / SESSION
    lost.mkdir(parents=True, mode=0o700)
    (lost / "UserPromptSubmit.1.2").write_text(json.dumps({"session_id": SESSION}))
    found = one(user, "formats", "problem")
    assert "UserPromptSubmit, top level: " in found["message"]
    assert "is a required property" in found["message"]


def test_a_line_that_is_not_as_we_know_it_is_found_without_its_content(user: CommandLine) -> None:
    session_file(user, time.time(), {"type": "user", "message": "my secret plan"})
    found = told(user, "formats", "problem")
    assert found and all("my secret plan" not in each["message"] for each in found)


def test_what_is_as_we_know_it_is_well(user: CommandLine) -> None:
    recordings = Path(__file__).parents[1] / "recordings" / "claude-code"
    transcript = next(recordings.glob("*/**/*.jsonl"))
    path = session_file(user, time.time())
    path.write_bytes(transcript.read_bytes())
    assert "are as we know them" in one(user, "formats", "ok")["message"]
