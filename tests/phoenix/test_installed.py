"""install.sh with Phoenix as the backend: the session arrives, and everything goes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import CLAUDE
from claude_client import Home
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from installed import Installed
from scenarios import SCRIPTS, SUMMARY
from tests.phoenix import live
from tests.phoenix.delivered import Delivered
from tests.phoenix.server import Phoenix, missing

pytestmark = [pytest.mark.phoenix, pytest.mark.e2e]


def test_installed_with_phoenix_the_session_arrives_there(tmp_path: Path, phoenix: Phoenix) -> None:
    if not CLAUDE.exists():
        missing(live.MISSING)
    with ScriptedModel(SCRIPTS, SUMMARY) as model:
        here = Installed(Home.fresh(tmp_path / "home", model.url))
        setting = {"PHOENIX_ENDPOINT": phoenix.url}
        here.home.extra_env.update(setting)
        here.install_sh("claude", "--yes", "--backend", "phoenix")
        for name in setting:  # config.yaml has it now
            del here.home.extra_env[name]
        try:
            session_id = here.session(live.PROMPTS[0])
            delivered = Delivered.by(
                lambda *words: here.tracer.run(*words).stdout, phoenix.url, "turns"
            )
            assert delivered.ours and delivered.differences() == []
            assert delivered.reading.session(session_id)["numTraces"] == 1
            here.tracer.run("doctor")
            here.install_sh("uninstall", "--all", "--yes", "--delete-store")
            here.check_gone()
        finally:
            here.tracer.kill_workers()
