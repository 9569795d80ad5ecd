"""`harness sessions summary`, `show --diff`, filters of the list, and the pager."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness_tracing.model import Session
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.cli.conftest import CommandLine
from tests.observe.examples import COMPLETED, SESSION
from tests.recorded import FOLDER
from tests.stored import store_recording
from tests.terminal import at_a_terminal

CODEX = "01a204ff-a071-7312-a2bf-735319a484c4"


@pytest.fixture
def recorded(run: CommandLine) -> CommandLine:
    """The command line of a user with three recorded sessions in the store."""
    with Store.open(run.home.store) as store:
        for name in ("claude-code/tool_cycle", "codex/tool_cycle", "cursor-own/tool_failure"):
            store_recording(store, FOLDER / name)
    return run


def test_a_summary_says_what_was_done_and_whether_it_was_verified(recorded: CommandLine) -> None:
    ran = recorded("sessions", "summary", "4763")
    assert ran.code == 0
    assert "Verification  verified  last code edit #2, gate #3" in ran.out
    assert "#3  make check  the gate  passed" in ran.out
    assert "\x1b" not in ran.out


def test_a_gate_may_be_given(recorded: CommandLine) -> None:
    def verdict(*options: str) -> str:
        summary = recorded("sessions", "summary", CODEX, "--json", *options).json["summary"]
        return str(summary["verification"]["verdict"])

    assert verdict() == "no_gate"
    assert verdict("--gate", "python3 -m unittest") == "verified"
    assert verdict("--gate", "make check") == "partial"


@pytest.mark.parametrize("command", ["", " ", "make 'check"])
def test_a_gate_has_to_be_a_command(recorded: CommandLine, command: str) -> None:
    ran = recorded("sessions", "summary", CODEX, "--gate", command)
    assert (ran.code, ran.out) == (2, "") and "--gate" in ran.err


def test_the_users_configuration_names_gates_of_projects(recorded: CommandLine) -> None:
    def gate(*options: str) -> object:
        return recorded("sessions", "summary", CODEX, "--json", *options).json["summary"]["gate"]

    project = recorded("sessions", "show", CODEX, "--json").json["project"]
    assert recorded("config", "set", f"gates.{project}", "python3 -m unittest").code == 0
    assert gate() == {"command": "python3 -m unittest", "source": "config.yaml"}
    assert gate("--gate", "make check") == {"command": "make check", "source": "given"}
    recorded.home.config.write_text("gates:\n  another: make check\n")
    assert gate() is None


def test_a_gate_is_found_in_the_session_s_folder_while_that_is_there(
    run: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "package.json").write_text('{"scripts": {"check": "eslint ."}}')
    session = replace(SESSION, cwd=str(folder))
    with Store.open(run.home.store) as store:
        store.write(SessionChange(session, (TurnWrite(replace(COMPLETED, steps=()), True),)))
    found = run("sessions", "summary", SESSION.session_id, "--json").json["summary"]["gate"]
    assert found == {"command": "npm run check", "source": "package.json on disk"}


def test_a_summary_of_a_session_that_is_not_there_is_a_problem(run: CommandLine) -> None:
    ran = run("sessions", "summary", "nope")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no session 'nope'" in ran.err


def test_show_diff_has_what_each_edit_changed(recorded: CommandLine) -> None:
    for session, line in (
        ("4763", "+MAX_DISCOUNT = 0.25"),
        (CODEX, '+        raise ValueError("discount must be in [0, 1)")'),
    ):
        assert line in recorded("sessions", "show", session, "--diff").out
        assert line not in recorded("sessions", "show", session).out


@pytest.mark.parametrize(
    ("options", "agents"),
    [
        (["--until", "2026-11-23"], ["codex", "claude-code"]),
        (["--failed"], ["cursor", "codex"]),
        (["--text", "discount cap"], ["claude-code"]),
        (["--text", "no such words"], []),
        (["--failed", "--until", "2026-11-23"], ["codex"]),
    ],
)
def test_the_list_by_time_text_and_failure(
    recorded: CommandLine, options: list[str], agents: list[str]
) -> None:
    found = recorded("sessions", "list", "--json", *options).json
    assert [session["agent"] for session in found] == agents


def test_the_list_says_how_long_each_session_took(recorded: CommandLine) -> None:
    (session,) = recorded("sessions", "list", "--json", "--agent", "claude").json
    assert session["duration_ms"] == pytest.approx(965, abs=5)


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        ("60", ["session", "project", "first"], ["agent", "tools", "failed", "tokens"]),
        ("80", ["session", "tokens", "cost", "first prompt"], ["agent", "tools", "time"]),
        ("130", ["agent", "time", "tools", "failed", "tokens", "cost", "first prompt"], []),
    ],
)
def test_a_narrow_list_has_fewer_columns(
    recorded: CommandLine, width: str, there: list[str], gone: list[str]
) -> None:
    recorded.environ["COLUMNS"] = width
    out = recorded("sessions", "list").out
    heading = out.split("\n")[0]
    assert all(name in heading for name in there)
    assert not any(name in heading for name in gone)
    assert max(map(len, out.split("\n"))) <= int(width)


def test_a_table_ends_by_itself_and_says_so_and_json_is_whole(run: CommandLine) -> None:
    with Store.open(run.home.store) as store:
        for number in range(52):
            store.write(SessionChange(Session("codex", f"{number:08d}", "p", number + 1)))
    table = run("sessions", "list")
    assert len(table.out.rstrip().split("\n")) == 1 + 50
    assert "--limit shows more" in table.err
    assert len(run("sessions", "list", "--json").json) == 52
    whole = run("sessions", "list", "--limit", "60")
    assert len(whole.out.rstrip().split("\n")) == 1 + 52
    assert whole.err == ""


def on_a_terminal(user: CommandLine, *arguments: str, rows: int = 24, **environ: str) -> str:
    """What a terminal of that many rows gets to see."""
    given = {**user.environ, "TERM": "xterm-256color", **environ}
    words = [sys.executable, "-m", "harness_tracing.cli", *arguments]
    process, terminal = at_a_terminal(words, given, rows=rows)
    shown, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side is gone
            break
        if not piece:
            break
        shown += piece
    process.wait(30)
    os.close(terminal)
    return shown.decode("utf-8")


MARKING = "sed s/^/P:/"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo terminal")
@pytest.mark.parametrize(
    ("rows", "options", "environ", "paged"),
    [
        (10, [], {"PAGER": MARKING}, True),
        (200, [], {"PAGER": MARKING}, False),
        (10, ["--no-pager"], {"PAGER": MARKING}, False),
        (10, [], {"PAGER": ""}, False),
        (10, [], {"PAGER": "no-such-pager --x"}, False),
    ],
)
def test_what_is_longer_than_the_screen_goes_through_the_pager(
    recorded: CommandLine, rows: int, options: list[str], environ: dict[str, str], paged: bool
) -> None:
    shown = on_a_terminal(recorded, "sessions", "summary", "4763", *options, rows=rows, **environ)
    assert "Longest" in shown
    assert ("P:" in shown) is paged
    assert "\x1b[1m" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo terminal")
def test_leaving_the_pager_early_is_no_error(recorded: CommandLine) -> None:
    shown = on_a_terminal(recorded, "sessions", "summary", "4763", rows=4, PAGER="head -n 1")
    assert "order-pricing" in shown
    assert "Traceback" not in shown and "rror" not in shown


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo terminal")
def test_with_no_color_a_diff_has_no_colours(recorded: CommandLine) -> None:
    coloured = on_a_terminal(recorded, "sessions", "show", "4763", "--diff", PAGER="")
    plain = on_a_terminal(recorded, "sessions", "show", "4763", "--diff", PAGER="", NO_COLOR="1")
    assert "\x1b[32m+MAX_DISCOUNT" in coloured
    assert "\x1b[32m" not in plain and "+MAX_DISCOUNT" in plain
