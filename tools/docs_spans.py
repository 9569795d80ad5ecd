"""Write docs/spans.md, the reference of our spans, from the code's own table of attributes.

python tools/docs_spans.py           write the page
python tools/docs_spans.py --check   exit 1 when the page is not what would be written
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

from harness_tracing.model import (
    Message,
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
    Usage,
)
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Shape, Span, attributes, spans

PAGE = Path(__file__).resolve().parent.parent / "docs" / "spans.md"
MS = 1_000_000

INTRODUCTION = """\
# Span reference

<!-- Written by tools/docs_spans.py (`make docs`). Change the code's table, not this page. -->

A turn is what one prompt set off: the model calls, the tools, the sub-agents, until the agent
was done. Each turn becomes one trace of [OpenInference](https://github.com/Arize-ai/openinference)
spans, in one of two shapes: `harness spans export --shape turns|calls` gives either.

## The two shapes

**turns** (the default): the turn is one span of kind LLM with the tokens and the cost of
everything in it; every tool call is a TOOL span below it, a sub-agent's tools below the tool
call that started the sub-agent. There is no other LLM span, so tokens are counted once, and
`attributes.openinference.span.kind = 'LLM'` selects exactly the turns.

{turns}

**calls**: the turn is a span of kind AGENT without tokens. Each model call is an LLM span with
its own messages, tokens and cost; a TOOL span hangs below the call that asked for it, a
sub-agent's AGENT span below the tool call that started it, a compaction is a CHAIN span with
its model call below.

{calls}

The same thing has the same ids in both shapes. Ids are derived from the agent, the session, the
turn and the item, so that reading a session again gives the same spans again.

A turn that joins an outer trace (`TRACEPARENT`, [destinations](destinations.md)) has a link to the
span that this names or, when asked for, hangs below it in its trace. Attributes of your own are on
every span, save those that would stand in for one of the attributes below.

## Times

Every span lies within its turn's. A start or end that nobody saw is drawn at the nearest
evidence and named in `harness.time.unknown`. What happened outside its turn (a compaction between
two turns, a background agent that outlived the turn's end) is drawn at the turn's edge and keeps
its own times in `harness.time.started` and `harness.time.ended`. What still runs has no end, and
is not exported before it has one.

## Status

`OK`: it came to its end. `ERROR`: it failed, was denied or was interrupted; `error.type` and
`error.message` say how. `UNSET`: it still runs, or nobody saw how it ended.

## Cost

`llm.cost.*` is the list price of the tokens in USD, from the table that ships with the package
({models} models; LiteLLM {version}, {date}). Cache reads, cache writes of 5 minutes and of an
hour, reasoning, large inputs and fast mode have their own prices. Server-side tools, discounts
and subscriptions are not in it. A model that is not in the table has no cost attributes and is
named in `harness.cost.unpriced_models`.

## Attributes

N, M and K stand for indices that count from 0. What is not known is absent. Attributes from
`OTEL_RESOURCE_ATTRIBUTES` are on every span besides these.
"""

# A section for each set of places that rows of the table have, in the page's order.
SECTIONS = {
    attributes.SPANS: ("Every span", ""),
    attributes.IN_TURN: ("Everything within a turn", "On steps and on events."),
    attributes.TURNS: ("Turn", "On a turn's own span, named `Turn N`, in both shapes."),
    attributes.WITH_INPUT: (
        "Input and output",
        "On turns, model calls, tool calls and sub-agents.",
    ),
    attributes.LLM: (
        "Model, messages, cost",
        "On LLM spans: the turn in shape `turns`, each model call in shape `calls`. Of a turn's "
        "tool calls only names and ids are repeated here.",
    ),
    attributes.TOKENS: (
        "Tokens",
        "On LLM spans. An agent that tells no single model calls has them on the turn's AGENT "
        "span in shape `calls`.",
    ),
    (attributes.MODEL_CALL,): ("Model call", "Shape `calls` only; the span's name is the model."),
    (attributes.TOOL,): ("Tool call", "Both shapes; the span's name is the tool."),
    attributes.AGENTS: (
        "Agents",
        "On AGENT spans: the turn in shape `calls`, and each sub-agent in it.",
    ),
    (attributes.SUBAGENT,): ("Sub-agent", "Shape `calls` only; the span's name is its type."),
    attributes.MOMENTS: (
        "Moments",
        "A compaction is a CHAIN span in shape `calls`. All other moments, and a compaction in "
        "shape `turns`, are events of that name on the turn's or the sub-agent's span.",
    ),
    (attributes.EVENT,): (
        "Events",
        "The wait for a person is an event on the TOOL span: `permission wait`, `question wait` …",
    ),
}


def page() -> str:
    """The whole page."""
    table = PriceTable.load()
    introduction = INTRODUCTION.format(
        turns=_drawn("turns"),
        calls=_drawn("calls"),
        models=len(table.models),
        version=table.version,
        date=table.date,
    )
    return introduction + "".join("\n" + section for section in _sections())


def _sections() -> Iterator[str]:
    """One table for each set of places; every row stands in exactly one."""
    by_places: dict[tuple[str, ...], list[str]] = {places: [] for places in SECTIONS}
    for row in attributes.ATTRIBUTES:
        by_places[row.places].append(f"| `{row.key}` | {row.type} | {row.meaning} |\n")
    for places, rows in by_places.items():
        title, note = SECTIONS[places]
        head = "| attribute | type | meaning |\n|---|---|---|\n"
        yield f"### {title}\n\n{note}{chr(10) * 2 if note else ''}{head}{''.join(rows)}"


def _drawn(shape: Shape) -> str:
    """The example turn as a tree of its spans in that shape."""
    session = Session("claude-code", "example", "order-pricing")
    made = spans(example_turn(), session, shape, PriceTable.load(), harness_version="0")
    return "```\n" + "\n".join(tree_lines(made)) + "\n```"


def tree_lines(
    made: Sequence[Span], parent_id: Optional[str] = None, indent: str = ""
) -> Iterator[str]:
    """The spans below a parent as indented lines: kind, name, tokens, cost, status."""
    for span in made:
        if span.parent_id != parent_id:
            continue
        yield indent + "  ".join(filter(None, (f"{span.kind:<5} {span.name}", *_told(span))))
        yield from (f"{indent}   · {event.name}" for event in span.events)
        yield from tree_lines(made, span.span_id, indent + "   ")


def _told(span: Span) -> Iterator[str]:
    tokens = span.attributes.get("llm.token_count.total")
    cost = span.attributes.get("llm.cost.total")
    if tokens is not None:
        yield f"{tokens} tokens"
    if isinstance(cost, float):
        yield f"${cost:.4f}"
    if span.status_code != "OK":
        yield span.status_code


def example_turn() -> Turn:
    """A turn with one of everything: it explores with a sub-agent, edits, is denied a command."""

    def call(name: str, at: int, *asked: str, agent: Optional[str] = None) -> ModelCall:
        requests = tuple(ToolRequest(f"{name}-{tool}", tool, {}) for tool in asked)
        return ModelCall(
            name,
            "claude-opus-5-5",
            at * MS,
            (at + 40) * MS,
            Usage(12_000, 150, 11_000, 900, 0),
            output=Message("assistant", "…", tool_requests=requests),
            agent_id=agent,
        )

    def tool(asker: str, name: str, at: int, **more: object) -> ToolCall:
        told: dict[str, object] = {"status": "ok", "call_id": asker, **more}
        return ToolCall(f"{asker}-{name}", name, at * MS, (at + 30) * MS, **told)  # type: ignore[arg-type]

    steps: tuple[Step, ...] = (
        call("c1", 10, "Agent"),
        tool("c1", "Agent", 60),
        Subagent("a1", "Explore", "c1-Agent", 61 * MS, 89 * MS, "completed"),
        call("c2", 61, "Grep", agent="a1"),
        tool("c2", "Grep", 70, agent_id="a1"),
        call("c3", 100, "Edit", "Bash"),
        tool("c3", "Edit", 150),
        tool("c3", "Bash", 150, status="denied", waited_ns=25 * MS, wait_kind="permission"),
        Moment("prompt", 185 * MS, "p1", details={"prompt": "and add a test"}),
        Moment("compaction", 190 * MS, "k1", ended_at_ns=260 * MS),
        ModelCall(
            "k1",
            "claude-opus-5-5",
            190 * MS,
            260 * MS,
            Usage(15_000, 800, 0, 0, 0),
            kind="compaction",
            moment_id="k1",
        ),
        call("c4", 270),
    )
    total = Usage()
    for step in steps:
        total += step.usage if isinstance(step, ModelCall) else Usage()
    return Turn(
        "claude-code",
        "example",
        "t3",
        3,
        "completed",
        0,
        320 * MS,
        prompt="Add the code SAVE25",
        response="Done.",
        usage=total,
        steps=steps,
    )


def check() -> Optional[str]:
    """What is wrong with the page on disk; None when it is as it should be."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        return f"{PAGE.name} is not what the code's table of attributes gives: run `make docs`"
    return None


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 on drift")
    if not parser.parse_args().check:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_bytes(page().encode("utf-8"))
        return 0
    problem = check()
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
