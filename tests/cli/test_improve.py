"""`harness improve`, from stored sessions to files that change and change back."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.improve.projects import HOUR_NS, NOON_NS, Project
from tests.setup.terminal import Terminal

RULE = "verified_before_done"
EVER = ("--days", "99999")
LATER_NS = NOON_NS + 200_000 * HOUR_NS


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.new(tmp_path)
    with made.store:
        made.session("s1", made.careless(), made.careful())
        made.session("s2", made.careless())
    yield made


@pytest.fixture
def run(project: Project, run: CommandLine) -> CommandLine:
    environ = {**run.environ, "HOME": str(project.user_home)}
    return CommandLine(project.user_home, run.capsys, environ)


def _ids(run: CommandLine) -> dict[str, str]:
    ran = run("improve", "suggest", *EVER, "--json")
    assert ran.code == 0, ran.err
    found = [each for each in ran.json["proposals"] if each["rule"] == RULE]
    return {each["kind"]: each["proposal_id"] for each in found}


def _terminal(run: CommandLine, project: Project, *words: str) -> Terminal:
    command = [sys.executable, "-m", "harness_tracing.cli", "improve", *words]
    source = str(Path(__file__).parents[2] / "python" / "src")
    environ = {**run.environ, "PYTHONPATH": source, "COLUMNS": "110"}
    return Terminal(shlex.join(command), project.folder, environ)


def test_what_recurs_is_suggested_with_its_evidence_and_price(run: CommandLine) -> None:
    ran = run("improve", "suggest", *EVER)
    assert ran.code == 0, ran.err
    first, *rest = ran.out.split("\n")
    assert first == (
        "1. verified_before_done (claude-code): not passed in 2 of 3 turns, 2 sessions; at least"
        " 21% in all likelihood; a rule judged; these turns took $0.50 at list prices, 2.2k"
        " tokens, 6.0 s"
    )
    assert rest[0].startswith("   - s1:1 2026-01-01 00:00  `make check` did not run")
    text = ran.out
    assert "rule line in CLAUDE.md: recommended" in text
    assert "Stop hook in .claude/settings.json: not recommended" in text
    assert "it would have blocked 2 of 3 recorded turns: 2 rightly, 0 wrongly" in text
    assert "why not: the rule line comes first" in text


def test_proposals_are_listed_and_shown_with_their_diff(run: CommandLine) -> None:
    ids = _ids(run)
    assert {each["proposal_id"] for each in run("improve", "list", "--json").json} == set(
        ids.values()
    )
    assert ids["stop_hook"] in run("improve", "list").out
    shown = run("improve", "show", ids["stop_hook"])
    assert shown.code == 0
    assert "+++ b/.claude/hooks/harness-verified-before-done.py" in shown.out
    assert '+GATE = ["make", "check"]' in shown.out
    assert "+++ b/.claude/settings.json" in shown.out
    assert run("improve", "show", ids["stop_hook"], "--json").json["replay"]["rightly"] == 2


def test_nothing_is_suggested_for_a_seldom_finding_or_another_project(run: CommandLine) -> None:
    ran = run("improve", "suggest", *EVER, "--at-least", "3")
    assert "rule line" not in ran.out
    assert "seen 2 times; not yet" in ran.out
    nothing = run("improve", "suggest", *EVER, "--project", "other")
    assert (nothing.code, nothing.out) == (0, "")
    assert "Nothing recurs" in nothing.err


def test_a_person_at_a_terminal_applies_and_reverts(run: CommandLine, project: Project) -> None:
    rules = project.folder / "CLAUDE.md"
    rules.write_bytes(b"# Ours\r\n\r\n- no end of the last line")
    before = rules.read_bytes()
    key = _ids(run)["rules_line"]
    with _terminal(run, project, "apply", key) as terminal:
        terminal.answer("Type yes:", "Enter", text="yes")
        assert terminal.exit_code() == 0
        screen = terminal.screen
    assert "+- After the last change of code, run `make check`" in screen
    assert f"Applied {key}:" in screen
    assert rules.read_bytes().startswith(before + b"\r\n\r\n## Learned from recorded sessions\r\n")
    (row,) = [each for each in run("improve", "list", "--json").json if each["state"] == "applied"]
    assert row["proposal_id"] == key
    assert row["applied_at_ns"] > NOON_NS
    with _terminal(run, project, "revert", key) as terminal:
        terminal.answer("Type yes:", "Enter", text="yes")
        assert terminal.exit_code() == 0
    assert rules.read_bytes() == before
    assert run("improve", "show", key, "--json").json["state"] == "reverted"


def test_what_was_there_before_stays_and_that_is_said(run: CommandLine, project: Project) -> None:
    key = _ids(run)["rules_line"]
    text = run("improve", "show", key, "--json").json["text"]
    rules = project.folder / "CLAUDE.md"
    rules.write_text(f"- {text}\n")
    with _terminal(run, project, "apply", key) as terminal:
        assert terminal.exit_code() == 0
    with _terminal(run, project, "revert", key) as terminal:
        terminal.answer("Type yes:", "Enter", text="yes")
        assert terminal.exit_code() == 0
        assert "it was there before. Take it out by hand" in terminal.screen
    assert rules.read_text() == f"- {text}\n"


def test_of_a_project_that_is_gone_it_is_shown_that_nothing_can_be_applied(
    run: CommandLine, project: Project
) -> None:
    key = _ids(run)["rules_line"]
    project.folder.rename(project.folder.with_name("moved"))
    shown = run("improve", "show", key).out
    assert "is gone" in shown
    assert shown.endswith("It cannot be applied as things are.\n")


def test_anything_but_yes_changes_nothing(run: CommandLine, project: Project) -> None:
    key = _ids(run)["stop_hook"]
    with _terminal(run, project, "apply", key) as terminal:
        terminal.answer("Type yes:", "Enter", text="y")
        assert terminal.exit_code() == 1
        assert "nothing was changed" in terminal.screen
        assert "Not recommended: the rule line comes first" in terminal.screen
    assert not (project.folder / ".claude").exists()


def test_what_is_dismissed_is_not_suggested_again(run: CommandLine, project: Project) -> None:
    key = _ids(run)["rules_line"]
    with _terminal(run, project, "dismiss", key) as terminal:
        assert terminal.exit_code() == 0
    assert "rules_line" not in _ids(run)
    assert key not in run("improve", "list").out
    assert key in run("improve", "list", "--all").out


@pytest.mark.parametrize("command", ["apply", "revert", "dismiss"])
@pytest.mark.parametrize("name", ["CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "HARNESS_UNTRACED"])
def test_an_agents_session_decides_nothing(
    run: CommandLine, project: Project, command: str, name: str
) -> None:
    key = _ids(run)["rules_line"]
    inside = CommandLine(run.folder, run.capsys, {**run.environ, name: "1"})
    ran = inside("improve", command, key)
    assert (ran.code, ran.out) == (1, "")
    assert f"this is an agent's session ({name} is set)" in ran.err
    assert f"harness improve {command}" in ran.err
    assert not (project.folder / "CLAUDE.md").exists()
    assert run("improve", "show", key, "--json").json["state"] == "proposed"


def test_without_a_terminal_nobody_can_say_yes(run: CommandLine, project: Project) -> None:
    key = _ids(run)["rules_line"]
    ran = run.process("improve", "apply", key, stdin="yes\n")
    assert ran.code == 1
    assert "terminal" in ran.err
    assert not (project.folder / "CLAUDE.md").exists()
    assert run("improve", "apply", key, "--yes").code == 2


def test_an_analysts_session_may_suggest_and_show(run: CommandLine) -> None:
    analyst = CommandLine(run.folder, run.capsys, {**run.environ, "HARNESS_UNTRACED": "1"})
    key = _ids(analyst)["rules_line"]
    assert analyst("improve", "show", key).code == 0


def test_the_report_says_too_few_and_later_what_helped(run: CommandLine, project: Project) -> None:
    key = _ids(run)["rules_line"]
    assert "Nothing was applied yet" in run("improve", "report").err
    refused = run("improve", "report", key)
    assert (refused.code, refused.out) == (1, "")
    with _terminal(run, project, "apply", key) as terminal:
        terminal.answer("Type yes:", "Enter", text="yes")
        assert terminal.exit_code() == 0
    few = run("improve", "report")
    assert few.code == 0, few.err
    assert "Too few turns yet" in few.out
    with Project.reopened(project) as again:
        before = [again.careless() for _ in range(8)]
        again.session("s3", *before, at_ns=NOON_NS + 5 * HOUR_NS)
        after = [again.careful() for _ in range(8)]
        again.session("s4", *after, at_ns=LATER_NS)
    told = run("improve", "report", key, "--json")
    (only,) = told.json
    assert only["verdict"] == "better"
    assert (only["before"]["passed"], only["before"]["judged"]) == (1, 11)
    assert (only["after"]["passed"], only["after"]["judged"]) == (8, 8)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "im_nothing"], 1, "there is no proposal"),
        (["show", ""], 1, "there is no proposal"),
        (["revert", "KEY"], 1, ""),
        (["suggest", "--days", "0"], 2, "--days"),
        (["suggest", "--judge", "nobody"], 1, "nobody"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: CommandLine, arguments: list[str], code: int, says: str
) -> None:
    key = _ids(run)["rules_line"]
    ran = run("improve", *(key if word == "KEY" else word for word in arguments))
    assert ran.code == code
    assert says in ran.err


def test_nothing_traced_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = CommandLine(tmp_path / "nobody", capsys, {"HOME": str(tmp_path / "nobody")})
    assert run("improve", "suggest").code == 1
    assert run("improve", "list", "--json").json == []
