"""Edits of config.yaml and of agents' settings files: little changes, all the rest stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tracing.agents import settings_files
from harness_tracing.errors import ConfigError
from harness_tracing.setup import files

TEXT = """\
# top
destinations:   # where
  ax:
    # the key
    api_key: "ak-1"  # secret
    space_id: s
  # between

log_prompts: true
"""


def test_nothing_to_change_gives_the_very_same_text() -> None:
    odd = "a:   {b: 'c'}   # x\n\n\n# end"
    assert files.edited(odd, [(("a", "b"), "c"), (("z",), None)]) == odd


def test_comments_order_and_quotes_stay() -> None:
    changes = [(("destinations", "ax", "space_id"), "t"), (("user_id",), "ann")]
    expected = TEXT.replace("space_id: s", "space_id: t") + "user_id: ann\n"
    assert files.edited(TEXT, changes) == expected.replace("destinations:   #", "destinations:   #")


def test_a_group_that_gets_empty_goes() -> None:
    changes = [(("destinations", "ax", key), None) for key in ("api_key", "space_id")]
    assert files.parsed(files.edited(TEXT, changes)) == {"log_prompts": True}


@pytest.mark.parametrize("indent", [2, 4, 6])
def test_the_indentation_found_is_taken_over(indent: int) -> None:
    text = f"a:\n{' ' * indent}b: 1\n"
    assert files.edited(text, [(("a", "c"), 2)]) == f"{text}{' ' * indent}c: 2\n"


def test_line_ends_stay() -> None:
    assert files.edited("a: 1\r\nb: 2\r\n", [(("b",), 3)]) == "a: 1\r\nb: 3\r\n"


def test_texts_that_look_like_something_else_stay_texts() -> None:
    for value in ("true", "0123", "1e5", "null", "a: b", "# no", "off"):
        assert files.parsed(files.edited("", [(("user_id",), value)])) == {"user_id": value}


def test_a_file_is_for_its_owner_only_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.yaml", tmp_path / "new" / "config.yaml"
    real.write_text("a: 1\n")
    real.chmod(0o644)
    link.parent.mkdir()
    link.symlink_to(real)
    assert files.write_text(link, "a: 2\n")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("a: 2\n", 0o600)
    assert [path.name for path in link.parent.iterdir()] == ["config.yaml"]


def test_a_read_only_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1\n")
    path.chmod(0o400)
    with pytest.raises(ConfigError, match=r"read-only. Allow writing \(chmod u\+w"):
        files.write_text(path, "a: 2\n")
    assert path.read_text() == "a: 1\n"


def test_where_no_file_can_be_nothing_is_left_behind(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        files.write_text(blocker / "config.yaml", "a: 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- agents' settings files

SETTINGS = """{
    "model": "opus",
    "env": {
        "MINE": "1",
        "ARIZE_USER_ID": "old"
    }
}
"""


def test_variables_of_an_env_block_are_set_in_place() -> None:
    changed = settings_files.with_env_block(SETTINGS, {"ARIZE_USER_ID": "new", "A": "b"})
    assert changed == SETTINGS.replace('"old"', '"new",\n        "A": "b"')


def test_taking_the_last_variable_away_takes_the_block() -> None:
    changes = {"MINE": None, "ARIZE_USER_ID": None, "NEVER": None}
    assert settings_files.with_env_block(SETTINGS, changes) == '{\n    "model": "opus"\n}\n'


@pytest.mark.parametrize("text", ["[]", '{"env": 3}', "{", "// no\n{}"])
def test_a_settings_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        settings_files.with_env_block(text, {"A": "b"})


def test_lines_of_a_script_are_replaced_where_they_stand() -> None:
    text = "# mine\nexport A=1\nB=2 # two\nexport A='3'\n"
    changes = {"A": "x y", "B": None, "C": "$HOME"}
    assert settings_files.with_exports(text, changes) == (
        "# mine\nexport A='x y'\nexport C='$HOME'\n"
    )
    again = settings_files.with_exports(settings_files.with_exports(text, changes), changes)
    assert again == settings_files.with_exports(text, changes)
