"""Whose word counts for a setting, and how a user learns what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.config import DEFAULT_MAX_VALUE_CHARS, Origin, Settings, Source, load
from harness_tracing.errors import ConfigError

CONTENT = {
    "log_prompts": "ARIZE_LOG_PROMPTS",
    "log_tool_details": "ARIZE_LOG_TOOL_DETAILS",
    "log_tool_content": "ARIZE_LOG_TOOL_CONTENT",
}


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with a home folder and nothing else."""
    return {"HOME": str(tmp_path)}


def write_config(user: dict[str, str], text: str) -> Path:
    path = Path(user["HOME"]) / ".arize" / "harness" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_setting_everything_is_traced_and_secrets_are_not(
    user: dict[str, str],
) -> None:
    settings = load(user, agent="claude-code")

    assert settings.home.root == Path(user["HOME"]) / ".arize" / "harness"
    assert (settings.enabled, settings.untraced, settings.project) == (True, False, "claude-code")
    assert settings.log_prompts
    assert settings.log_tool_details
    assert settings.log_tool_content
    assert settings.redact_secrets
    assert settings.max_value_chars == DEFAULT_MAX_VALUE_CHARS
    assert (settings.shape, settings.retention_days, settings.log_file) == ("turns", None, None)
    assert settings.warnings == ()


def test_every_value_says_where_it_came_from(user: dict[str, str]) -> None:
    settings = load(user)

    named = set(Settings.__dataclass_fields__) - {
        "origins",
        "warnings",
        "destinations",
        "incomplete",
    }
    assert set(settings.origins) == named
    assert {origin.source for origin in settings.origins.values()} == {Source.DEFAULT}


# --- order


def test_environment_comes_before_config_and_config_before_default(user: dict[str, str]) -> None:
    write_config(user, "project: from-file\nuser_id: ann\nshape: calls\n")

    settings = load({**user, "ARIZE_PROJECT_NAME": "from-env"})

    assert settings.project == "from-env"
    assert settings.origins["project"] == Origin(Source.ENV, "ARIZE_PROJECT_NAME")
    assert settings.user_id == "ann"
    assert settings.origins["user_id"] == Origin(Source.CONFIG, "user_id")
    assert settings.shape == "calls"


def test_the_agents_user_settings_count_when_the_environment_lacks_them(
    user: dict[str, str],
) -> None:
    settings = load(user, user_env={"ARIZE_USER_ID": "ann"})

    assert settings.user_id == "ann"
    assert settings.origins["user_id"] == Origin(Source.USER, "ARIZE_USER_ID")


def test_a_variable_merged_from_user_settings_is_called_the_users(user: dict[str, str]) -> None:
    given = {"ARIZE_USER_ID": "ann"}

    settings = load({**user, **given}, user_env=given)

    assert settings.origins["user_id"].source is Source.USER


def test_an_agents_part_of_the_config_comes_before_the_whole(user: dict[str, str]) -> None:
    write_config(
        user, "project: all\nagents:\n  codex:\n    project: mine\n    log_prompts: false\n"
    )

    assert load(user, agent="codex").project == "mine"
    assert not load(user, agent="codex").log_prompts
    assert load(user, agent="claude-code").project == "all"
    assert load(user).log_prompts


def test_empty_variables_count_as_unset(user: dict[str, str]) -> None:
    assert load({**user, "ARIZE_PROJECT_NAME": "", "PHOENIX_PROJECT": "p"}).project == "p"


@pytest.mark.parametrize("word", ["true", "1", "yes", "ON", " True "])
def test_words_for_on(user: dict[str, str], word: str) -> None:
    assert load({**user, "ARIZE_DRY_RUN": word}).dry_run


@pytest.mark.parametrize("word", ["false", "0", "no", "OFF", "False"])
def test_words_for_off(user: dict[str, str], word: str) -> None:
    assert not load({**user, "ARIZE_TRACE_ENABLED": word}).enabled


@pytest.mark.parametrize(("value", "untraced"), [("1", True), ("true", True), ("0", False)])
def test_untraced_is_any_value_but_0(user: dict[str, str], value: str, untraced: bool) -> None:
    assert load({**user, "HARNESS_UNTRACED": value}).untraced is untraced


# --- whom to trust


def merged(user: dict[str, str], *layers: dict[str, str]) -> dict[str, str]:
    """The environment an agent gives its hooks: later layers over earlier ones."""
    env = dict(user)
    for layer in layers:
        env.update(layer)
    return env


