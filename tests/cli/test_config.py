"""`harness config`: what holds and why, and single settings of config.yaml."""

from __future__ import annotations

import json

import pytest

from harness_tracing.setup import keys
from tests.cli.conftest import CommandLine

KEY = "ak-0123456789"
TEXT = """\
# mine
project: checkout   # for all
destinations:
  ax:
    api_key: ak-0123456789
    space_id: U3Bh
agents:
  codex:
    log_prompts: false
"""


@pytest.fixture
def configured(run: CommandLine) -> CommandLine:
    run.home.root.mkdir(parents=True)
    run.home.config.write_text(TEXT)
    run.environ["PWD"] = str(run.folder)
    return run


def rows(run: CommandLine, *words: str) -> dict[tuple[str, str | None], dict[str, object]]:
    listed = run("config", "show", "--json", *words).json["settings"]
    return {(row["name"], row["agent"]): row for row in listed}


def test_each_value_is_shown_with_where_it_stands(configured: CommandLine) -> None:
    configured.environ["ARIZE_USER_ID"] = "ann"
    found = rows(configured)
    file = str(configured.home.config)

    def told(name: str, agent: str | None = None) -> tuple[object, ...]:
        row = found[name, agent]
        return row["value"], row["source"], row["origin"], row["file"]

    assert told("project") == ("checkout", "config.yaml", "project", file)
    assert told("user_id") == ("ann", "environment", "ARIZE_USER_ID", None)
    assert told("shape") == ("turns", "default", None, None)
    own = (False, "config.yaml", "agents.codex.log_prompts", file)
    assert told("log_prompts", "codex") == own
    assert told("log_prompts", "cursor") == (True, "default", None, None)
    assert told("destinations.ax.space_id")[0] == "U3Bh"


def test_keys_are_never_shown(configured: CommandLine) -> None:
    secrets = {
        "PHOENIX_ENDPOINT": "https://ann:pa55word@h.example",
        "PHOENIX_API_KEY": "px-secret",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hd-secret",
    }
    configured.environ.update(secrets)
    shown = ""
    for words in (["show", "--explain"], ["show", "--json"], ["get", "ARIZE_API_KEY"]):
        ran = configured("config", *words)
        shown += ran.out + ran.err
    for variable in secrets:
        shown += configured("config", "get", variable).out
    assert "destinations.phoenix.api_key: ********" in shown
    assert "https://********@h.example" in shown
    assert [s for s in (KEY, "pa55word", "px-secret", "hd-secret") if s in shown] == []


def test_what_a_project_says_is_named_with_its_file_and_the_rest_refused(
    configured: CommandLine,
) -> None:
    path = configured.folder / "work" / ".claude" / "settings.json"
    path.parent.mkdir(parents=True)
    said = {"ARIZE_LOG_TOOL_CONTENT": "false", "PHOENIX_ENDPOINT": "http://evil.example"}
    path.write_text(json.dumps({"env": said}))
    configured.environ["PWD"] = str(configured.folder / "work" / "src")

    row = rows(configured, "--agent", "claude")["log_tool_content", "claude-code"]
    assert (row["value"], row["source"], row["file"]) == (False, "project settings", str(path))
    out = configured("config", "show", "--explain").out
    assert "passed over: PHOENIX_ENDPOINT is passed over: a project may not set it" in out


def test_where_agents_differ_get_has_a_line_for_each(configured: CommandLine) -> None:
    assert configured("config", "get", "project").out == "checkout\n"
    out = configured("config", "get", "ARIZE_LOG_PROMPTS").out
    assert out == "claude-code: true\ncodex: false\ncursor: true\n"
    assert configured("config", "get", "agents.codex.log_prompts").out == "false\n"


def test_what_is_not_set_is_a_problem(configured: CommandLine) -> None:
    ran = configured("config", "get", "retention_days")
    assert (ran.code, ran.out) == (1, "")
    assert "retention_days is not set" in ran.err


def test_setting_and_unsetting_leaves_the_bytes_as_they_were(configured: CommandLine) -> None:
    path = configured.home.config
    assert configured("config", "set", "retention_days", "30").code == 0
    assert path.read_text() == TEXT + "retention_days: 30\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert configured("config", "unset", "retention_days").code == 0
    assert path.read_text() == TEXT
    assert "is not set" in configured("config", "unset", "retention_days").err


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ARIZE_TRACE_ENABLED", "off", "enabled: false\n"),
        ("log_tool_content", "yes", "log_tool_content: true\n"),
        ("destinations.ax.shape", "calls", "    shape: calls\n"),
        ("PHOENIX_ENDPOINT", "http://h:1", "  phoenix:\n    endpoint: http://h:1\n"),
        ("agents.claude.user_id", "007", "  claude-code:\n    user_id: '007'\n"),
        ("resource_attributes.team", "checkout", "resource_attributes:\n  team: checkout\n"),
        ("secret_patterns.ticket", "T-[0-9]+", "secret_patterns:\n  ticket: T-[0-9]+\n"),
    ],
)
def test_names_are_settings_or_variables(
    configured: CommandLine, name: str, value: str, line: str
) -> None:
    ran = configured("config", "set", name, value)
    assert ran.code == 0, ran.err
    assert line in configured.home.config.read_text()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("log_prompt", "false", "did you mean log_prompts"),
        ("destinations.phonix.endpont", "x", "did you mean destinations.phoenix.endpoint"),
        ("ARIZE_PROJECTNAME", "x", "ARIZE_PROJECT_NAME"),
        ("log_prompts", "maybe", "log_prompts cannot be that; it may be true or false"),
        ("retention_days", "0", "a whole number from 1 on"),
        ("retention_days", "-4", "a whole number from 1 on"),
        ("shape", "round", "turns or calls"),
        ("destinations.phoenix.endpoint", "not a url", "was left as it is"),
        ("destinations.mine.endpoint", "http://h:1", "destinations.mine.kind"),
        ("destinations.phoenix.space_id", "s", "there is no setting"),
        ("secret_patterns.ticket", "(", "regular expressions"),
        ("TRACEPARENT", "x", "set the variable TRACEPARENT"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(
    configured: CommandLine, name: str, value: str, said: str
) -> None:
    ran = configured("config", "set", name, value)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert configured.home.config.read_text() == TEXT


def test_a_key_comes_from_standard_input(configured: CommandLine) -> None:
    ran = configured.process("config", "set", "ARIZE_API_KEY", stdin="ak-new\n")
    assert ran.code == 0
    assert "ak-new" not in ran.out + ran.err
    assert configured.home.config.read_text() == TEXT.replace(KEY, "ak-new")


def test_a_variable_that_comes_first_is_named(configured: CommandLine) -> None:
    configured.environ["ARIZE_PROJECT_NAME"] = "elsewhere"
    ran = configured("config", "set", "project", "mine")
    assert "ARIZE_PROJECT_NAME in your environment comes first" in ran.err


def test_a_broken_file_can_be_mended(configured: CommandLine) -> None:
    configured.home.config.write_text("shape: round\n")
    assert configured("config", "show").code == 1
    assert configured("config", "set", "shape", "calls").code == 0
    assert configured("config", "get", "shape").out == "calls\n"


@pytest.mark.parametrize("name", keys.every_name())
def test_every_name_is_found_by_itself(name: str) -> None:
    assert keys.find(name).name == name


def test_a_key_of_blanks_alone_is_refused_as_empty(run: CommandLine) -> None:
    ran = run("config", "set", "destinations.ax.api_key", "  ")
    assert ran.code == 1
    assert "it may be any text but an empty one" in ran.err
