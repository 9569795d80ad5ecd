"""Conversations that only a transcript tells of, and what hooks tell of them later."""

from __future__ import annotations

import pytest
from recorded import Collected

from harness_tracing.agents import get
from harness_tracing.agents.base import HookEvent, Line
from harness_tracing.model import Message, Turn

SECOND = 10**9
AT = 1_795_380_000 * SECOND


def said(role: str, text: str, offset: int) -> Line:
    content = [{"type": "text", "text": text}]
    return Line("main", {"role": role, "message": {"content": content}}, offset)


def prompt(text: str, offset: int) -> Line:
    return said("user", f"<user_query>\n{text}\n</user_query>", offset)


def imported() -> tuple[bytes, list[Turn]]:
    """Two prompts of which the second was not answered; the reader's state after them."""
    reader, collected = get("cursor").reader("s", "p", None), Collected()
    reader.begin("/t/s.jsonl")
    reader.time_is(AT)
    reader.feed_all([prompt("One.", 0), said("assistant", "Done.", 90), prompt("Two.", 200)])
    reader.close(AT, "imported")
    collected.take(reader)
    return reader.snapshot(lambda message: message), collected.whole()


def test_each_prompt_is_a_turn_with_what_followed_it() -> None:
    _, turns = imported()

    told = [(t.turn_id, t.number, t.status, t.prompt, t.response) for t in turns]
    assert told == [
        ("line:0", 1, "completed", "One.", "Done."),
        ("line:200", 2, "interrupted", "Two.", None),
    ]
    assert all("times" in [gap.what for gap in turn.gaps] for turn in turns)


@pytest.mark.parametrize("file_first", [True, False])
def test_from_the_first_hook_on_lines_make_no_turns(file_first: bool) -> None:
    state, before = imported()
    reader, collected = get("cursor").reader("s", "p", state), Collected()
    common = {"conversation_id": "s", "generation_id": "g", "transcript_path": "/t/s.jsonl"}
    hooks = [
        HookEvent("a", "beforeSubmitPrompt", AT + SECOND, {**common, "prompt": "Three."}),
        HookEvent("b", "afterAgentResponse", AT + 2 * SECOND, {**common, "text": "Three done."}),
        HookEvent("c", "stop", AT + 3 * SECOND, {**common, "status": "completed"}),
    ]
    lines = [prompt("Three.", 300), said("assistant", "Three done.", 390)]
    reader.time_is(AT + 3 * SECOND)

    reader.feed_all([*lines, *hooks] if file_first else [*hooks, *lines])
    reader.tick(AT + 60 * SECOND, True)
    collected.take(reader)

    (turn,) = collected.whole()
    assert (turn.turn_id, turn.number, turn.status) == ("g", len(before) + 1, "completed")
    assert (turn.prompt, turn.response) == ("Three.", "Three done.")


def test_a_conversation_that_hooks_told_of_is_not_told_by_its_lines() -> None:
    reader, collected = get("cursor").reader("s", "p", None), Collected()
    reader.time_is(AT)
    common = {"conversation_id": "s", "generation_id": "g"}
    reader.feed(HookEvent("a", "beforeSubmitPrompt", AT, {**common, "prompt": "One."}))
    reader.feed(HookEvent("b", "stop", AT + SECOND, {**common, "status": "completed"}))
    reader.close(AT, "ended")

    again = get("cursor").reader("s", "p", reader.snapshot(_same))
    again.begin("/t/s.jsonl")
    again.feed_all([prompt("One.", 0), said("assistant", "Done.", 90)])
    again.close(AT, "imported")
    collected.take(again)

    assert collected.whole() == []


def _same(message: Message) -> Message:
    return message