def test_off_for_the_user_and_on_for_one_project_traces_that_project(user: dict[str, str]) -> None:
    off, on = {"ARIZE_TRACE_ENABLED": "false"}, {"ARIZE_TRACE_ENABLED": "true"}

    inside = load(merged(user, off, on), user_env=off, project_env=on)
    unmerged = load(user, user_env=off, project_env=on)
    outside = load(merged(user, off), user_env=off)

    assert inside.enabled
    assert inside.origins["enabled"].source is Source.PROJECT
    assert unmerged.enabled
    assert not outside.enabled


def test_a_project_may_switch_itself_off_and_name_itself(user: dict[str, str]) -> None:
    theirs = {"ARIZE_TRACE_ENABLED": "false", "ARIZE_PROJECT_NAME": "shop"}

    settings = load(merged(user, theirs), project_env=theirs)

    assert not settings.enabled
    assert settings.project == "shop"
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("ARIZE_HARNESS_HOME", "/tmp/theirs", "home"),
        ("ARIZE_USER_ID", "mallory", "user_id"),
        ("ARIZE_LOG_FILE", "/tmp/theirs.log", "log_file"),
        ("ARIZE_TRACE_SHAPE", "calls", "shape"),
        ("ARIZE_DRY_RUN", "true", "dry_run"),
        ("ARIZE_VERBOSE", "true", "verbose"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b", "resource_attributes"),
    ],
)
def test_what_a_project_may_not_set_is_passed_over_with_a_warning(
    user: dict[str, str], variable: str, value: str, field: str
) -> None:
    theirs = {variable: value}

    for env in (user, merged(user, theirs)):
        settings = load(env, project_env=theirs)
        assert getattr(settings, field) == getattr(load(user), field)
        assert any(variable in warning for warning in settings.warnings)


def test_the_users_own_word_stands_behind_a_project_that_may_not_speak(
    user: dict[str, str],
) -> None:
    ours, theirs = {"ARIZE_USER_ID": "ann"}, {"ARIZE_USER_ID": "mallory"}

    settings = load(merged(user, ours, theirs), user_env=ours, project_env=theirs)

    assert settings.user_id == "ann"


@pytest.mark.parametrize(("field", "variable"), CONTENT.items())
def test_a_project_may_hide_content_but_not_show_it(
    user: dict[str, str], field: str, variable: str
) -> None:
    hide, show = {variable: "false"}, {variable: "true"}

    def shown(env: dict[str, str], **layers: Any) -> bool:
        return bool(getattr(load(env, **layers), field))

    assert not shown(merged(user, show, hide), user_env=show, project_env=hide)
    assert not shown(merged(user, show), project_env=hide)
    assert not shown(merged(user, hide, show), user_env=hide, project_env=show)
    assert not shown(user, user_env=hide, project_env=show)
    assert shown(merged(user, show), project_env=show)


@pytest.mark.parametrize(("field", "variable"), CONTENT.items())
def test_content_hidden_in_the_config_stays_hidden_for_a_project(
    user: dict[str, str], field: str, variable: str
) -> None:
    write_config(user, f"{field}: false\n")
    show = {variable: "true"}

    assert not getattr(load(merged(user, show), project_env=show), field)
    assert getattr(load(merged(user, show)), field)


# --- values that cannot be


def test_a_variable_nobody_understands_is_passed_over_with_a_warning(user: dict[str, str]) -> None:
    write_config(user, "shape: calls\n")

    settings = load({**user, "ARIZE_TRACE_SHAPE": "round", "ARIZE_LOG_FILE": "here.log"})

    assert settings.shape == "calls"
    assert settings.log_file is None
    assert "ARIZE_TRACE_SHAPE (environment) is 'round'" in settings.warnings[0]
    assert "turns or calls" in settings.warnings[0]


@pytest.mark.parametrize(("field", "variable"), CONTENT.items())
def test_a_content_switch_nobody_understands_hides(
    user: dict[str, str], field: str, variable: str
) -> None:
    settings = load({**user, variable: "flase"})

    assert getattr(settings, field) is False
    assert "it hides" in settings.warnings[0]


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("enabled: perhaps", "true or false"),
        ("log_prompts: 3", "true or false"),
        ("shape: round", "turns or calls"),
        ("max_value_chars: 100", "a whole number from 256 on"),
        ("max_value_chars: many", "a whole number"),
        ("retention_days: 0", "a whole number from 1 on"),
        ("retention_days: true", "a whole number"),
        ("project: [a]", "a text"),
        ("log_file: here.log", "absolute path"),
        ("resource_attributes: novalue", "name=text"),
        ("secret_patterns: [a]", "kinds of secrets"),
        ("secret_patterns: {a: '('}", "regular expression"),
        ("secret_patterns: {a: 'x*'}", "empty text"),
        ("secret_patterns: {'a b': 'x'}", "letters, digits"),
        ("gates: make check", "names of projects"),
        ("gates: {shop: ''}", "commands as one types them"),
        ('gates: {shop: "make \'check"}', "commands as one types them"),
        ("gates: {shop: [make, check]}", "commands as one types them"),
        ("agents: {codex: {shape: calls, project: {}}}", "a text"),
        ("agents: all", "name: value"),
        ("agents: {codex: yes}", "name: value"),
    ],
)
def test_a_wrong_value_in_the_config_names_file_key_and_what_it_may_be(
    user: dict[str, str], line: str, allowed: str
) -> None:
    path = write_config(user, line + "\n")

    with pytest.raises(ConfigError) as error:
        load(user, agent="codex")

    assert str(path) in str(error.value)
    assert line.split(":")[0] in str(error.value)
    assert allowed in str(error.value)


