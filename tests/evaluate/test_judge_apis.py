"""The official SDKs against servers on loopback: answers, failures, and what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness_tracing.evaluate.judge.answers import Failure, Verdict
from harness_tracing.evaluate.judge.anthropic_api import Anthropic
from harness_tracing.evaluate.judge.openai_api import OpenAICompatible
from tests.evaluate.judges import (
    GOOD,
    Api,
    Says,
    Waits,
    anthropic_body,
    judge,
    openai_body,
    outcomes,
    question,
    tool_call,
    tool_use,
)

KEY = "sk-not-a-key"
BAD_LABEL = {"explanation": "Splendid!", "label": "Correct"}


def chat(api: Api, **more: Any) -> OpenAICompatible:
    return OpenAICompatible("gpt-5-mini", KEY, base_url=api.url + "/v1", **more)


def chat_tool(api: Api, **more: Any) -> OpenAICompatible:
    return chat(api, structured="tool", **more)


def messages(api: Api, **more: Any) -> Anthropic:
    return Anthropic("claude-haiku-4-5", KEY, base_url=api.url, **more)


def by_tool(answer: Any) -> dict[str, Any]:
    return openai_body(None, tool_calls=[tool_call("verdict", answer)], finish="tool_calls")


PROVIDERS: list[tuple[Callable[..., Any], Callable[[Any], Any]]] = [
    (chat, openai_body),
    (chat_tool, by_tool),
    (messages, lambda answer: anthropic_body(tool_use(answer))),
]
NAMES = ["openai", "openai tool", "anthropic"]
each_provider = pytest.mark.parametrize(("connect", "body"), PROVIDERS, ids=NAMES)


@each_provider
def test_a_choice_has_its_score_explanation_usage_and_price(connect: Any, body: Any) -> None:
    with Api(Says(body(GOOD))) as api:
        report = judge(connect(api)).judge([question()])
    (judged,) = report.judged
    assert judged is not None
    assert judged.outcome == Verdict("correct", 1.0, "It ran the check.")
    assert (judged.usage.input_tokens, judged.usage.output_tokens) == (1000, 100)
    assert judged.cost_usd is not None
    assert judged.cost_usd > 0
    assert report.spent_usd == judged.cost_usd


@each_provider
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (BAD_LABEL, "wrong_label"),
        ({"explanation": "x", "label": "correct "}, "wrong_label"),
        ({"label": "correct"}, "malformed"),
        ({"explanation": "x"}, "malformed"),
        ({"explanation": "x", "label": ["correct"]}, "malformed"),
        ([GOOD], "malformed"),
    ],
)
def test_what_is_no_choice_to_the_letter_is_kept_as_an_error(
    connect: Any, body: Any, answer: Any, kind: str
) -> None:
    with Api(Says(body(answer))) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert isinstance(outcome, Failure)
    assert outcome.kind == kind
    if kind == "wrong_label":
        assert outcome.said == answer["label"]


@each_provider
def test_a_rate_limit_is_waited_for_as_long_as_the_server_says(connect: Any, body: Any) -> None:
    waits = Waits()
    limit = Says({"error": {"message": "slow down"}}, 429, {"retry-after": "7"})
    with Api(limit, limit, Says(body(GOOD))) as api:
        (judged,) = judge(connect(api), waits).judge([question()]).judged
    assert judged is not None
    assert isinstance(judged.outcome, Verdict)
    assert judged.attempts == 3
    assert waits.slept == [7.0 + 1.0, 7.0 + 2.0]


@each_provider
def test_a_wait_longer_than_ours_is_an_error_at_once(connect: Any, body: Any) -> None:
    waits = Waits()
    limit = Says({"error": {"message": "tomorrow"}}, 429, {"retry-after": "86400"})
    with Api(limit, Says(body(GOOD))) as api:
        (outcome,) = outcomes(judge(connect(api), waits).judge([question()]))
    assert outcome.kind == "rate_limit"
    assert "run it again later" in outcome.message
    assert waits.slept == []


@each_provider
def test_server_errors_and_lost_connections_are_tried_again(connect: Any, body: Any) -> None:
    with Api(Says({}, 500), Says(drops=True), Says(body(GOOD))) as api:
        (judged,) = judge(connect(api)).judge([question()]).judged
    assert judged is not None
    assert isinstance(judged.outcome, Verdict)
    assert judged.attempts == 3


@each_provider
def test_a_server_that_stays_down_is_an_error_after_four_attempts(connect: Any, body: Any) -> None:
    with Api(Says({"error": {"message": "down"}}, 503)) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "server"
    assert len(api.requests) == 4


@each_provider
def test_a_server_that_does_not_answer_in_time_is_an_error(connect: Any, body: Any) -> None:
    with Api(Says(body(GOOD), hangs=0.4)) as api:
        provider = connect(api, timeout_s=0.05)
        report = judge(provider).judge([question()])
    (outcome,) = outcomes(report)
    assert outcome.kind == "timeout"
    assert "timeout_s" in outcome.message
    assert report.spent_usd > 0  # it may be billed: the most it can cost


@each_provider
def test_nobody_there_is_an_error_that_names_the_endpoint(connect: Any, body: Any) -> None:
    with Api(Says()) as api:
        url = api.url
    (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "connection"
    assert url in outcome.message


@each_provider
@pytest.mark.parametrize("text", ["<html>proxy</html>", "", "[1]", '{"choices":'])
def test_a_body_that_is_no_json_object_is_an_error(connect: Any, body: Any, text: str) -> None:
    with Api(Says(text)) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "malformed"
    assert "base_url" in outcome.message


@each_provider
@pytest.mark.parametrize("text", ["{}", '{"choices": [], "content": null, "usage": []}'])
def test_an_empty_answer_is_an_error(connect: Any, body: Any, text: str) -> None:
    with Api(Says(text)) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "malformed"


@each_provider
def test_a_wrong_key_stops_the_run_and_says_how_many_are_left(connect: Any, body: Any) -> None:
    with Api(Says({"error": {"message": "bad key"}}, 401)) as api:
        report = judge(connect(api), concurrency=1).judge([question(str(n)) for n in range(5)])
    assert len(api.requests) == 1
    assert report.left == 5
    assert report.stopped is not None
    assert "api_key_env" in report.stopped
    assert "5 of 5 left" in report.stopped


@each_provider
def test_a_bad_request_is_an_error_of_that_question_alone(connect: Any, body: Any) -> None:
    with Api(Says({"error": {"message": "too long"}}, 400), Says(body(GOOD))) as api:
        report = judge(connect(api), concurrency=1).judge([question("a"), question("b")])
    first, second = outcomes(report)
    assert (first.kind, type(second)) == ("rejected", Verdict)


@pytest.mark.parametrize(
    ("connect", "body"),
    [
        (chat, openai_body(None, refusal="I cannot judge this.")),
        (chat, openai_body("", finish="content_filter")),
        (chat_tool, openai_body(None, refusal="I cannot judge this.")),
        (messages, anthropic_body(stop="refusal")),
    ],
)
def test_a_refusal_is_an_error_that_says_what_to_do(connect: Any, body: Any) -> None:
    with Api(Says(body)) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "refusal"
    assert "another model" in outcome.message
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("connect", "body"),
    [
        (chat, openai_body('{"label": "corr', finish="length")),
        (messages, anthropic_body(tool_use({}), stop="max_tokens")),
    ],
)
def test_an_answer_that_did_not_end_is_an_error(connect: Any, body: Any) -> None:
    with Api(Says(body)) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "truncated"
    assert "max_output_tokens" in outcome.message


@pytest.mark.parametrize(
    ("connect", "body"),
    [
        (chat, openai_body("The answer is " + json.dumps(GOOD))),
        (chat, openai_body(json.dumps(GOOD) * 2)),
        (chat, openai_body(GOOD, tool_calls=[tool_call("Bash", {"command": "id"})])),
        (chat_tool, openai_body(GOOD)),
        (chat_tool, openai_body(None, tool_calls=[tool_call("Bash", GOOD)])),
        (chat_tool, openai_body(None, tool_calls=[tool_call("verdict", GOOD)] * 2)),
        (messages, anthropic_body({"type": "text", "text": json.dumps(GOOD)}, stop="end_turn")),
        (messages, anthropic_body(tool_use(GOOD, "Bash"))),
        (messages, anthropic_body(tool_use(GOOD), tool_use(BAD_LABEL))),
    ],
)
def test_a_label_outside_the_structured_answer_counts_for_nothing(connect: Any, body: Any) -> None:
    with Api(Says(body)) as api:
        (outcome,) = outcomes(judge(connect(api)).judge([question()]))
    assert outcome.kind == "malformed"


def test_chat_completions_are_held_to_the_schema_and_offered_no_tool() -> None:
    with Api(Says(openai_body(GOOD))) as api:
        judge(chat(api)).judge([question()])
    (request,) = api.requests
    schema = request["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["label"]["enum"] == ["correct", "incorrect"]
    assert list(schema["schema"]["properties"]) == ["explanation", "label"]
    assert "tools" not in request


@pytest.mark.parametrize("connect", [chat_tool, messages])
def test_the_only_tool_is_the_one_that_takes_the_verdict(connect: Any) -> None:
    with Api(Says({})) as api:
        judge(connect(api)).judge([question()])
    (request,) = api.requests
    (tool,) = request["tools"]
    assert tool.get("function", tool)["name"] == "verdict"
    assert request["tool_choice"]["type"] in ("function", "tool")


def test_nothing_of_the_environment_is_sent_to_an_endpoint_of_ones_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {
        "OPENAI_API_KEY": "env-secret-1",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "OPENAI_ORG_ID": "env-secret-2",
        "OPENAI_PROJECT_ID": "env-secret-3",
        "ANTHROPIC_API_KEY": "env-secret-4",
        "ANTHROPIC_AUTH_TOKEN": "env-secret-5",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    with Api(Says({})) as api:
        without_key = OpenAICompatible("local", None, base_url=api.url)
        judge(without_key).judge([question()])
        judge(chat(api)).judge([question()])
        judge(messages(api)).judge([question()])
        judge(Anthropic("local", None, base_url=api.url)).judge([question()])
    assert len(api.headers) == 4
    assert "env-secret" not in json.dumps(api.headers)
    assert json.dumps(api.headers).count(KEY) == 2
