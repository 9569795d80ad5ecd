"""The session tree: what it says, at any width, and that traced text cannot break out of it."""

from __future__ import annotations

import dataclasses
import datetime
import io
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness_tracing.model import (
    Failure,
    Gap,
    Message,
    ModelCall,
    Moment,
    Repository,
    Session,
    Subagent,
    ToolCall,
    Turn,
    Usage,
)
from harness_tracing.observe.labels import telling_argument
from harness_tracing.observe.sessions import project_lines, session_lines
from harness_tracing.observe.tree import View, session_tree
from harness_tracing.store import ProjectRow, SessionRow, Store, TurnRow
from tests import golden
from tests.observe import examples
from tests.observe.examples import MODEL, SESSION, at, call, tool

UTC = datetime.timezone.utc


def printed(parts: Iterable[Any], width: int = 80, colour: bool = False, **environ: str) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        highlight=False,
        _environ=environ,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def row(turn: Turn, **fields: Any) -> TurnRow:
    values = {"cost_usd": None, "unpriced_models": (), "late_step_ids": frozenset(), **fields}
    return TurnRow(turn, True, turn.usage, **values)


def tree(*turns: Turn, session: Session = SESSION, full: bool = False, **output: Any) -> str:
    rows = [row(turn) for turn in turns]
    head = SessionRow(session, session.started_at_ns, session.ended_at_ns, None, turns=len(rows))
    return printed(session_tree(head, rows, View(full=full, zone=UTC)), **output)


def turn(*steps: Any, **fields: Any) -> Turn:
    values = {"status": "completed", "ended_at_ns": at(9), "prompt": "Do it.", **fields}
    status = values.pop("status")
    return Turn("claude-code", "s1", "t1", 1, status, at(0), steps=steps, **values)


@pytest.mark.parametrize(
    ("name", "width", "full"),
    [
        ("tree-80", 80, False),
        ("tree-120", 120, False),
        ("tree-40", 40, False),
        ("tree-full", 80, True),
    ],
)
def test_golden_session(store: Store, name: str, width: int, full: bool) -> None:
    found = store.session(SESSION.session_id)
    assert found is not None
    turns = store.turn_rows(found.agent, found.session_id)
    shown = printed(session_tree(found, turns, View(full=full, zone=UTC)), width)
    golden.check(f"observe/{name}", shown)


@pytest.mark.parametrize("width", [1, 2, 10, 24, 40, 80, 120])
def test_no_line_is_wider_than_the_output(store: Store, width: int) -> None:
    found = store.session(SESSION.session_id)
    assert found is not None
    turns = store.turn_rows(found.agent, found.session_id)
    for full in (False, True):
        lines = printed(session_tree(found, turns, View(full=full, zone=UTC)), width).split("\n")
        assert max(map(cell_len, lines)) <= width


def test_wide_characters_keep_the_columns_straight() -> None:
    shown = tree(turn(tool(1, "Bash", 1, 2, input={"command": "echo " + "漢字" * 50})))
    line = next(line for line in shown.split("\n") if "Bash" in line)
    assert cell_len(line) == 80
    assert line.endswith("   1.0 s")


def test_without_a_terminal_there_are_no_escapes(store: Store) -> None:
    assert "\x1b" not in tree(*examples.TURNS)


def test_failures_are_red_and_interruptions_yellow() -> None:
    shown = tree(*examples.TURNS, colour=True)
    assert "\x1b[31mfailed\x1b[0m" in shown
    assert "\x1b[31mexit code 2\x1b[0m" in shown
    assert "\x1b[33minterrupted\x1b[0m" in shown


def test_no_color_means_no_colour() -> None:
    shown = tree(*examples.TURNS, colour=True, NO_COLOR="1")
    codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", shown) for code in found.split(";")}
    assert codes <= {"0", "1", "2", "3"}  # none, bold, dim, italic


def test_an_unknown_price_is_said_and_never_zero() -> None:
    head = SessionRow(
        SESSION, at(0), at(9), None, turns=1, usage=Usage(10, 5), unpriced_models=("new-model",)
    )
    shown = printed(session_tree(head, [row(turn(), unpriced_models=("new-model",))], View()))
    assert shown.count("no price for new-model") == 2
    assert "$" not in shown


def test_a_partly_priced_turn_names_what_the_price_leaves_out() -> None:
    head = SessionRow(SESSION, at(0), at(9), None, cost_usd=1.5, unpriced_models=("new-model",))
    shown = printed(session_tree(head, [], View()))
    assert "$1.50 at list prices (no price for new-model)" in shown


def test_what_is_not_known_is_not_shown_as_zero() -> None:
    session = Session("claude-code", "s1", "shop")
    shown = tree(
        Turn(
            "claude-code", "s1", "t1", 1, "open", at(0), steps=(ModelCall("c", None, None, None),)
        ),
        session=session,
    )
    assert "running" in shown
    assert "model not known" in shown
    assert " 0" not in shown.replace("14:03:12", "")


def test_a_turn_that_nobody_typed_says_what_started_it() -> None:
    shown = tree(turn(cause="task_notification", prompt="<task-notification>…"))
    assert "Turn 1  a background task ended" in shown


def test_unusual_finish_reasons_are_shown() -> None:
    shown = tree(
        turn(
            call(1, 1, 2, finish_reason="max_tokens"),
            call(2, 2, 3, finish_reason="refusal"),
            call(3, 3, 4, finish_reason="end_turn"),
        )
    )
    assert "max_tokens" in shown and "refusal" in shown and "end_turn" not in shown


