"""What capture writes, where, and when it does not."""

from __future__ import annotations

import time

import pytest

from harness_tracing.capture import CAPTURE_SH
from tests.capture.hooks import SESSION, Hook, Place, payload

NAMED = {"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDE_PID": "4711"}


def test_the_payload_lies_in_the_session_folder_byte_for_byte(hook: Hook, place: Place) -> None:
    before = time.time()
    hook.run(payload(), place.environ(**NAMED))
    (event,) = place.events()
    assert event.read_bytes() == payload()
    name, agent_pid, shell_pid = event.name.split(".")
    assert (name, agent_pid, shell_pid.isdecimal()) == ("Stop", "4711", True)
    assert before - 1 < event.stat().st_mtime < time.time() + 1


def test_nobody_else_can_read_it(hook: Hook, place: Place) -> None:
    hook.run(payload(), place.environ(**NAMED))
    (event,) = place.events()
    assert event.stat().st_mode & 0o777 == 0o600
    folder = event.parent
    while folder != place.user_home:
        assert folder.stat().st_mode & 0o777 == 0o700
        folder = folder.parent


@pytest.mark.parametrize("filler", [0, 40, 3900, 4090, 9000])
def test_without_the_variable_the_payload_names_the_session(
    hook: Hook, place: Place, filler: int
) -> None:
    text = '{"a":"' + "x" * filler + '", "session_id" : "' + SESSION + '" ,"b":"\\u2028"}\n\n'
    hook.run(text.encode(), place.environ())
    in_head = filler + 60 < 4096
    assert place.event(SESSION if in_head else "_common").rstrip() == text.encode().rstrip()


@pytest.mark.parametrize("offset", range(4))
def test_characters_on_the_edge_of_what_is_looked_at_stay_whole(
    hook: Hook, place: Place, offset: int
) -> None:
    text = '{"session_id":"' + SESSION + '","t":"' + "x" * (4036 - offset) + "\U0001f4a1\u2028" * 9
    content = (text + '"}').encode()
    hook.run(content, place.environ())
    assert place.event() == content


def test_a_key_inside_a_string_is_not_taken_for_the_session(hook: Hook, place: Place) -> None:
    content = payload(None, 'say \\"session_id\\":\\"evil\\" and \\"session_id\\": \\"x\\"')
    hook.run(content, place.environ())
    assert place.event("_common") == content


def test_a_value_that_reads_like_the_key_is_not_taken_for_it(hook: Hook, place: Place) -> None:
    content = b'{"kind":"session_id","name":"x","session_id":"' + SESSION.encode() + b'"}'
    hook.run(content, place.environ())
    assert place.event() == content


@pytest.mark.parametrize(
    "session",
    [
        "../../evil",
        ".hidden",
        "_common",
        "_x",
        "a/b",
        "x" * 129,
        "caf\u00e9",
        "a b",
        "$(touch x)",
        "a\nb",
    ],
)
def test_an_unusable_session_id_never_becomes_a_path(
    hook: Hook, place: Place, session: str
) -> None:
    hook.run(payload(None), place.environ(CLAUDE_CODE_SESSION_ID=session))
    assert place.event("_common") == payload(None)
    assert [p.name for p in (place.home / "spool" / "claude-code").iterdir()] == ["_common"]
    assert sorted(p.name for p in place.home.iterdir() if p.name != "logs") == ["spool"]


def test_the_longest_session_id_is_taken(hook: Hook, place: Place) -> None:
    hook.run(payload(), place.environ(CLAUDE_CODE_SESSION_ID="x" * 128))
    assert place.event("x" * 128) == payload()


