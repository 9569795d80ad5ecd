"""What is deleted is gone: from the lists, from the file, from the write-ahead log."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

from harness_tracing.model import Session
from harness_tracing.store import SessionChange, Store
from tests.store import samples
from tests.store.samples import AGENT, DAY_NS, NOON_NS, change, session, store_path, stored, turn


def write_in_pieces(store: Store, session_id: str, word: str, seed: int) -> None:
    """A session all of whose texts hold `word`, its steps rewritten as they grow."""
    chance = random.Random(seed)
    for number in range(1, 6):
        written = turn(session_id, f"{word}-p{number}", number=number, prompt=f"{word} please")
        for n in range(8):
            output = f"{word} " * chance.choice([5, 60, 100])
            done = samples.tool(f"{word}-{n}", n, output=output, input=[word])
            running = replace(done, status="running", output=None, input=[word, "x" * 300])
            for step in (running, done):
                part = replace(written, steps=(step,))
                state = word.encode() * chance.choice([1, 500, 20_000])
                store.write(change(part, final=False, reader_state=state, cwd=f"/{word}"))
        store.write(change(replace(written, response=f"{word} done")))


def words_on_disk(folder: Path, word: str) -> int:
    return sum(each.read_bytes().count(word.encode()) for each in folder.iterdir())


def test_a_deleted_session_leaves_no_word_on_the_disk(tmp_path: Path) -> None:
    folder = store_path(tmp_path).parent
    with stored(tmp_path) as store:
        for number in range(6):
            word = "SECRET" if number == 3 else f"open-{number}"
            write_in_pieces(store, f"s-{number}", word, seed=number)
        assert words_on_disk(folder, "SECRET")

        assert store.delete_session(AGENT, "s-3")
        assert words_on_disk(folder, "SECRET") == 0
        assert store.session("s-3") is None and store.turns(AGENT, "s-3") == []
        assert store.reader_state(AGENT, "s-3") is None
        assert len(store.turns(AGENT, "s-4")) == 5


def test_deleted_words_go_also_while_a_worker_has_the_store_open(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    with stored(tmp_path) as worker, Store.open(path) as command:
        write_in_pieces(worker, "s-1", "SECRET", seed=1)
        assert command.delete_session(AGENT, "s-1")

        assert words_on_disk(path.parent, "SECRET") == 0
        assert worker.sessions() == []
        worker.write(change(turn()))


def test_deleting_what_is_not_there_says_so(tmp_path: Path) -> None:
    with stored(tmp_path, change(turn())) as store:
        assert not store.delete_session(AGENT, "unknown")
        assert not store.delete_session("codex", "s-1")
        assert store.session("s-1") is not None


def test_pruning_deletes_whole_sessions_by_their_last_event(tmp_path: Path) -> None:
    old_but_active = turn("active", started_at_ns=NOON_NS, ended_at_ns=NOON_NS + 9 * DAY_NS)
    changes = [
        change(turn("old")),
        change(old_but_active),
        SessionChange(session("new", started_at_ns=NOON_NS + 9 * DAY_NS)),
        SessionChange(Session(AGENT, "timeless", "pricing")),
    ]
    with stored(tmp_path, *changes) as store:
        assert store.prune(NOON_NS + 8 * DAY_NS) == 1
        assert {row.session_id for row in store.sessions()} == {"active", "new", "timeless"}
        assert store.prune(NOON_NS + 8 * DAY_NS) == 0


def test_the_file_shrinks_when_sessions_go(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        for number in range(8):
            write_in_pieces(store, f"s-{number}", f"word-{number}", seed=number)
            store.write(SessionChange(session(f"s-{number}"), reader_state=os.urandom(200_000)))
        before = store.stats().file_bytes
        store.prune(NOON_NS + DAY_NS)
        after = store.stats()

    assert after.file_bytes < before / 2
    assert (after.sessions, after.turns, after.steps, after.wal_bytes) == (0, 0, 0, 0)
    assert store_path(tmp_path).stat().st_size == after.file_bytes


def test_statistics_count_what_is_there(tmp_path: Path) -> None:
    running = turn("s-2", status="open", ended_at_ns=None, steps=(samples.tool("t1"),))
    with stored(tmp_path, change(turn()), change(running, final=False)) as store:
        found = store.stats()

    assert (found.sessions, found.turns, found.open_turns, found.steps) == (2, 2, 1, 1)
    assert (found.schema, found.path) == ("1.3", store_path(tmp_path))
    assert (found.first_event_ns, found.last_event_ns) == (NOON_NS, NOON_NS + 60 * 10**9)
