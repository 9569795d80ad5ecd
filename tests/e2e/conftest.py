"""What every end-to-end test needs: the real client, a scripted model, a fresh home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import CLAUDE, PLUGIN
from claude_client import Home
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS, SUMMARY
from tracer import Tracer

# Tests of other clients, which say themselves when theirs is missing.
OTHERS = ("test_codex.py", "test_codex_daemon.py", "test_cursor.py")
MISSING = f"the real Claude Code is not at {CLAUDE}: run `make setup-e2e` (needs npm)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives the real client; without it, say so and skip."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if not CLAUDE.exists() and item.path.name not in OTHERS:
                item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped client is said in a line of its own, so that nobody takes it for success."""
    skipped = terminalreporter.stats.get("skipped", [])
    if any(MISSING in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"NOT TESTED END TO END: {MISSING}", red=True, bold=True)


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """The scripted model server."""
    with ScriptedModel(SCRIPTS, SUMMARY) as server:
        yield server


@pytest.fixture
def bare_home(tmp_path: Path, model: ScriptedModel) -> Iterator[Home]:
    """A home with the project, and nothing of ours."""
    home = Home.fresh(tmp_path / "home", model.url)
    yield home
    Tracer(home).kill_workers()


@pytest.fixture
def tracer(bare_home: Home) -> Tracer:
    """The tracer, installed ahead in a fresh home."""
    tracer = Tracer(bare_home)
    tracer.install()
    return tracer


@pytest.fixture
def home(tracer: Tracer) -> Home:
    """A home in which the tracer is installed and each `claude` loads the plugin."""
    tracer.home.always = ("--plugin-dir", str(PLUGIN))
    return tracer.home
