"""install.sh on a clean home: a traced session, all well, and nothing left afterwards."""

from __future__ import annotations

from claude_client import Home
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from installed import SETTINGS, Installed
from test_turns import traced


def test_from_nothing_to_a_traced_session_and_back(bare_home: Home, model: ScriptedModel) -> None:
    here = Installed(bare_home)
    said = here.install_sh("claude", "--yes", "--backend", "local", "--with-skills")
    assert "are now registered" in said
    assert here.settings.read_bytes() != SETTINGS
    session_id = here.session("Add SAVE25. [[tool_cycle]]")
    traced(here.tracer, model, session_id)
    here.tracer.run("doctor")
    assert "were registered already" in here.tracer.run("update").stderr
    here.install_sh("uninstall", "--all", "--yes", "--delete-store")
    here.check_gone()
