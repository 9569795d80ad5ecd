"""What the Phoenix tests need; without the server or PostgreSQL they say so loudly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.phoenix import postgres, server
from tests.phoenix.server import Phoenix

MISSING = (server.MISSING, postgres.MISSING)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """No Phoenix, no test of it."""
    here = Path(__file__).parent in item.path.parents
    if here and item.get_closest_marker("phoenix") and not server.PHOENIX.exists():
        server.missing(server.MISSING)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was skipped is said in a line of its own, so that nobody takes it for success."""
    reports = [str(each.longrepr) for each in terminalreporter.stats.get("skipped", [])]
    for reason in MISSING:
        if any(reason in report for report in reports):
            terminalreporter.write_line(f"NOT TESTED: {reason}", red=True, bold=True)


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[Phoenix]:
    """A fresh server of this test's own."""
    started = Phoenix(tmp_path / "phoenix").start()
    yield started
    started.kill()


@pytest.fixture(scope="session")
def shared_phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    """One server for all tests with sessions and a project of their own, which leave it running."""
    started = Phoenix(tmp_path_factory.mktemp("phoenix")).start()
    yield started
    started.kill()
