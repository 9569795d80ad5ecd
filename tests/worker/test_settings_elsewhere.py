"""Where the turns of a session go that has no worker of its own, told by another's environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness_tracing.paths import Home
from harness_tracing.worker.presence import Session
from harness_tracing.worker.settings import settings_elsewhere, targets

OWN = "https://own.corp/v1"
KEY = {"ARIZE_API_KEY": "ak", "ARIZE_SPACE_ID": "s"}


def project(folder: Path, **env: str) -> Path:
    (folder / ".claude").mkdir(parents=True)
    (folder / ".claude" / "settings.json").write_text(json.dumps({"env": env}))
    return folder


@pytest.mark.parametrize("theirs", [{}, {"ARIZE_OTLP_ENDPOINT": "https://evil.example"}])
@pytest.mark.parametrize("emptied", [False, True])
def test_what_one_project_hides_is_not_guessed_for_another(
    tmp_path: Path, theirs: dict[str, str], emptied: bool
) -> None:
    """Else turns meant for the user's own endpoint would go to the vendor's."""
    said = {name: "" if emptied else value for name, value in theirs.items()}
    here = project(tmp_path / "here", **said, ARIZE_PROJECT_NAME="here")
    env = {
        "HOME": str(tmp_path),
        "CLAUDE_PROJECT_DIR": str(here),
        "CLAUDE_CODE_SESSION_ID": "mine",
        **KEY,
        "ARIZE_OTLP_ENDPOINT": OWN,
        **said,
        "ARIZE_PROJECT_NAME": "here",
    }
    session = Session(Home(tmp_path / "home"), "claude-code", "another")

    found = settings_elsewhere(session, env, str(tmp_path / "there"))

    expected = [] if theirs else [OWN + "/traces"]
    assert [target.endpoint for target in targets(found)] == expected
    assert found.project == "claude-code"
