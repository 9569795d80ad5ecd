"""Templates: what placeholders stand for, budgets, and delimiters that hold."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from harness_tracing.evaluate.templates import Subject, TemplateError, fill, placeholders
from harness_tracing.model import Session, Turn
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Span, spans
from tests.evaluate.injections import INJECTIONS
from tests.evaluate.made import bash, edit, turn

SESSION = Session("claude-code", "s", "demo")
TABLE = PriceTable.load()


def spans_of(made: Turn) -> list[Span]:
    return spans(made, SESSION, "turns", TABLE, harness_version="1")


def of_turn(made: Turn) -> Subject:
    return Subject.of_span(made, spans_of(made)[0])


def blocks(instructions: str, text: str) -> list[tuple[str, str]]:
    """The delimited values of a prompt, each with its name."""
    found = re.search(r"between <(recorded-[0-9a-f]{16}) ", instructions)
    assert found
    mark = found[1]
    parts: list[tuple[str, str]] = re.findall(
        rf'<{mark} name="([^"]*)">\n(.*?)\n</{mark}>', text, re.DOTALL
    )
    assert text.count(mark) == 2 * len(parts)
    return parts


WORK = turn(
    edit("store/pricing.py", "a = 1", "a = 2"),
    bash("make check", "all passed"),
    bash("pytest -q", "1 failed", failed=True),
)


def test_the_usual_names_stand_for_what_was_recorded() -> None:
    names = ("input.value", "output.value", "tool_calls", "diff")
    template = " ".join(f"{{{{{name}}}}}" for name in names)
    prompt = fill(template, of_turn(WORK), context=False)
    found = dict(blocks(prompt.instructions, prompt.text))
    assert found["input.value"] == "Do it."
    assert found["output.value"] == "Done."
    assert '"command": "make check"' in found["tool_calls"]
    assert '"status": "error"' in found["tool_calls"]
    assert "store/pricing.py" in found["diff"]
    assert set(found) == set(names)


def test_any_attribute_of_the_span_has_its_dotted_name() -> None:
    prompt = fill("{{session.id}}{{ harness.turn.status }}", of_turn(WORK), context=False)
    assert blocks(prompt.instructions, prompt.text) == [
        ("session.id", "s"),
        ("harness.turn.status", "completed"),
    ]


def test_a_turn_brings_its_trajectory_unless_told_otherwise() -> None:
    prompt = fill("Was it checked? {{output.value}}", of_turn(WORK))
    found = dict(blocks(prompt.instructions, prompt.text))
    assert "Tool Bash (ok)" in found["trajectory"]
    assert "make check" in found["trajectory"]
    without = fill("Was it checked? {{output.value}}", of_turn(WORK), context=False)
    assert "make check" not in without.text


def test_a_template_that_places_the_trajectory_gets_it_once() -> None:
    prompt = fill("{{trajectory}} Was it checked?", of_turn(WORK))
    assert [name for name, _ in blocks(prompt.instructions, prompt.text)] == ["trajectory"]


def test_a_single_step_is_judged_without_the_rest() -> None:
    tool = next(span for span in spans_of(WORK) if span.attributes.get("tool.id") == "t2")
    prompt = fill("{{input.value}} {{output.value}}", Subject.of_span(WORK, tool))
    found = dict(blocks(prompt.instructions, prompt.text))
    assert "make check" in found["input.value"]
    assert found["output.value"] == "all passed"
    assert len(found) == 2


def test_a_session_has_all_its_turns() -> None:
    later = replace(WORK, turn_id="turn2", number=2, prompt="Once more.", response="Done again.")
    subject = Subject.of_session([WORK, later])
    prompt = fill("{{input.value}} {{output.value}}", subject)
    found = dict(blocks(prompt.instructions, prompt.text))
    assert found["input.value"] == "Do it.\n\nOnce more."
    assert found["output.value"] == "Done again."
    assert "Turn 2 (completed)" in found["trajectory"]
    assert subject.span_id == ""


def test_an_unknown_name_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(
        TemplateError, match=r"\{\{input.text\}\} is not known.*\{\{input.value\}\}"
    ):
        fill("{{input.text}}", of_turn(WORK))
    for wrong in ("{{answer}}", "{{}}", "{{input value}}"):
        with pytest.raises(TemplateError, match=r"no placeholder.*\{\{trajectory\}\}"):
            placeholders(wrong)


def test_what_a_span_may_carry_but_this_one_does_not_is_not_recorded() -> None:
    prompt = fill("Error: {{error.message}}", of_turn(WORK), context=False)
    assert prompt.text == "Error: (not recorded)"
    silent = replace(WORK, response=None)
    assert "(not recorded)" in fill("{{output.value}}", of_turn(silent), context=False).text


def test_long_values_are_cut_in_the_middle_and_short_ones_stay_whole() -> None:
    output = "start " + "x" * 50_000 + " end"
    long = replace(WORK, prompt="Short.", response=output)
    prompt = fill("{{input.value}}{{output.value}}", of_turn(long), budget_chars=3_000)
    found = dict(blocks(prompt.instructions, prompt.text))
    assert found["input.value"] == "Short."
    assert found["output.value"].startswith("start x")
    assert found["output.value"].endswith("x end")
    assert "characters or more left out here" in found["output.value"]
    assert sum(map(len, found.values())) <= 3_000
    assert "output.value" in prompt.cut


def test_the_same_record_gives_the_same_prompt() -> None:
    template = "{{input.value}}{{diff}}"
    assert fill(template, of_turn(WORK)) == fill(template, of_turn(WORK))


@pytest.mark.parametrize("text", INJECTIONS)
def test_recorded_text_cannot_leave_its_delimiters(text: str) -> None:
    made = replace(turn(bash("cat x", text), answer=text), prompt=text)
    subject = of_turn(made)
    prompt = fill("{{input.value}} then {{output.value}}", subject, budget_chars=500_000)
    found = blocks(prompt.instructions, prompt.text)
    names = [name for name in ("input.value", "output.value") if name in subject.attributes]
    assert [name for name, _ in found] == [*names, "trajectory"]
    assert [value for _, value in found[:-1]] == [subject.attributes[name] for name in names]
    assert "correct" not in prompt.instructions


def test_who_knows_the_delimiter_of_before_still_cannot_close_it() -> None:
    text = "harmless"
    for _ in range(5):
        made = replace(WORK, prompt=text)
        prompt: Any = fill("{{input.value}}", of_turn(made), context=False)
        assert blocks(prompt.instructions, prompt.text) == [("input.value", text)]
        text += "\n" + prompt.text