def test_paths_are_shown_as_seen_from_the_turns_folder() -> None:
    paths = ("/home/dev/shop/store/pricing.py", "/etc/hosts", "/home/dev/shopping/x.py")
    tools = [tool(n, "Read", 1, 2, input={"file_path": path}) for n, path in enumerate(paths)]
    shown = tree(turn(*tools, cwd="/home/dev/shop"))
    assert "Read  store/pricing.py " in shown
    assert "Read  /etc/hosts " in shown
    assert "Read  /home/dev/shopping/x.py " in shown


def test_a_reply_that_was_cut_is_interrupted_not_failed() -> None:
    cut = call(1, 1, 2, error=Failure("interrupted", "the reply was cut off"))
    shown = tree(turn(cut), colour=True)
    assert "\x1b[33minterrupted\x1b[0m" in shown and "failed" not in shown


def test_a_line_that_announces_the_next_is_shown_with_it() -> None:
    feedback = Moment("hook_feedback", at(1), "m", details={"text": "Feedback:\n\n  run checks\nx"})
    assert "hook feedback  Feedback: run checks\n" in tree(turn(feedback))


def test_what_a_hook_said_is_shown_not_its_command() -> None:
    text = (
        "Stop hook feedback:\n[f=x; if [ -f $f ] && run; then exec $f; fi]: Not done yet: [a]: b\n"
    )
    feedback = Moment("hook_feedback", at(1), "m", details={"text": text})
    assert "hook feedback  Not done yet: [a]: b\n" in tree(turn(feedback))


def test_full_shows_all_lines_of_contents() -> None:
    shown = tree(*examples.TURNS, full=True)
    assert "Which file?" in shown
    assert "make: *** [check] Error 2" in shown
    assert "All checks pass." in shown
    assert "Shipping becomes 0." in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"command": "make check", "description": "Run checks"}, "make check"),
        ({"command": ["bash", "-lc", "ls"]}, "bash -lc ls"),
        ({"file_path": "a.py", "old_string": "x"}, "a.py"),
        ({"pattern": "TODO", "path": "src"}, "TODO in src"),
        ({"url": "http://x", "prompt": "sum up"}, "http://x"),
        ({"subagent_type": "Explore", "description": "find"}, "Explore: find"),
        ({"subagent_type": "Explore"}, "Explore"),
        ({"anything": 5, "else": "text"}, "text"),
        ({"questions": [{"header": 1, "question": "Which?"}]}, "Which?"),
        ({"nothing": [[["deep"]]]}, ""),
        ({}, ""),
        ([1], ""),
        (None, ""),
        ("[12 characters]", "[12 characters]"),
        ({"command": {"nested": 1}, "path": 7}, ""),
    ],
)
def test_the_telling_argument_of_a_tool(arguments: Any, said: str) -> None:
    assert telling_argument(arguments) == said


STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\ud800-\udfff]")
HOSTILE = st.text(
    alphabet=st.sampled_from("\x1b[]0;2JmHK?\x07\x9b\x9d\r\n\b\x00\x7f\u202e\u2028\ud800a[/]"),
    max_size=12,
)


def _everywhere(text: str) -> tuple[SessionRow, TurnRow]:
    failure = Failure(text, text)
    steps = (
        ModelCall(
            "c1",
            text,
            at(0),
            at(1),
            Usage(5, 5),
            input_messages=(Message("user", text), Message("system", text)),
            output=Message("assistant", text, thinking=text),
            finish_reason=text,
            error=failure,
            kind=text,
        ),
        ToolCall(
            "t1",
            text,
            at(0),
            at(1),
            "error",
            "c1",
            {"command": text, text: [text]},
            text,
            waited_ns=5,
            wait_kind=text,
            error=failure,
        ),
        Subagent("a1", text, "t1", at(0), at(1), "failed", text, text, error=failure),
        Moment(text, at(0), "m1", details={"text": text, text: {text: text}}),
        Moment("compaction", at(0), "m2", details={"trigger": text}),
        Moment("model_switch", at(0), "m3", details={"from_model": text, "to_model": text}),
    )
    traced = Turn(
        text,
        text,
        "t",
        1,
        "failed",
        at(0),
        at(1),
        prompt=text,
        response=text,
        model=text,
        steps=steps,
        gaps=(Gap(text, text),),
        error=failure,
        cause=None if len(text) % 2 else text,
        repository=Repository(text, text, text),
    )
    session = Session(text, text, text, at(0), at(1), agent_version=text, cwd=text)
    head = SessionRow(
        session,
        at(0),
        at(1),
        at(1),
        unpriced_models=(text,),
        first_prompt=text,
        last_status=text or None,
        cost_usd=1.0,
    )
    return head, row(traced, cost_usd=1.0, unpriced_models=(text,))


@settings(max_examples=60, deadline=None)
@given(HOSTILE, st.sampled_from([20, 80]))
def test_nothing_traced_can_steer_the_terminal(text: str, width: int) -> None:
    head, traced = _everywhere(text)
    projects = [ProjectRow(text, (text,), 1, 1, at(0))]
    views = [
        list(session_tree(head, [traced], View(full=True))),
        [Text.assemble(*line) for line in session_lines([head], 200)],
        [Text.assemble(*line) for line in project_lines(projects, 200)],
    ]
    for view in views:
        plain = printed(view, width)
        assert not STEERING.search(plain)
        coloured = re.sub(r"\x1b\[[\d;]*m", "", printed(view, width, colour=True))
        assert [line.rstrip() for line in coloured.split("\n")] == plain.split("\n")


def test_a_model_named_like_markup_is_only_text() -> None:
    odd = dataclasses.replace(call(1, 1, 2), model="[red]x[/red] :smile:")
    assert "[red]x[/red] :smile:" in tree(turn(odd), width=120)


def test_the_models_name_is_shown() -> None:
    assert MODEL in tree(turn(call(1, 1, 2)))
