"""What comes into the store is news once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness_tracing.model import step_id
from harness_tracing.store import News, Seen, Store
from tests.store.samples import AGENT, call, change, store_path, stored, tool, turn


def said(news: list[News]) -> list[str]:
    return [
        step_id(each.step) if each.step else f"{each.turn.turn_id} {each.what}" for each in news
    ]


def test_a_turn_is_told_as_it_goes_on(tmp_path: Path) -> None:
    running = turn(status="open", ended_at_ns=None)
    waiting = tool("t1", 2, status="running")
    with stored(tmp_path) as writer, Store.open(store_path(tmp_path), readonly=True) as reader:
        told, seen = [], Seen()
        for each, final in (
            (replace(running, steps=(call("c1", 1),)), False),
            (replace(running, steps=(waiting,)), False),
            (running, False),
            (replace(running, steps=(replace(waiting, status="ok"),)), False),
            (turn(steps=(call("c2", 3),)), True),
            (turn(steps=(tool("late", 70),)), True),
        ):
            writer.write(change(each, final=final))
            news, seen = reader.news(seen)
            told.append(said(news))
    assert told == [
        ["p-1 began", "call:c1"],
        [],
        [],
        ["tool:t1"],
        ["call:c2", "p-1 ended"],
        ["tool:late"],
    ]


def test_what_was_there_is_no_news_but_its_end_is(tmp_path: Path) -> None:
    running = turn("s-2", status="open", ended_at_ns=None, steps=(tool("t1", status="running"),))
    with stored(tmp_path, change(turn()), change(running, final=False)) as store:
        seen = store.seen_by_now()
        assert store.news(seen)[0] == []
        store.write(change(turn("s-2", steps=(tool("t1"),))))
        news, seen = store.news(seen)
        assert said(news) == ["tool:t1", "p-1 ended"]
        assert store.news(seen)[0] == []


def test_after_a_deletion_what_comes_is_still_told(tmp_path: Path) -> None:
    gone = turn("s-2", status="open", ended_at_ns=None, steps=(tool("t1"), tool("t2")))
    with stored(tmp_path, change(turn()), change(gone, final=False)) as store:
        seen = store.seen_by_now()
        assert store.delete_session(AGENT, "s-2")
        news, seen = store.news(seen)
        assert news == []
        store.write(change(turn("s-3", steps=(tool("t1"),))))
        assert said(store.news(seen)[0]) == ["p-1 began", "tool:t1", "p-1 ended"]


def test_a_look_tells_cheaply_whether_anybody_wrote(tmp_path: Path) -> None:
    with stored(tmp_path) as writer, Store.open(store_path(tmp_path), readonly=True) as reader:
        before = reader.data_version()
        assert reader.data_version() == before
        writer.write(change(turn()))
        assert reader.data_version() != before
