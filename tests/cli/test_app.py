"""The root command: help, version, exit codes, errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness_tracing
from tests.cli.conftest import CommandLine

COMMANDS = [
    ["agents"],
    ["bootstrap"],
    ["disable"],
    ["doctor"],
    ["enable"],
    ["exec"],
    ["flush"],
    ["hook-command"],
    ["outbox", "add"],
    ["outbox", "drop"],
    ["outbox", "list"],
    ["outbox", "retry"],
    ["projects", "list"],
    ["prune"],
    ["sessions", "delete"],
    ["sessions", "list"],
    ["sessions", "show"],
    ["spans", "export"],
    ["status"],
]


def test_help_names_every_command(run: CommandLine) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(re.search(rf"^  {command[0]} +\w", ran.out, re.M) for command in COMMANDS)


@pytest.mark.parametrize("group", [[], ["sessions"], ["spans"], ["outbox"], ["projects"]])
def test_help_tells_what_commands_do_in_whole_sentences(run: CommandLine, group: list[str]) -> None:
    _, _, commands = run(*group, "--help").out.partition("Commands:\n")
    assert commands and "..." not in commands


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(run: CommandLine, command: list[str]) -> None:
    ran = run(*command, "--help")
    assert ran.code == 0
    assert f"Usage: harness {' '.join(command)}" in ran.out


def test_the_version_is_the_packages(run: CommandLine) -> None:
    ran = run("--version")
    assert (ran.code, ran.out) == (0, f"harness {harness_tracing.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["sessions", "nonsense"],
        ["sessions", "list", "--nonsense"],
        ["sessions", "list", "--limit", "0"],
        ["sessions", "list", "--since", "yesterday"],
        ["sessions", "list", "--agent", "nonsense"],
        ["sessions", "show"],
        ["sessions", "show", "id", "--turn", "0"],
        ["prune"],
        ["prune", "--older-than", "soon"],
        ["spans", "export"],
        ["spans", "export", "--session-id", "a", "--trace-id", "b"],
        ["spans", "export", "p", "--all", "--limit", "5"],
        ["spans", "export", "p", "--shape", "round"],
        ["spans", "export", "p", "--stdout", "--output-dir", "x"],
        ["hook-command"],
        ["hook-command", "claude-code"],
        ["hook-command", "nonsense", "Stop"],
        ["flush", "--timeout", "soon"],
        ["exec"],
        ["exec", "--timeout", "soon", "--", "true"],
        ["outbox", "add", "--all"],
        ["outbox", "add", "--destination", "ax"],
        ["outbox", "add", "--destination", "ax", "--all", "--project", "p"],
        ["status", "--agent", "nonsense"],
        ["enable", "nonsense"],
        ["enable", "claude", "--shared"],
        ["disable", "claude", "--user", "--project", "."],
        ["disable", "claude", "--project", "/no/such/folder"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_explained_on_stderr(run: CommandLine, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert "Usage: harness" in ran.err and "Error: " in ran.err


def test_a_problem_is_one_line_on_stderr_and_1(traced: CommandLine) -> None:
    ran = traced.process("sessions", "show", "no\x1b[2Jthing")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: there is no session") and ran.err.count("\n") == 1
    assert "\x1b" not in ran.err


def test_a_damaged_store_is_a_problem_without_a_traceback_and_left_alone(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True)
    run.home.store.write_bytes(b"this is no database, whatever it is" * 100)
    before = run.home.store.read_bytes()
    ran = run.process("sessions", "list")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: ") and "Traceback" not in ran.err
    assert run.home.store.read_bytes() == before


def test_output_that_cannot_show_a_character_is_no_error(traced: CommandLine) -> None:
    ran = traced.process("sessions", "show", "4763", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ran.code == 0
    assert "FREESHIP" in ran.out


def test_json_on_an_output_that_is_not_utf_8_is_still_json(traced: CommandLine) -> None:
    ran = traced.process("sessions", "list", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ran.out.isascii()
    assert ran.json[0]["project"] == "order-pricing"


def test_a_reader_that_goes_away_is_no_traceback(traced: CommandLine) -> None:
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    assert reader.stdin is not None
    ran = subprocess.run(
        [sys.executable, "-m", "harness_tracing.cli", "sessions", "show", "4763", "--json"],
        env=traced.environ,
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    reader.stdin.close()
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("extra", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    traced: CommandLine, extra: dict[str, str], coloured: bool
) -> None:
    shown = _in_a_terminal(traced, {"TERM": "xterm-256color", "COLUMNS": "90", **extra})
    assert "FREESHIP" in shown
    assert ("\x1b[31m" in shown) is coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "\x1b" not in plain
    assert max(map(len, plain.split("\r\n"))) == 90


def _in_a_terminal(user: CommandLine, environ: dict[str, str]) -> str:
    import pty  # not on Windows

    main, secondary = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "harness_tracing.cli", "sessions", "show", "--no-pager", "4763"],
        env={**user.environ, **environ},
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
    )
    os.close(secondary)
    chunks = []
    try:
        while chunk := os.read(main, 65536):
            chunks.append(chunk)
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(main)
    assert child.wait(60) == 0
    return b"".join(chunks).decode()


# Whoever lists ten thousand sessions does not wait for what draws trees and sends spans.
LISTING = (
    "harness_tracing.agents.base",
    "harness_tracing.config",
    "harness_tracing.store.outbox",
    "openinference",
    "opentelemetry",
    "rich.console",
    "rich.text",
    "ruamel",
    "sqlglot",
)


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--version"], ("rich", "sqlglot", "opentelemetry", "openinference", "sqlite3")),
        (["hook-command", "claude", "Stop"], ("rich", "sqlglot", "opentelemetry", "openinference")),
        (["sessions", "list", "--json"], ("rich", "sqlglot", "opentelemetry", "openinference")),
        (["sessions", "list"], LISTING),
        (["search", "freeship"], LISTING),
        (["stats"], LISTING),
        (["status"], ("rich", "sqlglot", "opentelemetry", "openinference", "requests", "grpc")),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_command_imports_only_what_it_needs(
    traced: CommandLine, arguments: list[str], spared: tuple[str, ...]
) -> None:
    traced.home.config.write_text("project: order-pricing\n")
    traced("sessions", "list")  # what is in the file is looked at when it has changed
    code = (
        "import atexit, sys; from harness_tracing.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=traced.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {part for name in ran.stderr.split() for part in (name, name.split(".")[0])}
    assert not loaded & set(spared)


READING = ["sessions list", "sessions show 4763", "sessions summary 4763", "search the", "stats"]


def _shell(traced: CommandLine, command: str, redirection: str) -> subprocess.CompletedProcess[str]:
    line = f'"{sys.executable}" -m harness_tracing.cli {command} {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", line], env=traced.environ, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", READING)
def test_without_an_output_nothing_is_said(traced: CommandLine, command: str) -> None:
    done = _shell(traced, command, ">&-")
    assert done.returncode == 0 and "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
@pytest.mark.parametrize("command", READING)
def test_an_output_that_is_full_is_a_problem_said_in_a_line(
    traced: CommandLine, command: str
) -> None:
    done = _shell(traced, command, "> /dev/full")
    assert done.returncode == 1
    assert "the output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.parametrize("command", READING)
def test_whoever_stops_reading_hears_nothing_of_it(traced: CommandLine, command: str) -> None:
    done = _shell(traced, command, "| true")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_a_list_says_that_the_configuration_is_wrong_as_soon_as_it_is(traced: CommandLine) -> None:
    for text, code in (("project: shop\n", 0), ("project: []\n", 1), ("project: shop\n", 0)):
        traced.home.config.write_text(text)
        for _ in range(2):
            ran = traced("sessions", "list")
            assert (ran.code, "config.yaml" in ran.err) == (code, code == 1)
