"""Every attribute our spans may carry: its key, type, place and meaning.

OpenInference's keys are its own constants; ours begin with ``harness.``. No key is the
beginning of another: backends show dotted keys as nested objects. The table below is what
docs/spans.md is generated from, and tests hold every span against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from openinference.semconv.trace import MessageAttributes as Message
from openinference.semconv.trace import MessageContentAttributes as Content
from openinference.semconv.trace import SpanAttributes as Span
from openinference.semconv.trace import ToolCallAttributes as Call

from harness_tracing.model import Session

# Keys that neither OpenInference nor we have invented: OpenTelemetry's semantic conventions.
ERROR_TYPE = "error.type"
ERROR_MESSAGE = "error.message"
REPOSITORY_URL = "vcs.repository.url.full"
BRANCH = "vcs.ref.head.name"
COMMIT = "vcs.ref.head.revision"
WORKING_DIRECTORY = "process.working_directory"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"

# A project's name, as Phoenix and as Arize AX look for it.
PHOENIX_PROJECT = "openinference.project.name"
ARIZE_PROJECT = "arize.project.name"

HARNESS_AGENT = "harness.agent"
HARNESS_AGENT_VERSION = "harness.agent_version"
HARNESS_VERSION = "harness.version"
SPAN_TYPE = "harness.span.type"
TURN_NUMBER = "harness.turn.number"
TURN_ID = "harness.turn.id"
TURN_STATUS = "harness.turn.status"
TURN_ANSWERED_MS = "harness.turn.answered_ms"
TURN_CAUSE = "harness.turn.cause"
TURN_CAUSED_BY = "harness.turn.caused_by"
GAPS = "harness.gaps"
REDACTIONS = "harness.redactions"
EARLIER_MESSAGES = "harness.input.earlier_messages"
CACHE_WRITE_1H = "harness.token_count.cache_write_1h"
UNPRICED_MODELS = "harness.cost.unpriced_models"
CALL_ID = "harness.model_call.id"
REQUEST_ID = "harness.model_call.request_id"
CALL_ATTEMPT = "harness.model_call.attempt"
CALL_KIND = "harness.model_call.kind"
TOOL_STATUS = "harness.tool.status"
TOOL_WAITED_MS = "harness.tool.waited_ms"
TOOL_MCP_SERVER = "harness.tool.mcp_server"
SUBAGENT_ID = "harness.subagent.id"
SUBAGENT_STATUS = "harness.subagent.status"
SUBAGENT_BACKGROUND = "harness.subagent.background"
MOMENT_KIND = "harness.moment.kind"
MOMENT_ID = "harness.moment.id"
MOMENT_DURATION_MS = "harness.moment.duration_ms"
WAIT_KIND = "harness.wait.kind"
WAIT_MS = "harness.wait.ms"
TIME_UNKNOWN = "harness.time.unknown"
TIME_STARTED = "harness.time.started"
TIME_ENDED = "harness.time.ended"

# Where an attribute may stand: the turn's own span in each shape, and the four kinds of step.
LLM_TURN = "turn (turns)"
AGENT_TURN = "turn (calls)"
MODEL_CALL = "model call"
TOOL = "tool"
SUBAGENT = "sub-agent"
MOMENT = "compaction"
EVENT = "event"

TURNS = (LLM_TURN, AGENT_TURN)
LLM = (LLM_TURN, MODEL_CALL)
STEPS = (MODEL_CALL, TOOL, SUBAGENT, MOMENT)
SPANS = (*TURNS, *STEPS)
WITH_INPUT = (*TURNS, MODEL_CALL, TOOL, SUBAGENT)
IN_TURN = (*STEPS, EVENT)
TOKENS = (*LLM, AGENT_TURN)
AGENTS = (AGENT_TURN, SUBAGENT)
MOMENTS = (MOMENT, EVENT)


@dataclass(frozen=True)
class Attribute:
    """One row of the table. N, M and K in `key` stand for indices that count from 0."""

    key: str
    type: str
    places: tuple[str, ...]
    meaning: str

    def matches(self, key: str) -> bool:
        """Whether a span's key is this row's."""
        pattern = re.sub(r"(?<=\.)[NMK](?=\.)", "NUMBER", self.key)
        return re.fullmatch(re.escape(pattern).replace("NUMBER", r"\d+"), key) is not None


def _messages(which: str, places: tuple[str, ...], meaning: str) -> tuple[Attribute, ...]:
    """The rows of a list of messages."""
    message = which + ".N."
    content = f"{message}{Message.MESSAGE_CONTENTS}.M."
    call = f"{message}{Message.MESSAGE_TOOL_CALLS}.K."
    return (
        Attribute(message + Message.MESSAGE_ROLE, "text", places, meaning),
        Attribute(message + Message.MESSAGE_CONTENT, "text", places, "its text"),
        Attribute(
            content + Content.MESSAGE_CONTENT_TYPE,
            "text",
            places,
            "`reasoning` or `text`: a message with thinking has its parts here, not in content",
        ),
        Attribute(content + Content.MESSAGE_CONTENT_TEXT, "text", places, "the thinking or text"),
        Attribute(call + Call.TOOL_CALL_ID, "text", places, "id of a tool call it asked for"),
        Attribute(call + Call.TOOL_CALL_FUNCTION_NAME, "text", places, "that tool's name"),
        Attribute(
            call + Call.TOOL_CALL_FUNCTION_ARGUMENTS_JSON,
            "JSON text",
            places,
            "its arguments",
        ),
    )


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(Span.OPENINFERENCE_SPAN_KIND, "text", SPANS, "LLM, AGENT, TOOL or CHAIN"),
    Attribute(SPAN_TYPE, "text", SPANS, "turn, model_call, tool, subagent or moment"),
    Attribute(Span.SESSION_ID, "text", SPANS, "the agent's own session id"),
    Attribute(Span.USER_ID, "text", SPANS, "the user, where one is configured"),
    Attribute(PHOENIX_PROJECT, "text", SPANS, "the project (Phoenix)"),
    Attribute(ARIZE_PROJECT, "text", SPANS, "the project (Arize AX)"),
    Attribute(HARNESS_AGENT, "text", SPANS, "the agent: claude-code, codex …"),
    Attribute(HARNESS_AGENT_VERSION, "text", SPANS, "the version of the agent's client"),
    Attribute(HARNESS_VERSION, "text", SPANS, "the version of this tracer"),
    Attribute(TURN_NUMBER, "integer", SPANS, "which turn of the session this is, from 1"),
    Attribute(
        REDACTIONS,
        "integer",
        SPANS,
        "how many secrets were blanked in this span's content; absent when none",
    ),
    Attribute(
        TIME_UNKNOWN,
        "list of text",
        SPANS,
        "`start` or `end` where nobody saw it: it is drawn at the nearest evidence",
    ),
    Attribute(
        TIME_STARTED,
        "ISO time",
        IN_TURN,
        "its own start where that lies outside the turn, so that it is drawn elsewhere",
    ),
    Attribute(TIME_ENDED, "ISO time", IN_TURN, "the same for its end"),
    Attribute(
        TURN_STATUS,
        "text",
        SPANS,
        "completed, failed, interrupted or open; below the turn's own span only `open`, "
        "on what still runs",
    ),
    Attribute(TURN_ID, "text", TURNS, "the turn's id within its session"),
    Attribute(
        TURN_ANSWERED_MS,
        "integer",
        TURNS,
        "time to the complete answer; the turn is longer when background agents ran on",
    ),
    Attribute(
        TURN_CAUSE, "text", TURNS, "what started a turn that nobody typed, e.g. task_notification"
    ),
    Attribute(TURN_CAUSED_BY, "text", TURNS, "the tool call behind that cause"),
    Attribute(GAPS, "list of text", TURNS, "what happened but could not be seen, and why"),
    Attribute(
        WORKING_DIRECTORY, "text", TURNS, "the folder the agent worked in when the turn began"
    ),
    Attribute(REPOSITORY_URL, "text", TURNS, "that folder's git remote, without user and query"),
    Attribute(BRANCH, "text", TURNS, "its branch"),
    Attribute(COMMIT, "text", TURNS, "its commit"),
    Attribute(
        Span.INPUT_VALUE,
        "text or JSON text",
        WITH_INPUT,
        "turn: the prompt; model call: the text of the last new message; tool: its arguments; "
        "sub-agent: its prompt",
    ),
    Attribute(Span.INPUT_MIME_TYPE, "text", WITH_INPUT, "text/plain or application/json"),
    Attribute(
        Span.OUTPUT_VALUE,
        "text or JSON text",
        WITH_INPUT,
        "turn and sub-agent: the answer; model call: its text, else the tool calls it asked for; "
        "tool: what the model got back, else the agent's structured result",
    ),
    Attribute(Span.OUTPUT_MIME_TYPE, "text", WITH_INPUT, "text/plain or application/json"),
    Attribute(Span.AGENT_NAME, "text", AGENTS, "the agent's name or the sub-agent's type"),
    Attribute(
        ERROR_TYPE,
        "text",
        SPANS,
        "on failures, denials and interruptions (status ERROR): what kind",
    ),
    Attribute(
        ERROR_MESSAGE, "text", SPANS, "the message as the agent gave it, else the status in words"
    ),
    Attribute(
        Span.LLM_MODEL_NAME,
        "text",
        LLM,
        "the model; of a turn: that of its last main call",
    ),
    Attribute(
        Span.LLM_PROVIDER, "text", (MODEL_CALL,), "who served the model, where the agent says so"
    ),
    Attribute(
        Span.LLM_FINISH_REASON, "text", (MODEL_CALL,), "why the model stopped, in its own words"
    ),
    Attribute(
        Span.LLM_INVOCATION_PARAMETERS, "JSON text", (MODEL_CALL,), "the request's parameters"
    ),
    *_messages(
        Span.LLM_INPUT_MESSAGES,
        LLM,
        "its role; of a model call's messages only those new since the thread's previous call",
    ),
    Attribute(
        EARLIER_MESSAGES, "integer", (MODEL_CALL,), "how many messages the request had before those"
    ),
    Attribute(
        f"{Span.LLM_INPUT_MESSAGES}.N.{Message.MESSAGE_TOOL_CALL_ID}",
        "text",
        LLM,
        "on a tool's result: the tool call it answers",
    ),
    *_messages(Span.LLM_OUTPUT_MESSAGES, LLM, "its role: assistant"),
    Attribute(
        Span.LLM_TOKEN_COUNT_PROMPT,
        "integer",
        TOKENS,
        "ALL input tokens, cache reads and writes included",
    ),
    Attribute(
        Span.LLM_TOKEN_COUNT_COMPLETION,
        "integer",
        TOKENS,
        "all output tokens, reasoning included",
    ),
    Attribute(Span.LLM_TOKEN_COUNT_TOTAL, "integer", TOKENS, "both together"),
    Attribute(
        Span.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ,
        "integer",
        TOKENS,
        "input read from the cache",
    ),
    Attribute(
        Span.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE,
        "integer",
        TOKENS,
        "input written to the cache",
    ),
    Attribute(CACHE_WRITE_1H, "integer", TOKENS, "how much of that is kept for an hour"),
    Attribute(
        Span.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING,
        "integer",
        TOKENS,
        "output spent on reasoning",
    ),
    Attribute(Span.LLM_COST_PROMPT, "USD", LLM, "list price of all input"),
    Attribute(Span.LLM_COST_COMPLETION, "USD", LLM, "list price of all output"),
    Attribute(
        Span.LLM_COST_TOTAL,
        "USD",
        LLM,
        "both together; of a turn: the sum over its priced calls; absent when nothing is priced",
    ),
    Attribute(Span.LLM_COST_PROMPT_DETAILS_INPUT, "USD", LLM, "input outside the cache"),
    Attribute(Span.LLM_COST_PROMPT_DETAILS_CACHE_READ, "USD", LLM, "cache reads"),
    Attribute(
        Span.LLM_COST_PROMPT_DETAILS_CACHE_WRITE, "USD", LLM, "cache writes of both lifetimes"
    ),
    Attribute(Span.LLM_COST_COMPLETION_DETAILS_OUTPUT, "USD", LLM, "output other than reasoning"),
    Attribute(Span.LLM_COST_COMPLETION_DETAILS_REASONING, "USD", LLM, "reasoning"),
    Attribute(
        UNPRICED_MODELS,
        "list of text",
        LLM,
        "models without a list price, whose calls the cost leaves out",
    ),
    Attribute(
        CALL_ID,
        "text",
        (MODEL_CALL,),
        "the provider's id of the answer, else of the request, else ours",
    ),
    Attribute(REQUEST_ID, "text", (MODEL_CALL,), "the provider's id of the request"),
    Attribute(CALL_ATTEMPT, "integer", (MODEL_CALL,), "from 2 on: a retry"),
    Attribute(
        CALL_KIND,
        "text",
        (MODEL_CALL,),
        "why the call is no part of the conversation, e.g. compaction",
    ),
    Attribute(Span.TOOL_NAME, "text", (TOOL,), "the tool's name"),
    Attribute(Span.TOOL_ID, "text", (TOOL,), "the id of the tool call"),
    Attribute(Span.TOOL_PARAMETERS, "JSON text", (TOOL,), "its arguments"),
    Attribute(
        TOOL_STATUS,
        "text",
        (TOOL,),
        "ok, error, denied, interrupted, unknown or running; a command that exits non-zero is "
        "an error",
    ),
    Attribute(
        TOOL_WAITED_MS,
        "integer",
        (TOOL,),
        "how long a person took to allow or answer it; part of the span's time",
    ),
    Attribute(TOOL_MCP_SERVER, "text", (TOOL,), "the MCP server it belongs to"),
    Attribute(SUBAGENT_ID, "text", IN_TURN, "the sub-agent this is, or is part of"),
    Attribute(SUBAGENT_STATUS, "text", (SUBAGENT,), "completed, failed, interrupted or open"),
    Attribute(
        SUBAGENT_BACKGROUND, "boolean", (SUBAGENT,), "whether the agent went on without waiting"
    ),
    Attribute(MOMENT_KIND, "text", MOMENTS, "compaction, prompt, model_switch …"),
    Attribute(MOMENT_ID, "text", MOMENTS, "its id within the turn"),
    Attribute(MOMENT_DURATION_MS, "integer", (EVENT,), "how long it took, where it has an end"),
    Attribute(Span.METADATA, "JSON text", MOMENTS, "its details"),
    Attribute(WAIT_KIND, "text", (EVENT,), "what was waited for: permission, question …"),
    Attribute(WAIT_MS, "integer", (EVENT,), "how long"),
)


def _taken() -> frozenset[str]:
    """Our keys and what they begin with: backends show dotted keys as nested objects."""
    fixed = [re.sub(r"\.N\..*", "", row.key) for row in ATTRIBUTES]
    parts = [key.split(".") for key in fixed]
    return frozenset(".".join(p[:n]) for p in parts for n in range(1, len(p) + 1))


_TAKEN = _taken()
_OURS = ("harness", "openinference", "llm", "input", "output", "session")


def custom(attributes: Mapping[str, str]) -> dict[str, str]:
    """A user's own attributes, without those that would stand in for one of ours."""
    return {
        key: text
        for key, text in attributes.items()
        if key not in _TAKEN and key.partition(".")[0] not in _OURS
    }


def resource_attributes(session: Session, harness_version: str) -> dict[str, str]:
    """The attributes of the resource that a session's spans belong to; the user's own win."""
    return {
        SERVICE_NAME: session.agent,
        **({} if session.agent_version is None else {SERVICE_VERSION: session.agent_version}),
        **session.attributes,
        PHOENIX_PROJECT: session.project,
        ARIZE_PROJECT: session.project,
        HARNESS_VERSION: harness_version,
    }


def unlisted(keys: Mapping[str, object], place: str) -> list[str]:
    """Those keys that the table does not know at that place."""
    rows = [row for row in ATTRIBUTES if place in row.places]
    return [key for key in keys if not any(row.matches(key) for row in rows)]
