"""Turns are found by every text of theirs, at once, and not any more when they are deleted."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness_tracing.model import Failure, Message, Moment, Session, Subagent
from harness_tracing.store import SessionChange, Store, TurnChoice, TurnWrite, search
from harness_tracing.store.terms import parse
from tests.store.older import as_released
from tests.store.samples import (
    AGENT,
    DAY_NS,
    NOON_NS,
    call,
    change,
    session,
    store_path,
    stored,
    tool,
    turn,
)

ANY = TurnChoice()
EVERY_TEXT = turn(
    prompt="promptword",
    response="responseword",
    error=Failure("x", "turnerror"),
    steps=(
        call("c1", output=Message("assistant", "saidword")),
        call("c2", error=Failure("overloaded", "callerror")),
        tool("t1", input={"command": "commandword", "env": [{"a": "deepword"}]}, output="outword"),
        tool("t2", status="error", error=Failure("exit", "toolerror")),
        Subagent("a1", "Explore", "t1", NOON_NS, NOON_NS, "completed", "agentprompt", "agentsaid"),
        Moment("prompt", NOON_NS, "m1", details={"text": "queuedword"}),
    ),
)


def found(store: Store, query: str, choice: TurnChoice = ANY, limit: int = 20) -> list[str]:
    return [f"{each.session_id}/{each.turn.turn_id}" for each in store.search(query, choice, limit)]


@pytest.mark.parametrize(
    "word",
    "promptword responseword saidword commandword deepword outword toolerror callerror turnerror"
    " agentprompt agentsaid queuedword Bash".split(),
)
@pytest.mark.parametrize("final", [True, False], ids=["final", "open"])
def test_a_turn_is_found_by_each_of_its_texts(tmp_path: Path, word: str, final: bool) -> None:
    with stored(tmp_path, change(EVERY_TEXT, final=final)) as store:
        assert found(store, word) == ["s-1/p-1"]
        assert found(store, f"{word} promptword nowhere") == []


def test_words_of_different_steps_find_their_turn_and_a_phrase_needs_them_in_a_row(
    tmp_path: Path,
) -> None:
    first = turn(turn_id="p-1", prompt="add the code", response="done")
    second = turn(turn_id="p-2", number=2, prompt="the added code")
    with stored(tmp_path, change(first), change(second)) as store:
        assert set(found(store, "the code")) == {"s-1/p-1", "s-1/p-2"}
        assert found(store, '"the code"') == ["s-1/p-1"]
        assert found(store, "code done") == ["s-1/p-1"]
        assert set(found(store, "add*")) == {"s-1/p-1", "s-1/p-2"}


def test_a_word_of_a_prompt_ranks_before_the_same_in_an_output(tmp_path: Path) -> None:
    output = turn("s-1", steps=(tool("t1", output="shipping"),))
    prompt = turn("s-2", prompt="shipping")
    with stored(tmp_path, change(output), change(prompt)) as store:
        assert found(store, "shipping") == ["s-2/p-1", "s-1/p-1"]
        assert found(store, "shipping", limit=1) == ["s-2/p-1"]


def test_only_the_chosen_turns_are_found(tmp_path: Path) -> None:
    later = turn("s-2", started_at_ns=NOON_NS + DAY_NS, ended_at_ns=NOON_NS + DAY_NS)
    codex = Session("codex", "s-1", "shop")
    foreign = replace(turn(), agent="codex")
    with stored(tmp_path, change(turn()), change(later)) as store:
        store.write(SessionChange(codex, (TurnWrite(foreign, True),)))
        assert len(found(store, "freeship")) == 3
        assert [each.agent for each in store.search("freeship", TurnChoice(agent="codex"), 9)] == [
            "codex"
        ]
        assert found(store, "freeship", TurnChoice(project="shop")) == ["s-1/p-1"]
        assert found(store, "freeship", TurnChoice(since_ns=NOON_NS + 1)) == ["s-2/p-1"]
        assert len(found(store, "freeship", TurnChoice(until_ns=NOON_NS + 1))) == 2


def test_what_came_late_is_found_too(tmp_path: Path) -> None:
    running = tool("t1", status="running", input="startedword")
    with stored(tmp_path, change(turn(steps=(running,)))) as store:
        assert found(store, "freeship") == ["s-1/p-1"]
        done = replace(running, status="ok", output="endedword")
        more = tool("t2", output="laterword")
        store.write(change(turn(steps=(done, more))))
        for word in ("startedword", "endedword", "laterword", "freeship"):
            assert found(store, word) == ["s-1/p-1"], word
        assert index_rows(store) == 3
        assert store.backlog() == 0


def index_rows(store: Store) -> int:
    return int(store._connection.execute("SELECT count(*) FROM search_docsize").fetchone()[0])


def words_in_index(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, search, row)")
    words = {row[0] for row in connection.execute("SELECT term FROM temp.words")}
    connection.close()
    return words


def on_disk(path: Path, word: str) -> int:
    return sum(each.read_bytes().lower().count(word.encode()) for each in path.parent.iterdir())


def test_the_words_of_a_deleted_session_leave_the_index_and_the_disk(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    secret = "zqxsecretword"
    late = turn("s-7", steps=(tool("late", output=f"{secret}late"),))
    with stored(tmp_path) as store:
        for number in range(40):
            word = f"{secret} {secret}{number}" if number % 10 == 7 else f"word{number}"
            steps = (tool("t1", output=f"{word} out"),)
            store.write(change(turn(f"s-{number}", prompt=word, steps=steps)))
        store.write(change(late))
        assert len(found(store, secret)) == 4 and on_disk(path, secret)

        for number in (7, 17, 27, 37):
            assert store.delete_session(AGENT, f"s-{number}")
        assert found(store, f"{secret}*") == []
        assert on_disk(path, secret) == 0
        assert index_rows(store) == 36
        assert found(store, "word8") == ["s-8/p-1"]
    assert not {word for word in words_in_index(path) if word.startswith(secret)}


def test_pruned_sessions_leave_the_index_too(tmp_path: Path) -> None:
    with stored(
        tmp_path, change(turn("old")), change(turn("new"), ended_at_ns=NOON_NS + 9 * DAY_NS)
    ) as store:
        assert store.prune(NOON_NS + DAY_NS) == 1
        assert found(store, "freeship") == ["new/p-1"]
        assert index_rows(store) == 1


def test_an_index_is_made_anew_after_somebody_deleted_who_does_not_know_of_it(
    tmp_path: Path,
) -> None:
    path = store_path(tmp_path)
    with stored(tmp_path, change(turn("s-1", prompt="goneword")), change(turn("s-2"))) as store:
        older = sqlite3.connect(path)
        older.execute("PRAGMA foreign_keys = ON")
        older.execute("DELETE FROM sessions WHERE session_id = 's-1'")
        older.commit()
        older.close()
        store.write(change(turn("s-3", prompt="other")))

        while store.catch_up():
            pass
        assert found(store, "goneword") == []
        assert (found(store, "freeship"), found(store, "other")) == (["s-2/p-1"], ["s-3/p-1"])
        assert index_rows(store) == 2
    assert "goneword" not in words_in_index(path)


@pytest.mark.parametrize("schema", ["1.0", "1.1"])
def test_an_older_store_is_searched_at_once_and_indexed_bit_by_bit(
    tmp_path: Path, schema: str
) -> None:
    turns = [turn(turn_id=f"p-{n}", number=n, prompt=f"word{n} all") for n in range(1, 51)]
    stored(tmp_path, *(change(each) for each in turns)).close()
    with Store.open(as_released(store_path(tmp_path), schema, tmp_path / "old.sqlite3")) as store:
        assert store.backlog() == 50
        assert found(store, "word33") == ["s-1/p-33"]
        done = store.catch_up()
        assert 0 < done < 50 and store.backlog() == 50 - done
        assert len(found(store, "all", limit=99)) == 50
        while store.catch_up():
            assert len(found(store, "all", limit=99)) == 50
        assert store.backlog() == 0 and index_rows(store) == 50
        assert found(store, "word33") == ["s-1/p-33"]


def test_turns_written_without_index_are_found_before_and_after_they_are_taken_in(
    tmp_path: Path,
) -> None:
    with stored(tmp_path) as store:
        store.write(change(turn()), index=False)
        assert (found(store, "freeship"), store.backlog()) == (["s-1/p-1"], 1)
        assert store.catch_up() == 1
        assert (found(store, "freeship"), store.backlog()) == (["s-1/p-1"], 0)
        assert store.catch_up() == 0


def test_reading_all_turns_finds_what_the_index_finds(tmp_path: Path) -> None:
    texts = ["Füge café hinzu", "run make_check", "日本語のテスト", "make  it\ncheck", "CHECK"]
    changes = [change(turn(f"s-{n}", prompt=text)) for n, text in enumerate(texts)]
    with stored(tmp_path, *changes) as store:
        for query in ("cafe", '"make check"', "check", "テスト", "mak*", "fuge hinzu", "nothing"):
            indexed = set(search.found_turns(store._connection, parse(query), ANY, 99))
            read = search.scanned_turns(store._connection, parse(query), ANY, all_=True)
            assert set(read) == indexed, query


def test_the_ends_of_a_very_long_output_are_found(tmp_path: Path) -> None:
    output = "beginword " + "x " * 400_000 + " endword"
    with stored(tmp_path, change(turn(steps=(tool("t1", output=output),)))) as store:
        assert found(store, "beginword endword") == ["s-1/p-1"]
        assert store.delete_session(AGENT, "s-1") and index_rows(store) == 0


def test_sessions_are_listed_by_words_and_by_failures(tmp_path: Path) -> None:
    failing = turn("s-2", prompt="other", steps=(tool("t1", status="error"),))
    broken = turn("s-3", status="failed", prompt="other")
    running = turn("s-4", status="open", ended_at_ns=None, steps=(tool("t1", status="error"),))
    changes = [change(turn()), change(failing), change(broken), change(running, final=False)]
    with stored(tmp_path, *changes) as store:

        def listed(**choice: object) -> set[str]:
            return {row.session_id for row in store.sessions(**choice)}  # type: ignore[arg-type]

        assert listed(text="freeship") == {"s-1", "s-4"}
        assert listed(failed=True) == {"s-2", "s-3", "s-4"}
        assert listed(text="freeship", failed=True) == {"s-4"}
        assert listed(until_ns=NOON_NS) == set()
        assert listed(until_ns=NOON_NS + 1) == {"s-1", "s-2", "s-3", "s-4"}


def test_searching_goes_on_while_sessions_come_and_go(tmp_path: Path) -> None:
    path, over, problems = store_path(tmp_path), threading.Event(), []

    def write() -> None:
        try:
            with Store.open(path) as store:
                for number in range(60):
                    store.write(change(turn(f"s-{number}", prompt="always here")))
                    if number % 10 == 9:
                        store.delete_session(AGENT, f"s-{number - 5}")
        except BaseException as error:
            problems.append(error)
        over.set()

    stored(tmp_path, change(turn("first", prompt="always here"))).close()
    thread = threading.Thread(target=write)
    thread.start()
    with Store.open(path, readonly=True) as store:
        counts = []
        while not over.is_set():
            counts.append(len(found(store, "always", limit=999)))
        counts.append(len(found(store, "always", limit=999)))
    thread.join()
    assert not problems
    assert min(counts) >= 1 and counts[-1] == 55


def test_a_session_that_began_without_a_time_is_searched(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        store.write(SessionChange(session(started_at_ns=None), (TurnWrite(turn(), True),)))
        assert found(store, "freeship") == ["s-1/p-1"]
