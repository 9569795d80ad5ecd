"""What answers make of config.yaml: golden files, in tests/golden/setup."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tracing import agents, config
from harness_tracing.errors import ConfigError
from harness_tracing.paths import Home
from harness_tracing.setup import earlier
from harness_tracing.setup.answers import Access, Answers, Content
from harness_tracing.setup.apply import Situation, planned
from tests import golden

PHOENIX = Access("phoenix", "http://localhost:6006")
EXISTING = """\
# Mine: keep.
user_id: ann   # as in the directory

destinations:
    # the team's
    phoenix: {endpoint: https://phoenix.example.com, api_key: 'k-1'}
    mine:
        kind: otlp
        endpoint: https://collector.example.com:4318
log_prompts: no  # lawyers
"""
EARLIER = {
    "harnesses": {
        "claude-code": {
            "target": "arize",
            "endpoint": "otlp.arize.com:443",
            "api_key": "ak-1",
            "space_id": "U3Bh",
            "project_name": "claude-code",
        },
        "codex": {
            "target": "phoenix",
            "endpoint": "http://localhost:6006",
            "api_key": "",
            "project_name": "my-codex",
            "collector": {"port": 4318},
        },
        "omp": {"target": "newer", "project_name": "omp"},
    },
    "logging": {"prompts": True, "tool_details": True, "tool_content": False},
    "user_id": "ann",
    "surprise": [1, {"two": 3}],
}
CASES = {
    "local": ("codex", "", Answers(Access("local"), (), "codex", Content())),
    "ax": (
        "claude-code",
        "",
        Answers(
            Access("ax", "", "ak-1", "U3Bh"),
            (),
            "checkout",
            Content("ann", True, True, False),
        ),
    ),
    "phoenix": ("cursor", "", Answers(PHOENIX, (), "cursor", Content())),
    "otlp": (
        "codex",
        "",
        Answers(
            Access("otlp", "localhost:4317", headers={"x-key": "k, 1"}), (), "codex", Content()
        ),
    ),
    "existing_reused": ("codex", EXISTING, Answers(project="my-codex")),
    "existing_changed": (
        "codex",
        EXISTING,
        Answers(
            Access("ax", "https://otlp.eu-west-1a.arize.com/v1", "ak-1", "true"),
            ("mine",),
            "codex",
            Content("", True, False, True),
        ),
    ),
    "existing_local": ("codex", EXISTING, Answers(Access("local"), (), "codex", Content("ann"))),
}


def situation(folder: Path, agent: str, text: str = "", **variables: str) -> Situation:
    home = Home(folder / ".arize" / "harness")
    if text:
        home.root.mkdir(parents=True, exist_ok=True)
        home.config.write_bytes(text.encode())
    env = {"HOME": str(folder), "PWD": str(folder), **variables}
    return Situation(env, home, agents.get(agent))


def written(now: Situation, answers: Answers) -> str:
    planned(now, answers, "config").write()
    return now.home.config.read_bytes().decode()


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_as_its_golden_and_the_same_answers_change_nothing(
    case: str, tmp_path: Path
) -> None:
    agent, text, answers = CASES[case]
    made = written(situation(tmp_path, agent, text), answers)

    golden.check(f"setup/{case}", made, ".yaml")
    again = planned(situation(tmp_path, agent), answers, "config")
    assert [changed for _, changed in again.write()] == [False]
    assert (tmp_path / ".arize/harness/config.yaml").read_bytes().decode() == made


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        ("local", []),
        ("ax", ["ax"]),
        ("phoenix", ["phoenix"]),
        ("otlp", ["otlp"]),
        ("existing_reused", ["phoenix", "otlp"]),
        ("existing_changed", ["otlp", "ax"]),
        ("existing_local", []),
    ],
)
def test_what_was_chosen_is_what_is_sent_to(case: str, kinds: list[str], tmp_path: Path) -> None:
    agent, text, answers = CASES[case]
    written(situation(tmp_path, agent, text), answers)

    settings = config.load({"HOME": str(tmp_path)}, agent=agent)
    assert [each.target.kind for each in settings.destinations] == kinds
    assert settings.warnings == ()
    assert settings.project == answers.project


def test_what_another_tracer_kept_is_taken_over(tmp_path: Path) -> None:
    found = earlier.imported(EARLIER, tmp_path / "config.json")
    assert found is not None
    now = situation(tmp_path, "codex")
    now = Situation(now.env, now.home, now.agent, found.changes)

    golden.check("setup/imported", written(now, Answers(project="my-codex")), ".yaml")
    assert found.destinations == ("ax", "phoenix")


def test_an_older_file_of_it_with_one_backend_is_taken_over_too(tmp_path: Path) -> None:
    old = {"backend": {"target": "phoenix", "phoenix": {"endpoint": "http://p:6006"}, "arize": {}}}
    found = earlier.imported(old, tmp_path)
    assert found is not None
    assert found.changes == ((("destinations", "phoenix", "endpoint"), "http://p:6006"),)


def test_two_of_one_kind_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    def part(where: str) -> dict[str, str]:
        return {"target": "phoenix", "endpoint": where}

    old = {"harnesses": {"codex": part("http://one:1"), "cursor": part("http://two:2")}}
    found = earlier.imported(old, tmp_path)
    assert found is not None
    assert [note for note in found.notes if "cursor" in note]


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"harnesses": 3}', b"\xff"])
def test_a_file_that_says_nothing_is_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    assert earlier.read(tmp_path) is None


def test_this_machine_only_turns_off_what_variables_name(tmp_path: Path) -> None:
    shell = {"PHOENIX_ENDPOINT": "http://localhost:6006"}
    now = situation(tmp_path, "codex", **shell)
    written(now, Answers(Access("local")))

    env = {"HOME": str(tmp_path), **shell}
    assert config.load(env, agent="codex").destinations == ()


def test_two_phoenixes_that_are_one_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    text = "destinations:\n  mine: {kind: phoenix, endpoint: 'http://localhost:6006'}\n"
    now = situation(tmp_path, "codex", text)
    with pytest.raises(ConfigError, match="one Phoenix server"):
        planned(now, Answers(PHOENIX, ("mine",)), "config")
    assert now.home.config.read_text() == text


def test_no_key_is_in_what_is_shown(tmp_path: Path) -> None:
    access = Access("otlp", "https://u:pa55@h.example:4318", headers={"x-key": "s3cret"})
    plan = planned(situation(tmp_path, "codex"), Answers(access), "config")
    shown = repr((plan.rows, plan.notes, plan.lines))
    assert "x-key: ********" in shown
    assert "s3cret" not in shown and "pa55" not in shown


def test_a_variable_that_comes_first_is_named(tmp_path: Path) -> None:
    now = situation(tmp_path, "codex", PHOENIX_ENDPOINT="http://elsewhere:6006")
    plan = planned(now, Answers(PHOENIX, (), "codex"), "config")
    assert [note for note in plan.notes if note.startswith("PHOENIX_ENDPOINT in your environment")]


def test_the_agents_settings_file_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"model": "opus", "env": {"MINE": "1"}}\n')
    now = situation(tmp_path, "claude-code")
    answers = Answers(PHOENIX, (), "claude-code", Content("", True, True, False))
    planned(now, answers, "agent").write()

    assert path.read_text() == (
        '{"model": "opus", "env": {"MINE": "1", "PHOENIX_ENDPOINT": "http://localhost:6006",'
        ' "ARIZE_LOG_TOOL_CONTENT": "false"}}\n'
    )
    assert not now.home.config.exists()


def test_codex_has_a_script_of_variables(tmp_path: Path) -> None:
    now = situation(tmp_path, "codex")
    access = Access("ax", "", "ak$1", "U3Bh")
    planned(now, Answers(access, (), "work"), "agent").write()

    path = tmp_path / ".codex" / "arize-env.sh"
    assert path.stat().st_mode & 0o777 == 0o600
    assert agents.get("codex").settings_env({"HOME": str(tmp_path)}, None)[0] == {
        "ARIZE_API_KEY": "ak$1",
        "ARIZE_SPACE_ID": "U3Bh",
        "ARIZE_PROJECT_NAME": "work",
    }


def test_cursor_gets_lines_for_the_shell_without_the_key(tmp_path: Path) -> None:
    access = Access("phoenix", "https://p.example", "k3y")
    plan = planned(situation(tmp_path, "cursor"), Answers(access), "agent")
    assert plan.edits == ()
    assert plan.lines == (
        "export PHOENIX_ENDPOINT=https://p.example",
        "export PHOENIX_API_KEY=PUT-YOURS-HERE",
    )
