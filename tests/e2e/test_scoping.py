"""Two commands trace one project alone, and what `agents` and `doctor` then say."""

from __future__ import annotations

import json
import uuid

from claude_client import Home
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from tracer import Tracer


def session(home: Home) -> str:
    """One `claude -p`; its id."""
    session_id = str(uuid.uuid4())
    done = home.prompt("Hello. [[simple]]", session_id=session_id)
    assert done.returncode == 0, done
    return session_id


def test_one_project_alone_is_traced(tracer: Tracer, bare_home: Home, model: ScriptedModel) -> None:
    project = bare_home.project / ".claude"
    (project / "settings.json").unlink(missing_ok=True)
    tracer.root.chmod(0o700)
    tracer.run("install", "claude")
    settings = bare_home.path / ".claude" / "settings.json"
    registered = settings.read_bytes()

    tracer.run("disable", "claude")
    session(bare_home)
    tracer.run("enable", "claude", "--project", str(bare_home.project))
    traced = session(bare_home)
    tracer.flush()

    assert [each["session_id"] for each in tracer.sessions()] == [traced]
    rows = json.loads(tracer.run("agents", "--json").stdout)
    (row,) = [each for each in rows if each["agent"] == "claude-code"]
    assert row["sessions"] == 1 and row["last_event_at"] and not row["enabled"]
    assert [way["how"] for way in row["registered"]] == ["settings file"]
    assert "are as we know them" in tracer.run("doctor").stdout

    tracer.run("enable", "claude", "--project", str(bare_home.project), "--undo")
    tracer.run("enable", "claude")
    assert settings.read_bytes() == registered
    assert not (project / "settings.local.json").exists()
