"""Turns of every kind for property tests: hypothesis strategies over the model's values.

They know no mercy: parents that do not exist or form loops, times that are missing or outside
the turn, steps twice, text that UTF-8 cannot hold.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

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
    step_id,
)

START_NS = 1_795_378_307_000_000_000
SECOND_NS = 1_000_000_000

names = st.sampled_from(["a", "b", "c", "d"])
texts = st.text(max_size=8) | st.just("half \ud83d pair")
maybe_text = st.none() | texts
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
times = st.integers(-2 * SECOND_NS, 12 * SECOND_NS).map(lambda offset: START_NS + offset)
maybe_time = st.none() | times
counts = st.none() | st.integers(0, 300_000)
models = st.sampled_from([None, "claude-opus-5-5", "gemini-2.5-pro", "mock-model"])
maybe_name = st.none() | names
maybe_failure = st.none() | st.builds(Failure, type=texts, message=maybe_text)
redactions = st.integers(0, 2)

usages = st.builds(Usage, counts, counts, counts, counts, counts, counts)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=maybe_text,
    thinking=maybe_text,
    tool_requests=st.lists(st.builds(ToolRequest, names, names, json_values), max_size=2).map(
        tuple
    ),
    tool_call_id=maybe_name,
)
answers = messages.map(lambda said: replace(said, role="assistant", tool_call_id=None))
calls = st.builds(
    ModelCall,
    call_id=names,
    model=models,
    started_at_ns=maybe_time,
    ended_at_ns=maybe_time,
    usage=usages,
    input_messages=st.lists(messages, max_size=2).map(tuple),
    output=st.none() | answers,
    finish_reason=maybe_text,
    error=maybe_failure,
    request_id=maybe_name,
    message_id=maybe_name,
    agent_id=maybe_name,
    earlier_messages=st.none() | st.integers(0, 9),
    attempt=st.integers(1, 3),
    kind=st.sampled_from([None, "compaction"]),
    moment_id=maybe_name,
    provider=st.sampled_from([None, "Anthropic"]),
    parameters=st.none() | st.just({"speed": "fast"}) | json_values,
    redactions=redactions,
)
tools = st.builds(
    ToolCall,
    tool_use_id=names,
    name=texts,
    started_at_ns=maybe_time,
    ended_at_ns=maybe_time,
    status=st.sampled_from(["ok", "error", "denied", "interrupted", "unknown", "running"]),
    call_id=maybe_name,
    input=json_values,
    output=maybe_text,
    result=json_values,
    waited_ns=st.none() | st.integers(0, SECOND_NS),
    wait_started_at_ns=maybe_time,
    wait_kind=st.sampled_from([None, "permission", "question"]),
    error=maybe_failure,
    agent_id=maybe_name,
    mcp_server=maybe_text,
    redactions=redactions,
)
subagents = st.builds(
    Subagent,
    agent_id=names,
    type=maybe_text,
    tool_use_id=maybe_name,
    started_at_ns=maybe_time,
    ended_at_ns=maybe_time,
    status=st.sampled_from(["completed", "failed", "interrupted", "open"]),
    prompt=maybe_text,
    response=maybe_text,
    parent_agent_id=maybe_name,
    background=st.booleans(),
    error=maybe_failure,
    redactions=redactions,
)
moments = st.builds(
    Moment,
    kind=st.sampled_from(["compaction", "prompt", "model_switch"]),
    at_ns=times,
    moment_id=names,
    ended_at_ns=maybe_time,
    details=json_values,
    agent_id=maybe_name,
    between_turns=st.booleans(),
    redactions=redactions,
)
steps = st.lists(calls | tools | subagents | moments, max_size=8).map(tuple)
repositories = st.builds(Repository, maybe_text, maybe_text, maybe_text)
sessions = st.builds(
    Session,
    agent=st.just("claude-code"),
    session_id=st.just("s"),
    project=texts,
    agent_version=maybe_text,
    user_id=maybe_text,
    attributes=st.dictionaries(st.sampled_from(["team", "deployment.environment"]), texts),
)


def _own_usage(turn: Turn) -> Turn:
    """The turn with the usage its reader would give it: the sum over its calls, each id once."""
    by_id: dict[str, ModelCall] = {
        step.call_id: step for step in turn.steps if isinstance(step, ModelCall)
    }
    total = Usage()
    for call in by_id.values():
        total += call.usage
    return replace(turn, usage=total)


def _closed(turn: Turn) -> Turn:
    return replace(turn, ended_at_ns=None) if turn.status == "open" else turn


turns = (
    st.builds(
        Turn,
        agent=st.just("claude-code"),
        session_id=st.just("s"),
        turn_id=names,
        number=st.integers(1, 99),
        status=st.sampled_from(["completed", "failed", "interrupted", "open"]),
        started_at_ns=st.just(START_NS),
        ended_at_ns=st.none() | st.integers(0, 10 * SECOND_NS).map(lambda ns: START_NS + ns),
        answered_at_ns=maybe_time,
        prompt=maybe_text,
        response=maybe_text,
        model=models,
        steps=steps,
        gaps=st.lists(st.builds(Gap, texts, texts), max_size=2).map(tuple),
        error=maybe_failure,
        cause=maybe_text,
        caused_by=maybe_name,
        cwd=maybe_text,
        repository=repositories,
        redactions=redactions,
    )
    .map(_closed)
    .map(_own_usage)
)


def unique_steps(turn: Turn) -> dict[str, Step]:
    """The steps by class and id, the later of two with one id."""
    return {step_id(step): step for step in turn.steps}
