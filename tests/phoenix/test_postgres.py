"""The same on PostgreSQL, where teams keep Phoenix's data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.phoenix import postgres
from tests.phoenix.delivered import Delivered
from tests.phoenix.playing import flushing_place, harness_of
from tests.phoenix.server import Phoenix, missing
from tests.worker.player import Place, capture

pytestmark = pytest.mark.phoenix


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    """A fresh server on a fresh PostgreSQL."""
    programs = postgres.programs()
    if programs is None:
        missing(postgres.MISSING)
    else:
        with postgres.cluster(programs) as database_url:
            started = Phoenix(tmp_path_factory.mktemp("phoenix"), database_url)
            try:
                started.start()
                yield started
            finally:
                started.kill()


def test_trees_on_postgresql_are_the_same(tmp_path: Path, phoenix: Phoenix) -> None:
    with flushing_place(tmp_path / "home", phoenix.url, "calls") as place:
        for name in ("elicitation", "claude-code-own/subagent_nested"):
            capture(place, name)
        harness_of(place)("flush", "--wait", "--verify")

        delivered = Delivered.by(harness_of(place), phoenix.url, "calls")
        assert delivered.differences() == []
        assert delivered.session_differences() == []
    assert "://phoenix@127.0.0.1" in phoenix.log(), "it does not say that it uses PostgreSQL"


def test_a_nul_character_loses_no_span(tmp_path: Path, phoenix: Phoenix) -> None:
    own = {"ARIZE_PROJECT_NAME": "nul"}
    with flushing_place(tmp_path / "home", phoenix.url, "calls", **own) as place:
        capture(place, "tool_cycle")
        assert put_nul(place, "Changed the cap") and put_nul(place, "make check")
        harness_of(place)("flush", "--wait", "--verify")

        delivered = Delivered.by(harness_of(place), phoenix.url, "calls")
        assert delivered.differences() == []
        told = {span["attributes"].get("output.value") for span in delivered.ours.values()}
        assert any(text and text.startswith("\ufffdChanged the cap") for text in told)


def put_nul(place: Place, text: str) -> bool:
    """Put a NUL before each place where the agent's files have this text."""
    changed = False
    for path in place.user_home.glob(".claude/projects/**/*.jsonl"):
        before = path.read_text()
        path.write_text(before.replace(text, "\\u0000" + text))
        changed = changed or text in before
    return changed
