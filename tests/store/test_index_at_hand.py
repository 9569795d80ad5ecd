"""The search index forgets a turn only when told what it was given: that must be reproducible."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import play, recordings

from harness_tracing.model import Session, ToolCall, Turn
from harness_tracing.store import SessionChange, Store, TurnWrite

FOLDERS = [
    folder
    for agent in ("claude-code", "codex", "cursor")
    for folder in recordings(agent)
    if folder.name in ("long_session", "subagent_parallel", "tool_cycle", "interrupt", "simple")
]


def words_left(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, search, row)")
        found: tuple[int] = connection.execute("SELECT count(*) FROM words").fetchone()
        return found[0]


def stored_and_deleted(path: Path, turn: Turn) -> tuple[int, int]:
    """How many words the index has once a turn is stored, and once it is deleted."""
    with Store.open(path) as store:
        session = Session(turn.agent, turn.session_id, "shop")
        store.write(SessionChange(session, (TurnWrite(turn, True),)))
        stored = words_left(path)
        store.delete_session(turn.agent, turn.session_id)
        return stored, words_left(path)


@pytest.mark.parametrize(
    "folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}"
)
def test_what_was_indexed_from_the_turn_at_hand_is_forgotten_with_it(
    folder: Path, tmp_path: Path
) -> None:
    for collected in play(folder).values():
        for turn in collected.whole():
            stored, left = stored_and_deleted(tmp_path / "store.sqlite3", turn)

            assert (stored > 0, left) == (True, 0)


def test_so_are_characters_that_no_file_can_hold_and_steps_that_still_run(tmp_path: Path) -> None:
    odd = ToolCall(
        tool_use_id="t1",
        name="Ba\ud800sh",
        started_at_ns=1,
        ended_at_ns=2,
        status="ok",
        input={"a\ud800": "x\udfff", "b": ["é\x00y"]},
    )
    runs = replace(odd, tool_use_id="t2", status="running", input={"c": "unsettled"})
    turn = Turn("codex", "s", "t", 1, "completed", 1, 2, prompt="p\ud800q", steps=(odd, runs))

    stored, left = stored_and_deleted(tmp_path / "store.sqlite3", turn)

    assert (stored > 0, left) == (True, 0)
