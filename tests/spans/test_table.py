"""The table of attributes, and the page that is generated from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from harness_tracing.model import (
    Failure,
    Gap,
    Message,
    ModelCall,
    Moment,
    Repository,
    Session,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
    Usage,
)
from harness_tracing.prices import PriceTable
from harness_tracing.spans import attributes, spans
from tests.spans.random_turns import SECOND_NS, START_NS
from tools import docs_spans

KEYS = [row.key for row in attributes.ATTRIBUTES]
PRICES = PriceTable.load()
ENDED_NS = START_NS + 9 * SECOND_NS
LATE_NS = ENDED_NS + SECOND_NS


def full_turn() -> Turn:
    """A turn with something to tell for every row of the table."""
    said = Message("assistant", "text", "thinking", (ToolRequest("u1", "Bash", {"command": "ls"}),))
    usage = Usage(20_000, 500, 18_000, 1_500, 1_000, 120)
    call = ModelCall(
        "c1",
        "claude-opus-5-5",
        START_NS,
        LATE_NS,
        usage,
        input_messages=(said, Message("tool", "out", tool_call_id="u0")),
        output=said,
        finish_reason="tool_use",
        error=Failure("overloaded_error", "busy"),
        request_id="req",
        agent_id="a1",
        earlier_messages=3,
        attempt=2,
        kind="title",
        provider="anthropic",
        parameters={"max_tokens": 1},
        redactions=1,
    )
    steps: tuple[Step, ...] = (
        call,
        replace(call, call_id="c2", model="mock-model", agent_id=None, kind=None),
        ToolCall(
            "u1",
            "Bash",
            None,
            START_NS,
            "denied",
            input={"command": "ls"},
            output="no",
            waited_ns=5,
            mcp_server="pricing",
        ),
        Subagent("a1", "Explore", "u1", START_NS, ENDED_NS, "completed", "look", "found"),
        Moment("prompt", START_NS, "m1", LATE_NS, {"prompt": "more"}),
        Moment("prompt", LATE_NS, "m2", agent_id="a1"),
        Moment("compaction", START_NS, "m3", ENDED_NS, {"trigger": "auto"}),
    )
    return Turn(
        "claude-code",
        "s",
        "t",
        1,
        "failed",
        START_NS,
        ENDED_NS,
        answered_at_ns=ENDED_NS,
        prompt="prompt",
        response="response",
        model="claude-opus-5-5",
        usage=usage,
        steps=steps,
        gaps=(Gap("what", "why"),),
        cause="task_notification",
        caused_by="u0",
        cwd="/home/dev/shop",
        repository=Repository("https://example.com/shop.git", "main", "abc"),
    )


def test_the_page_is_what_the_table_gives() -> None:
    assert docs_spans.check() is None


def test_each_key_stands_in_the_table_once() -> None:
    assert [key for key, count in Counter(KEYS).items() if count > 1] == []


def test_no_key_is_the_beginning_of_another() -> None:
    """Backends show dotted keys as nested objects, where a value can not also be a folder."""
    clashes = [(a, b) for a in KEYS for b in KEYS if b.startswith(a + ".")]
    assert clashes == []


def test_indices_match_numbers_and_nothing_else() -> None:
    row = next(row for row in attributes.ATTRIBUTES if row.key.endswith("_messages.N.message.role"))
    assert row.matches("llm.input_messages.12.message.role")
    assert not row.matches("llm.input_messages.x.message.role")
    assert not row.matches("llm.input_messages.0.message.role.more")


def test_each_row_is_an_attribute_that_some_span_or_event_has() -> None:
    """The reference promises nothing that the code does not do."""
    session = Session("claude-code", "s", "shop", agent_version="2.1", user_id="ada")
    told: set[str] = set()
    for shape in ("turns", "calls"):
        for span in spans(full_turn(), session, shape, PRICES, harness_version="1"):  # type: ignore[arg-type]
            told.update(span.attributes, *(event.attributes for event in span.events))
    missing = [row.key for row in attributes.ATTRIBUTES if not any(map(row.matches, told))]
    assert missing == []
