"""Flat steps as the tree they form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.model import ModelCall, Moment, Step, Subagent, ToolCall, step_id
from harness_tracing.observe.nesting import Node, nested


def call(name: str, agent: str | None = None, moment: str | None = None) -> ModelCall:
    return ModelCall(name, None, None, None, agent_id=agent, moment_id=moment)


def tool(name: str, asked_by: str | None, agent: str | None = None) -> ToolCall:
    return ToolCall(name, "Bash", None, None, "ok", call_id=asked_by, agent_id=agent)


def agent(name: str, started_by: str | None, parent: str | None = None) -> Subagent:
    return Subagent(name, None, started_by, None, None, "completed", parent_agent_id=parent)


def outline(nodes: tuple[Node, ...]) -> list[object]:
    return [
        [step_id(node.step), *outline(node.children)] if node.children else step_id(node.step)
        for node in nodes
    ]


def test_tools_hang_below_calls_and_agents_below_tools_at_any_depth() -> None:
    steps: list[Step] = [
        call("c1"),
        tool("t1", "c1"),
        agent("a1", "t1"),
        call("c2", "a1"),
        tool("t2", "c2", "a1"),
        agent("a2", "t2", "a1"),
        call("c3", "a2"),
        tool("t3", "c1"),
        call("c4"),
    ]
    assert outline(nested(steps)) == [
        [
            "call:c1",
            [
                "tool:t1",
                ["agent:a1", ["call:c2", ["tool:t2", ["agent:a2", "call:c3"]]]],
            ],
            "tool:t3",
        ],
        "call:c4",
    ]


def test_a_compactions_own_call_hangs_below_it() -> None:
    steps: list[Step] = [Moment("compaction", 1, "m1"), call("c1", moment="m1")]
    assert outline(nested(steps)) == [["moment:m1", "call:c1"]]


def test_a_step_whose_parent_is_not_there_hangs_below_the_next_thing_known() -> None:
    steps: list[Step] = [
        agent("a1", "gone"),
        tool("t1", "gone", "a1"),
        tool("t2", None, "a1"),
        tool("t3", "gone", "gone"),
        agent("a2", "gone", "a1"),
    ]
    assert outline(nested(steps)) == [["agent:a1", "tool:t1", "tool:t2", "agent:a2"], "tool:t3"]


def test_a_circle_is_cut_and_nothing_is_lost() -> None:
    steps: list[Step] = [agent("a1", "t1"), tool("t1", "c1", "a1"), call("c1", "a1")]
    assert outline(nested(steps)) == [["agent:a1", ["call:c1", "tool:t1"]]]


NAMES = st.sampled_from(["1", "2", "3"])
MAYBE = st.one_of(st.none(), NAMES)
STEPS = st.lists(
    st.one_of(
        st.builds(call, NAMES, MAYBE, MAYBE),
        st.builds(tool, NAMES, MAYBE, MAYBE),
        st.builds(agent, NAMES, MAYBE, MAYBE),
        st.builds(lambda name, owner: Moment("prompt", 1, name, agent_id=owner), NAMES, MAYBE),
    ),
    unique_by=step_id,
)


@given(STEPS)
def test_every_step_appears_exactly_once(steps: list[Step]) -> None:
    seen: list[str] = []

    def walk(nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            seen.append(step_id(node.step))
            walk(node.children)

    walk(nested(steps))
    assert sorted(seen) == sorted(map(step_id, steps))
