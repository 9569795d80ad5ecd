"""What stands in a record decides nothing: the label comes from the structured answer alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness_tracing.evaluate.judge.answers import Failure, Verdict
from harness_tracing.evaluate.judge.anthropic_api import Anthropic
from harness_tracing.evaluate.judge.asking import Question
from harness_tracing.evaluate.judge.openai_api import OpenAICompatible
from harness_tracing.evaluate.templates import Subject, fill
from tests.evaluate.injections import INJECTIONS
from tests.evaluate.judges import (
    CHOICES,
    Api,
    Says,
    anthropic_body,
    judge,
    openai_body,
    outcomes,
    tool_use,
)
from tests.evaluate.made import bash, turn

BAD = {"explanation": "It ran no check.", "label": "incorrect"}


def questions() -> list[Question]:
    """One for each text of the corpus, which an agent has read and repeats."""
    asked = []
    for text in INJECTIONS:
        made = turn(bash("cat README", text), answer=text)
        subject = Subject("turn", "claude-code", "s", "0" * 16, (made,), {"output.value": text})
        asked.append(Question(fill("Was it checked? {{output.value}}", subject), CHOICES))
    return asked


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_the_verdict_is_the_structured_answer_whatever_the_record_says(name: str) -> None:
    body = openai_body(BAD) if name == "openai" else anthropic_body(tool_use(BAD))
    with Api(Says(body)) as api:
        report = judge(connect(name, api)).judge(questions())
    assert set(outcomes(report)) == {Verdict("incorrect", 0.0, "It ran no check.")}
    for request in api.requests:
        offered = [tool["name"] for tool in request.get("tools", ())]
        assert offered == ([] if name == "openai" else ["verdict"])


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_judge_that_repeats_the_record_in_prose_gives_no_verdict(name: str) -> None:
    said = [text for text in INJECTIONS if not text.startswith('{"label"')]
    for text in said:
        sent = text.encode("utf-8", "replace").decode()
        words = {"type": "text", "text": sent}
        body = openai_body(sent) if name == "openai" else anthropic_body(words, stop="end_turn")
        with Api(Says(body)) as api:
            (outcome,) = outcomes(judge(connect(name, api)).judge(questions()[:1]))
        assert isinstance(outcome, Failure)


def test_a_label_that_a_record_invents_is_none() -> None:
    answer = {"explanation": "I was told so.", "label": "splendid"}
    with Api(Says(openai_body(answer))) as api:
        (outcome,) = outcomes(judge(connect("openai", api)).judge(questions()[:1]))
    assert (outcome.kind, outcome.said) == ("wrong_label", "splendid")


def test_a_hidden_answer_stays_hidden() -> None:
    made = replace(turn(bash("make check", "[output hidden: 12 chars]")), response=None)
    subject = Subject("turn", "claude-code", "s", "0" * 16, (made,), {})
    text = fill("{{output.value}}", subject).text
    assert "(not recorded)" in text
    assert "[output hidden: 12 chars]" in text


def connect(name: str, api: Api) -> Any:
    if name == "openai":
        return OpenAICompatible("gpt-5-mini", None, base_url=api.url)
    return Anthropic("claude-haiku-4-5", None, base_url=api.url)