@pytest.mark.parametrize("pid", ["", "x", "-1", "1 2", "../3"])
def test_an_unusable_agent_pid_is_zero(hook: Hook, place: Place, pid: str) -> None:
    hook.run(payload(), place.environ(CLAUDE_CODE_SESSION_ID=SESSION, CLAUDE_PID=pid))
    (event,) = place.events()
    assert event.name.startswith("Stop.0.")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json\0\xff\xfe", b"\n", b"[]", b"x" * 10_000_000, b'"' * 100_000],
    ids=["empty", "cut", "bytes", "newline", "list", "10MB", "quotes"],
)
def test_whatever_the_payload_is_it_is_kept(hook: Hook, place: Place, content: bytes) -> None:
    hook.run(content, place.environ(CLAUDE_CODE_SESSION_ID=SESSION))
    assert place.event() == content


@pytest.mark.parametrize("content", [b"", b"{", b"\n", b"x" * 10_000_000, b'"' * 100_000])
def test_without_any_session_id_it_is_kept_too(hook: Hook, place: Place, content: bytes) -> None:
    hook.run(content, place.environ())
    assert place.event("_common").rstrip(b"\n") == content.rstrip(b"\n")


def test_a_closed_stdin_leaves_name_and_time(hook: Hook, place: Place) -> None:
    hook.run(b"", place.environ(**NAMED), before="exec <&-; ")
    assert place.event() == b""


def test_a_taken_name_is_not_written_over(shell: Hook, place: Place) -> None:
    folder = place.home / "spool" / "claude-code" / SESSION
    folder.mkdir(parents=True, mode=0o700)
    taken = f'for n in "" .1 .2; do echo old >"{folder}/Stop.4711.$$$n"; done; '
    shell.run(payload(), place.environ(**NAMED), before=taken)
    contents = [event.read_bytes() for event in place.events()]
    assert (contents.count(b"old\n"), contents.count(payload())) == (3, 1)
    assert place.events()[-1].name.endswith(".3")


@pytest.mark.parametrize("value", ["1", "true", "yes", "2", "false"])
def test_untraced_means_nothing_is_written(hook: Hook, place: Place, value: str) -> None:
    env = place.environ(HARNESS_UNTRACED=value, ARIZE_TRACE_ENABLED="true", **NAMED)
    hook.run(payload(), env)
    assert place.everything() == []


@pytest.mark.parametrize("value", ["", "0"])
def test_untraced_empty_or_zero_means_traced(hook: Hook, place: Place, value: str) -> None:
    hook.run(payload(), place.environ(HARNESS_UNTRACED=value, **NAMED))
    assert place.event() == payload()


@pytest.mark.parametrize("value", ["false", "False", "FALSE", "0", "no", "No", "off", "OFF"])
def test_switched_off_means_nothing_is_written(hook: Hook, place: Place, value: str) -> None:
    hook.run(payload(), place.environ(ARIZE_TRACE_ENABLED=value, **NAMED))
    assert place.everything() == []


@pytest.mark.parametrize("value", ["", "true", "1", "yes", "on"])
def test_switched_on_means_traced(hook: Hook, place: Place, value: str) -> None:
    hook.run(payload(), place.environ(ARIZE_TRACE_ENABLED=value, **NAMED))
    assert place.event() == payload()


@pytest.mark.parametrize("variable", ["CURSOR_VERSION", "COPILOT_CLI"])
def test_another_agent_running_our_hook_is_left_alone(
    hook: Hook, place: Place, variable: str
) -> None:
    hook.run(payload(), place.environ(**{variable: "1"}))
    assert place.everything() == []


def test_the_agent_inside_another_agents_terminal_is_traced(hook: Hook, place: Place) -> None:
    hook.run(payload(), place.environ(CURSOR_VERSION="3", **NAMED))
    assert place.event() == payload()


def test_an_unknown_agent_is_left_alone(shell: Hook, place: Place) -> None:
    before = f'set -- other Stop "{CAPTURE_SH}"; command . "$3"; '
    shell.run(payload(), place.environ(**NAMED), before=before)
    assert [folder.name for folder in (place.home / "spool").iterdir()] == ["claude-code"]
