"""Runs of many questions: costs, the cache, concurrency, and what is kept of it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.errors import ConfigError, StoreError
from harness_tracing.evaluate.judge.annotation import annotation
from harness_tracing.evaluate.judge.answers import Choices, ChoicesError, Verdict
from harness_tracing.evaluate.judge.cache import Cache
from harness_tracing.evaluate.judge.claude_code import ClaudeCode
from harness_tracing.evaluate.judge.codex import Codex
from harness_tracing.evaluate.judge.integrations import connect, integrations
from harness_tracing.evaluate.judge.openai_api import OpenAICompatible
from harness_tracing.evaluate.judge.purse import PriceUnknownError, Purse, most_usd
from harness_tracing.evaluate.templates import Subject
from harness_tracing.prices import PriceTable
from tests.evaluate.judges import (
    CHOICES,
    GOOD,
    Api,
    Says,
    judge,
    openai_body,
    outcomes,
    question,
)
from tests.evaluate.made import turn

CONFIG = Path("/home/user/.arize/harness/config.yaml")


def chat(api: Api, model: str = "gpt-5-mini") -> OpenAICompatible:
    return OpenAICompatible(model, None, base_url=api.url)


def questions(count: int) -> list[Any]:
    return [question(f"Question {number}?") for number in range(count)]


def test_the_limit_is_never_exceeded_and_what_is_left_is_said() -> None:
    with Api(Says(openai_body(GOOD), hangs=0.01)) as api:
        provider = chat(api)
        most = most_usd(question("Question 0?"), provider, PriceTable.load())
        assert most is not None
        limit = most * 1.5
        report = judge(provider, max_cost_usd=limit).judge(questions(40))
    asked = len(report.judged) - report.left
    assert 0 < report.spent_usd <= limit
    assert 1 <= asked == len(api.requests) < 40
    assert report.stopped is not None
    assert "raise the limit" in report.stopped
    assert f"{report.left} of 40 left" in report.stopped


def test_a_limit_below_one_request_asks_nothing() -> None:
    with Api(Says(openai_body(GOOD))) as api:
        report = judge(chat(api), max_cost_usd=0.000001).judge(questions(3))
    assert (api.requests, report.left, report.spent_usd) == ([], 3, 0.0)


def test_reservations_that_were_given_back_leave_no_rest_to_wait_for() -> None:
    purse = Purse(1.0)
    for number in range(1, 500):
        most = 0.001 / number
        assert purse.reserve(most)
        assert purse.reserve(most / 3)
        purse.settle(most, 0.0)
        purse.settle(most / 3, 0.0)
    assert not purse.reserve(1.5)
    assert purse.reserve(1.0)


def test_a_limit_without_a_price_is_refused() -> None:
    refused = pytest.raises(PriceUnknownError, match="has no price")
    with Api(Says(openai_body(GOOD))) as api, refused:
        judge(chat(api, "my-own-model"), max_cost_usd=1.0).judge(questions(1))
    assert api.requests == []


def test_no_more_than_so_many_questions_are_asked_at_once() -> None:
    with Api(Says(openai_body(GOOD), hangs=0.02)) as api:
        report = judge(chat(api), concurrency=3).judge(questions(12))
    assert report.left == 0
    assert 1 < api.at_once <= 3


def test_a_question_is_paid_for_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "judge.sqlite3")
    with Api(Says(openai_body(GOOD))) as api:
        first = judge(chat(api), cache=cache).judge(questions(2))
        again = judge(chat(api), cache=cache).judge(questions(3))
    assert len(api.requests) == 3
    assert [each.cached for each in again.judged if each] == [True, True, False]
    assert outcomes(again)[:2] == list(outcomes(first))
    assert again.spent_usd < first.spent_usd


def test_another_model_or_other_choices_are_another_question(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "judge.sqlite3")
    other = Choices({"correct": 1.0, "wrong": 0.0}, explain=True)
    with Api(Says(openai_body(GOOD))) as api:
        for asked in (question(), question(choices=other), question("Else?")):
            judge(chat(api), cache=cache).judge([asked])
        judge(chat(api, "gpt-5"), cache=cache).judge([question()])
    assert len(api.requests) == 4


def test_a_score_that_was_changed_counts_for_a_cached_label(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "judge.sqlite3")
    halved = Choices({"correct": 0.5, "incorrect": 0.0}, explain=True)
    with Api(Says(openai_body(GOOD))) as api:
        judge(chat(api), cache=cache).judge([question()])
        (outcome,) = outcomes(judge(chat(api), cache=cache).judge([question(choices=halved)]))
    assert outcome == Verdict("correct", 0.5, "It ran the check.")


def test_errors_are_not_cached(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "judge.sqlite3")
    with Api(Says(openai_body({"label": "x", "explanation": "y"})), Says(openai_body(GOOD))) as api:
        (first,) = outcomes(judge(chat(api), cache=cache).judge([question()]))
        (again,) = outcomes(judge(chat(api), cache=cache).judge([question()]))
    assert first.kind == "wrong_label"
    assert isinstance(again, Verdict)


def test_the_cache_is_the_users_alone_and_holds_no_prompt(tmp_path: Path) -> None:
    path = tmp_path / "judge.sqlite3"
    with Api(Says(openai_body(GOOD))) as api:
        judge(chat(api), cache=Cache(path)).judge([question("a very private prompt")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"very private" not in path.read_bytes()


def test_a_broken_cache_says_to_delete_it(tmp_path: Path) -> None:
    path = tmp_path / "judge.sqlite3"
    path.write_text("no database " * 100)
    with pytest.raises(StoreError, match="delete it"):
        Cache(path).get("x")


def test_an_error_is_kept_as_one_without_a_label() -> None:
    subject = Subject("turn", "claude-code", "s", "1" * 16, (turn(),), {})
    with Api(Says(openai_body({"label": "splendid", "explanation": "y"}))) as api:
        (judged,) = judge(chat(api)).judge([question()]).judged
    assert judged is not None
    kept = annotation(judged, subject, "checked")
    assert (kept.annotator_kind, kept.label, kept.score) == ("LLM", None, None)
    assert kept.metadata is not None
    assert (kept.metadata["error"], kept.metadata["said"]) == ("wrong_label", "splendid")


@pytest.mark.parametrize(
    "text",
    [
        "correct",
        "[]",
        "{}",
        '{"a": 1}',
        '{"a": 1, "b": "2"}',
        '{"a": true, "b": 0}',
        '{"a": 1e999, "b": 0}',
        '{"a": NaN, "b": 0}',
        '{"a": 1, "b": 0, "a": 0}',
        '{"a ": 1, "b": 0}',
        '{"a\\u001b[31m": 1, "b": 0}',
    ],
)
def test_choices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ChoicesError, match='"correct": 1'):
        Choices.parse(text)


def test_choices_are_labels_with_scores() -> None:
    assert Choices.parse('{"correct": 1, "incorrect": 0}', explain=True) == CHOICES


def test_integrations_name_a_provider_and_where_its_text_goes() -> None:
    config = {
        "ai_integrations": {
            "haiku": {"provider": "anthropic", "model": "claude-haiku-4-5"},
            "local": {"provider": "openai", "model": "q", "base_url": "http://127.0.0.1:1/v1"},
            "mine": {"provider": "claude-code"},
            "other": {"provider": "codex", "model": "gpt-5.5", "timeout_s": 60},
        }
    }
    found = integrations(config, CONFIG)
    assert found["haiku"].api_key_env == "ANTHROPIC_API_KEY"
    assert found["haiku"].sends_to == "https://api.anthropic.com"
    assert found["local"].api_key_env is None  # the vendor's key is for the vendor
    assert isinstance(connect(found["local"], {"OPENAI_API_KEY": "x"}), OpenAICompatible)
    assert isinstance(connect(found["mine"], {}), ClaudeCode)
    assert isinstance(connect(found["other"], {}), Codex)
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY is not set"):
        connect(found["haiku"], {})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("openai", "needs `provider:`"),
        ({"provider": "oracle"}, "claude-code"),
        ({"provider": "openai"}, "needs `model:`"),
        ({"provider": "openai", "model": "m", "api_key": "sk-1"}, "api_key_env"),
        ({"provider": "openai", "model": "m", "modle": "n"}, "modle is no setting"),
        ({"provider": "openai", "model": "m", "base_url": "file:///x"}, "base_url cannot"),
        ({"provider": "openai", "model": "m", "base_url": "https://k@x/"}, "base_url cannot"),
        ({"provider": "openai", "model": "m", "structured": "yes"}, "structured cannot"),
        ({"provider": "codex", "timeout_s": -1}, "timeout_s cannot"),
        ({"provider": "codex", "arguments": "-c x"}, "arguments cannot"),
    ],
)
def test_an_integration_that_cannot_be_is_an_error_without_its_key(part: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        integrations({"ai_integrations": {"it": part}}, CONFIG)
    assert "sk-1" not in str(raised.value)
    assert "ai_integrations.it" in str(raised.value)


def test_a_command_that_is_not_there_stops_the_run() -> None:
    report = judge(ClaudeCode({"PATH": "/nowhere"}), concurrency=1).judge(questions(2))
    assert report.left == 2
    assert report.stopped is not None
    assert "claude is not on the PATH" in report.stopped
