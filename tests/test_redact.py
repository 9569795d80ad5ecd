"""What a user hides is in no field of a turn, what stays is untouched, and secrets are in none."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import play, recordings
from secret_corpus import ANTHROPIC, GITHUB, LEAKS, PRIVATE_KEY

from harness_tracing import config
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
    ToolRequest,
    Turn,
    Usage,
)
from harness_tracing.redact import (
    Policy,
    redact_message,
    redact_session,
    redact_step,
    redact_turn,
)

SWITCHES = ("prompts", "tool_details", "tool_content")


def full_turn() -> Turn:
    """A turn with a word of its own in every field; its first letters say whose content it is.

    p_ prompts, d_ details, c_ content, dc_ both of them, m_ of either tools or models (a
    provider's error may quote anything); h_ is a header, which stays.
    """
    request = ToolRequest("h_tool", "h_Bash", {"d_key": ["d_argument", {"deep": "d_deep"}]})
    main = ModelCall(
        "h_call",
        "h_model",
        1,
        2,
        Usage(10, 5),
        input_messages=(
            Message("system", "p_system"),
            Message("user", "p_user"),
            Message("tool", "dc_tool_message", tool_call_id="h_tool"),
            Message("assistant", "p_assistant", "p_thinking", (request,)),
        ),
        output=Message("assistant", "p_output", "p_output_thinking", (request,)),
        finish_reason="h_finish",
        error=Failure("h_type", "m_error"),
        request_id="h_request",
        message_id="h_message",
        provider="h_provider",
        parameters={"effort": "h_high", "max_tokens": 64000, "system": "p_system_parameter"},
    )
    tool = ToolCall(
        "h_tool",
        "h_Bash",
        2,
        3,
        "error",
        "h_call",
        input={"command": "d_command", "d_name": {"list": ["d_listed", 7]}},
        output="c_output",
        result={"stdout": "dc_stdout", "dc_file": ["dc_nested"]},
        error=Failure("h_tool_error", "dc_tool_error"),
    )
    asks_model = ToolCall(
        "h_fetch",
        "h_Fetch",
        2,
        3,
        "ok",
        input={"url": "d_url", "prompt": "p_and_d_question"},
        output="p_and_c_answer",
    )
    agent = Subagent(
        "h_agent", "h_agent_type", "h_task", 2, 3, "failed",
        prompt="p_and_d_task", response="p_and_c_report", error=Failure("h_f", "m_agent_error"),
    )  # fmt: skip
    moments = (
        Moment("compaction", 4, "h_m1", details={"trigger": "h_auto", "n": 3, "summary": "p_sum"}),
        Moment("prompt", 5, "h_m2", details={"text": "p_queued"}),
        Moment("notification", 6, "h_m3", details={"message": "m_message", "a": [{"b": "m_n"}]}),
    )
    return Turn(
        "h_harness",
        "h_session",
        "h_turn",
        1,
        "failed",
        1,
        9,
        prompt="p_prompt",
        response="p_response",
        model="h_model",
        usage=Usage(10, 5),
        steps=(main, tool, asks_model, agent, *moments),
        gaps=(Gap("h_what", "h_why"),),
        error=Failure("h_turn_error", "m_turn_error"),
        cwd="/h_cwd",
        repository=Repository("https://h_host/r", "h_branch", "h_commit"),
    )


def words(value: Any) -> set[str]:
    """Every text in a value, names of JSON members included."""
    if isinstance(value, str):
        return {value}
    if is_dataclass(value):
        return set().union(*(words(getattr(value, f.name)) for f in fields(value)))
    if isinstance(value, dict):
        return set().union(*map(words, value), *map(words, value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*map(words, value))
    return set()


def only_off(switch: str) -> Policy:
    return replace(Policy(), **{switch: False})


def dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


HIDDEN_BY = {
    "prompts": ("p_", "m_"),
    "tool_details": ("d_", "dc_", "m_", "p_and_d_"),
    "tool_content": ("c_", "dc_", "m_", "p_and_c_"),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_content_of_a_switch_that_is_off_is_nowhere(switch: str) -> None:
    text = dump(redact_turn(full_turn(), only_off(switch)))

    planted = words(full_turn())
    assert [word for word in planted if word.startswith(HIDDEN_BY[switch]) and word in text] == []


@pytest.mark.parametrize("switch", SWITCHES)
def test_other_content_and_headers_stay(switch: str) -> None:
    text = dump(redact_turn(full_turn(), only_off(switch)))

    other = [word for word in words(full_turn()) if word.startswith(("p_", "d_", "c_", "h_"))]
    other = [word for word in other if not word.startswith(HIDDEN_BY[switch])]
    # The tool that asks a model is hidden as a whole when either of its kinds is.
    other = [word for word in other if word not in ("d_url", "p_and_c_answer", "p_and_d_question")]
    assert [word for word in other if word not in text] == []


def test_with_everything_shown_a_turn_without_secrets_is_the_same() -> None:
    assert redact_turn(full_turn(), Policy()) == full_turn()


@pytest.mark.parametrize("switches", [SWITCHES, *((s,) for s in SWITCHES)])
def test_redacting_twice_is_redacting_once(switches: tuple[str, ...]) -> None:
    policy = replace(Policy(), **dict.fromkeys(switches, False), max_value_chars=300)
    turn = replace(full_turn(), prompt=f"{GITHUB} " * 100, response=PRIVATE_KEY)

    once = redact_turn(turn, policy)

    assert redact_turn(once, policy) == once


def test_a_marker_says_what_is_hidden_and_how_long_it_was() -> None:
    turn = redact_turn(replace(full_turn(), prompt="x" * 123), only_off("prompts"))

    assert turn.prompt == "[prompt hidden: 123 chars]"


def test_unknown_and_empty_content_is_not_marked() -> None:
    tool = ToolCall("t", "Bash", 1, 2, "ok", input=None, output="")

    off = Policy(prompts=False, tool_details=False, tool_content=False)
    assert redact_step(tool, off) == tool


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def planted(value: Any, word: str) -> Any:
    """The JSON value with a word in each of its texts and names."""
    if isinstance(value, str):
        return value + word
    if isinstance(value, dict):
        return {key + word: planted(item, word) for key, item in value.items()}
    if isinstance(value, list):
        return [planted(item, word) for item in value]
    return value


@given(JSON, st.sampled_from(["input", "result", "details"]))
def test_hidden_json_leaves_nothing_of_itself(value: Any, where: str) -> None:
    content = planted(value, "Marker9x")
    if where == "details":
        content = {"text": content}
    off = Policy(prompts=False, tool_details=False, tool_content=False)
    step: Any = ToolCall("t", "Bash", 1, 2, "ok")
    if where == "details":
        step = Moment("notification", 1, "m", details=content)
    else:
        step = replace(step, **{where: content})

    assert "Marker9x" not in dump(redact_step(step, off))


@given(JSON)
def test_json_of_any_shape_keeps_its_shape_without_secrets(value: Any) -> None:
    plain = planted(value, "-")
    tool = ToolCall("t", "Bash", 1, 2, "ok", input=plain)

    assert redact_step(tool, Policy()) == tool


def test_json_nested_beyond_reason_is_cut_not_followed() -> None:
    value: Any = "end"
    for _ in range(3000):
        value = [value]

    tool = redact_step(ToolCall("t", "Bash", 1, 2, "ok", input=value), Policy())

    assert "nested deeper" in dump(tool)


# --- repetition of hidden content


def test_a_structured_result_goes_with_the_request_it_mirrors() -> None:
    tool = ToolCall(
        "t", "Edit", 1, 2, "ok",
        input={"file_path": "/a/secretplan.py"},
        output="The file /a/secretplan.py has been updated",
        result={"filePath": "/a/secretplan.py"},
    )  # fmt: skip

    clean = redact_step(tool, only_off("tool_details"))

    assert "secretplan" not in dump(clean)
    assert isinstance(clean, ToolCall)
    assert clean.output == "The file [tool input hidden: 16 chars] has been updated"


def test_paths_and_urls_of_a_hidden_command_are_hidden_in_its_output() -> None:
    tool = ToolCall(
        "t", "Bash", 1, 2, "error",
        input={"command": "cat /x/plan.txt && curl https://plan.org/a"},
        output="cat: /x/plan.txt: No such file\nGET https://plan.org/a 404",
    )  # fmt: skip

    assert "plan" not in dump(redact_step(tool, only_off("tool_details")))


def test_tool_output_that_an_agent_wraps_into_a_prompt_goes_with_tool_content() -> None:
    text = "look <bash-stdout>c_out</bash-stdout> and <task-notification>c_done"
    turn = replace(full_turn(), prompt=text, steps=())

    clean = redact_turn(turn, only_off("tool_content"))

    assert clean.prompt is not None
    assert clean.prompt.startswith("look <bash-stdout>[tool content hidden: 5 chars]</bash-stdout>")
    assert "c_" not in clean.prompt
    assert redact_turn(turn, Policy()).prompt == text


def test_a_sub_agents_calls_repeat_what_its_tool_was_asked_and_returned() -> None:
    call = ModelCall(
        "c", "m", 1, 2, agent_id="a",
        input_messages=(Message("user", "d_task"),), output=Message("assistant", "c_report"),
    )  # fmt: skip

    assert "d_task" not in dump(redact_step(call, only_off("tool_details")))
    assert "c_report" not in dump(redact_step(call, only_off("tool_content")))


def test_what_an_agent_tool_was_asked_and_answered_is_model_text() -> None:
    agent = Subagent("a", None, "t", 1, 2, "completed")
    tool = ToolCall("t", "Agent", 1, 2, "ok", input={"task": "p_task"}, output="p_report")

    clean = redact_turn(replace(full_turn(), steps=(tool, agent)), only_off("prompts"))

    assert "p_task" not in dump(clean)
    assert "p_report" not in dump(clean)


def test_one_message_follows_the_same_switches() -> None:
    message = Message("tool", "c_output", tool_call_id="t")

    assert redact_message(message, only_off("tool_content")).content == (
        "[tool output hidden: 8 chars]"
    )
    assert redact_message(message, Policy()) == message


# --- secrets


def with_secret(secret: str) -> Turn:
    """The full turn with a secret in every text that may hold one."""

    def planted_in(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, Usage):
            changed = {
                f.name: planted_in(getattr(value, f.name))
                for f in fields(value)
                if f.name not in ("role", "status", "kind", "model", "name", "type")
                and not f.name.endswith(("id", "reason", "provider", "commit", "what"))
                and f.name not in ("agent", "traceparent", "join")
            }
            return replace(value, **changed)
        if isinstance(value, dict):
            return {key: planted_in(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(map(planted_in, value))
        return f"{value} {secret} " if isinstance(value, str) else value

    return planted_in(full_turn())


@pytest.mark.parametrize("secret", [GITHUB, ANTHROPIC, "DB_PASSWORD=hunter2", PRIVATE_KEY])
def test_a_secret_is_found_in_every_field_and_counted(secret: str) -> None:
    turn = redact_turn(with_secret(secret), Policy())

    assert secret.partition("=")[2] or secret not in dump(turn)
    assert "hunter2" not in dump(turn)
    assert json.dumps(secret)[1:-1] not in dump(turn)
    assert turn.redactions == 7  # prompt, response, error, cwd, url, branch, gap
    assert all(step.redactions > 0 for step in turn.steps)


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.kind)
def test_secrets_are_found_in_json_values_and_names(leak: Any) -> None:
    tool = ToolCall(
        "t", "Write", 1, 2, "ok", input={"files": [{"text": leak.text}, {leak.text: 1}]}
    )

    clean = redact_step(tool, Policy())

    survived = [s for s in leak.secrets if json.dumps(s, ensure_ascii=False)[1:-1] in dump(clean)]
    assert survived == []
    assert clean.redactions >= 2


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"password": "x1"}, "password"),
        ({"user": {"apiKey": "whatever it is"}}, "api-key"),
        ({"env": [{"name": "DB_PASSWORD", "value": "plain"}]}, "password"),
        ({"headers": {"Authorization": "Token t"}}, "authorization"),
        ({"credentials": ["a", "b"]}, "credential"),
        ({"client_secret": "s"}, "secret"),
        ({"password": 1234}, "password"),
        ({"AWS_SECRET_ACCESS_KEY": "abc"}, "api-key"),
        ({"MY_SERVICE_KEY": "abc"}, "api-key"),
    ],
)
def test_what_stands_under_the_name_of_a_secret_goes_as_a_whole(value: Any, kind: str) -> None:
    clean = redact_step(ToolCall("t", "mcp", 1, 2, "ok", input=value), Policy())

    assert f"[redacted:{kind}]" in dump(clean)
    assert clean.redactions >= 1


@pytest.mark.parametrize(
    "value",
    [
        {"token": 5, "max_tokens": 4096, "key": "order-1", "primary_key": "id"},
        {"password": "$DB_PASSWORD", "token": "${{ secrets.T }}", "secret": "<secret>"},
        {"password": "", "api_key": None, "secret": False},
        {"next_token": "abc123", "cache_key": "a:b", "keyboard": "qwerty12"},
        {"properties": {"password": {"type": "string"}}},
        {"passwordHelp": "at least 8", "tokens": ["a", "b"], "author": "bob"},
    ],
)
def test_names_that_only_sound_like_secrets_keep_their_values(value: Any) -> None:
    tool = ToolCall("t", "mcp", 1, 2, "ok", input=value)

    assert redact_step(tool, Policy()) == tool


def test_secrets_stay_when_a_user_wants_them() -> None:
    turn = with_secret(GITHUB)

    assert redact_turn(turn, Policy(secrets=False)) == turn


def test_a_system_prompt_met_again_is_judged_by_the_policy_of_its_own_turn() -> None:
    call = ModelCall("c", "m", 1, 2, Usage(10, 5), input_messages=(Message("system", GITHUB),))
    for _ in range(2):
        clean = redact_step(call, Policy())
        assert isinstance(clean, ModelCall)
        assert GITHUB not in str(clean.input_messages)
        assert clean.redactions == 1
    assert redact_step(call, Policy(secrets=False)) == call
    hidden = redact_step(call, Policy(prompts=False))
    assert isinstance(hidden, ModelCall)
    assert "hidden" in str(hidden.input_messages)
    assert hidden.redactions == 0


def test_a_users_own_pattern_counts_also_without_the_rules(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.yaml").write_text(
        "redact_secrets: false\nsecret_patterns:\n  employee: 'EMP-(?P<secret>[0-9]{6})'\n"
    )
    policy = Policy.of(config.load({"HOME": str(tmp_path)}, home=home))
    turn = redact_turn(replace(full_turn(), prompt=f"EMP-123456 {GITHUB}", steps=()), policy)

    assert turn.prompt == f"EMP-[redacted:employee] {GITHUB}"
    assert turn.redactions == 1


def test_secrets_in_free_attributes_of_a_session_are_replaced() -> None:
    session = Session("a", "s", "p", attributes={"team": "x", "api.key": "abc", "note": GITHUB})

    assert redact_session(session, Policy()).attributes == {
        "team": "x",
        "api.key": "[redacted:api-key]",
        "note": "[redacted:github-token]",
    }


# --- cutting


def test_a_long_text_is_cut_in_its_middle_with_its_length_noted() -> None:
    turn = redact_turn(
        replace(full_turn(), prompt="A" * 5000 + "Z" * 5000, steps=()), Policy(max_value_chars=1000)
    )

    assert turn.prompt is not None
    assert len(turn.prompt) == 1000
    assert turn.prompt.startswith("A" * 700)
    assert turn.prompt.endswith("Z" * 200)
    assert "[cut: 10000 chars in all]" in turn.prompt


@given(st.integers(0, 1200))
def test_no_cut_leaves_a_part_of_a_secret(at: int) -> None:
    secret = GITHUB
    text = "x" * at + " " + secret + " " + "y" * (1200 - at)
    turn = redact_turn(replace(full_turn(), prompt=text, steps=()), Policy(max_value_chars=300))

    assert not any(secret[i : i + 8] in (turn.prompt or "") for i in range(len(secret) - 8))


def test_json_is_cut_at_its_longest_texts() -> None:
    tool = ToolCall("t", "Write", 1, 2, "ok", input={"path": "/a", "text": "x" * 9000})

    clean = redact_step(tool, Policy(max_value_chars=1000))

    assert isinstance(clean, ToolCall)
    assert clean.input["path"] == "/a"
    assert "[cut: 9000 chars in all]" in clean.input["text"]
    assert len(json.dumps(clean.input)) <= 1000


@pytest.mark.parametrize("value", [[["abc"] * 9][0] * 500, {f"k{i}": i for i in range(3000)}])
def test_json_of_many_small_values_becomes_the_beginning_of_its_text(value: Any) -> None:
    clean = redact_step(ToolCall("t", "x", 1, 2, "ok", input=value), Policy(max_value_chars=1000))

    assert isinstance(clean, ToolCall)
    assert isinstance(clean.input, str)
    assert len(clean.input) == 1000


# --- real sessions


def content(turn: Turn) -> set[str]:
    """The texts of a turn that are content: all but ids, names and other headers."""
    found: set[str] = words([turn.prompt, turn.response])
    for step in turn.steps:
        if isinstance(step, ModelCall):
            found |= words([m.content for m in step.input_messages])
            found |= words([m.thinking for m in step.input_messages])
            found |= words(step.output.content if step.output else None)
        elif isinstance(step, ToolCall):
            found |= words([step.input, step.output, step.error and step.error.message])
        elif isinstance(step, Subagent):
            found |= words([step.prompt, step.response])
    return {text for text in found if len(text) >= 16 and " " in text}


@pytest.mark.parametrize("folder", recordings("claude-code"), ids=lambda folder: folder.name)
def test_of_a_recorded_session_no_content_is_left_with_all_switches_off(folder: Path) -> None:
    off = Policy(prompts=False, tool_details=False, tool_content=False)
    for recorded in play(folder).values():
        for turn in recorded.whole():
            text = dump(redact_turn(turn, off))
            assert [
                t for t in content(turn) if json.dumps(t, ensure_ascii=False)[1:-1] in text
            ] == []


@pytest.mark.parametrize("folder", recordings("claude-code"), ids=lambda folder: folder.name)
def test_a_recorded_session_has_no_secrets_and_stays_as_it_is(folder: Path) -> None:
    for recorded in play(folder).values():
        for turn in recorded.whole():
            assert redact_turn(turn, Policy(max_value_chars=10_000_000)) == turn