@pytest.mark.parametrize("text", ["a: [1\nb: 2", "a: 1\na: 2", "\ta: 1", "- a\n- b", "just words"])
def test_a_config_that_is_no_mapping_of_settings_is_an_error(
    user: dict[str, str], text: str
) -> None:
    path = write_config(user, text)

    with pytest.raises(ConfigError, match=str(path)):
        load(user)


def test_a_config_that_is_no_text_is_an_error(user: dict[str, str]) -> None:
    write_config(user, "").write_bytes(b"\xff\xfe\x00user")

    with pytest.raises(ConfigError, match="cannot be read"):
        load(user)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "agents:\n", "agents:\n  codex:\n"])
def test_a_config_without_settings_is_none(user: dict[str, str], text: str) -> None:
    write_config(user, text)

    assert load(user, agent="codex").origins["enabled"].source is Source.DEFAULT


def test_an_unknown_key_is_a_warning_that_names_the_known_ones(user: dict[str, str]) -> None:
    write_config(user, "projct: x\nagents:\n  codex:\n    shape: calls\n")

    first, second = load(user, agent="codex").warnings

    assert first.startswith("projct in ")
    assert "project, " in first
    assert second.startswith("agents.codex.shape in ")


# --- single settings


def test_home_is_moved_by_its_variable_and_by_an_argument(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "ARIZE_HARNESS_HOME": str(tmp_path / "a")}

    assert load(env).home.root == tmp_path / "a"
    assert load({**env, "ARIZE_HARNESS_HOME": "~/b"}).home.root == tmp_path / "b"
    assert load(env, home=tmp_path / "c").home.root == tmp_path / "c"
    assert load(env, home=tmp_path / "c").origins["home"].source is Source.ARGUMENT


def test_a_relative_home_is_passed_over(user: dict[str, str]) -> None:
    settings = load({**user, "ARIZE_HARNESS_HOME": "traces"})

    assert settings.home.root == Path(user["HOME"]) / ".arize" / "harness"
    assert "ARIZE_HARNESS_HOME" in settings.warnings[0]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no password database")
def test_without_home_the_password_database_knows(tmp_path: Path) -> None:
    import os
    import pwd

    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert load({}, home=tmp_path).home.root == tmp_path
    assert load({}).home.root == home / ".arize" / "harness"


def test_resource_attributes_of_the_variable_override_single_ones_of_the_config(
    user: dict[str, str],
) -> None:
    write_config(user, "resource_attributes:\n  team: shop\n  cost: 7\n")
    given = {"OTEL_RESOURCE_ATTRIBUTES": "team=a%20b, env = prod ,"}

    settings = load(user, user_env=given)

    assert settings.resource_attributes == {"team": "a b", "env": "prod", "cost": "7"}
    assert settings.origins["resource_attributes"].source is Source.USER


def test_attributes_that_are_no_pairs_are_passed_over(user: dict[str, str]) -> None:
    settings = load({**user, "OTEL_RESOURCE_ATTRIBUTES": "a=b,c"})

    assert settings.resource_attributes == {}
    assert "name=text" in settings.warnings[0]


def test_patterns_of_the_config_are_compiled(user: dict[str, str]) -> None:
    write_config(user, "secret_patterns:\n  employee: 'EMP-[0-9]{6}'\n")

    (pattern,) = load(user).secret_patterns

    assert pattern.kind == "employee"
    assert pattern.regex.search("EMP-123456")


def test_a_long_wrong_value_is_not_repeated_in_full(user: dict[str, str]) -> None:
    write_config(user, f"shape: {'s3cret' * 50}\n")

    with pytest.raises(ConfigError) as error:
        load(user)

    assert len(str(error.value)) < 300


def test_yaml_is_not_imported_without_a_config(tmp_path: Path) -> None:
    program = (
        "import sys; from harness_tracing.config import load; load({'HOME': sys.argv[1]});"
        "sys.exit(any(name.startswith('ruamel') for name in sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    assert done.returncode == 0
