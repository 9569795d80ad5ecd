"""`install` and `uninstall` of every agent, on every kind of file a user may have."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest

from harness_tracing import agents
from harness_tracing.agents.base import Machine, Registration
from harness_tracing.agents.registration import agent_of
from harness_tracing.capture import CAPTURE_SH, hook_command
from harness_tracing.errors import RegistrationError

EVENT = {"claude-code": "Stop", "codex": "Stop", "cursor": "stop"}
GROUPED = {"claude-code", "codex"}


def command_for(agent: str, event: str, capture: object = "/opt/harness/capture.sh") -> str:
    own_shell = agents.get(agent).own_shell
    return hook_command(agent, event, None, str(capture), own_shell=own_shell)


def machine(agent: str, home: Path, version: Optional[str] = "3.0") -> Machine:
    return Machine(
        {"HOME": str(home)}, home, home / "records", lambda e: command_for(agent, e), version
    )


def registration_of(agent: str, home: Path, version: Optional[str] = "3.0") -> Registration:
    make = agents.get(agent).registration
    assert make is not None
    return make(machine(agent, home, version))


def file_of(agent: str, home: Path) -> Path:
    names = {
        "claude-code": ".claude/settings.json",
        "codex": ".codex/hooks.json",
        "cursor": ".cursor/hooks.json",
    }
    return home / names[agent]


def handler(agent: str, command: str) -> dict[str, Any]:
    return {"type": "command", "command": command} if agent in GROUPED else {"command": command}


def with_user_hooks(agent: str, **style: Any) -> str:
    one: Any = handler(agent, "echo mine")
    item = {"matcher": "Bash", "hooks": [one]} if agent in GROUPED else one
    top = {} if agent in GROUPED else {"version": 1}
    return json.dumps({**top, "hooks": {EVENT[agent]: [item], "Other": []}}, **style)


def sound_files(agent: str) -> dict[str, bytes]:
    """Files of a user's, by what is odd about them."""
    pretty = with_user_hooks(agent, indent=4)
    files = {
        "pretty": pretty,
        "tabs": with_user_hooks(agent, indent="\t") + "\n\n",
        "minified": with_user_hooks(agent, separators=(",", ":")),
        "one line": with_user_hooks(agent),
        "CRLF": pretty.replace("\n", "\r\n"),
        "odd": pretty.replace(":", "  :\n ", 2).replace("[", "[ \n\n"),
        "no hooks": "{}" if agent in GROUPED else '{"version" : 1}',
        "empty object over lines": "{\n\n}\n",
        "empty hooks": '{\n  "hooks": {}\n}',
        "empty list": '{ "hooks": { "' + EVENT[agent] + '": [ ] } }\n',
        "characters": pretty.replace("mine", "caf\u00e9 \U0001f4a1 \\u2028"),
        "empty": "",
        "blank": " \n\n",
    }
    return {name: text.encode() for name, text in files.items()}


SOUND = [
    pytest.param(agent, content, id=f"{agent}-{name}")
    for agent in agents.names()
    for name, content in sound_files(agent).items()
]
with_bom = codecs.BOM_UTF8 + sound_files("claude-code")["pretty"]
SOUND.append(pytest.param("claude-code", with_bom, id="claude-code-BOM"))


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def ours(value: Any) -> list[str]:
    """Our commands anywhere in a parsed file."""
    if isinstance(value, dict):
        return [c for v in value.values() for c in ours(v)]
    if isinstance(value, list):
        return [c for v in value for c in ours(v)]
    return [value] if agent_of(value) else []


@pytest.mark.parametrize(("agent", "content"), SOUND)
def test_install_adds_each_event_once_and_uninstall_restores_the_bytes(
    agent: str, content: bytes, tmp_path: Path
) -> None:
    path = written(file_of(agent, tmp_path), content)
    assert registration_of(agent, tmp_path).install().changed
    first = path.read_bytes()
    assert not registration_of(agent, tmp_path).install().changed
    assert path.read_bytes() == first
    assert registration_of(agent, tmp_path).registered()
    found = ours(json.loads(first.decode("utf-8-sig")))
    wanted = [command_for(agent, event.name) for event in agents.get(agent).events]
    assert sorted(found) == sorted(wanted)
    assert (b"\r\n" in content) == (b"\r\n" in first)
    assert b"\r\n" not in content or b"\n" not in first.replace(b"\r\n", b"")
    registration_of(agent, tmp_path).uninstall()
    assert path.read_bytes() == content
    assert not list((tmp_path / "records").glob("*"))


@pytest.mark.parametrize(("agent", "content"), SOUND)
def test_what_the_user_wrote_stays_byte_for_byte(
    agent: str, content: bytes, tmp_path: Path
) -> None:
    path = written(file_of(agent, tmp_path), content)
    registration_of(agent, tmp_path).install()
    rest = iter(path.read_bytes())
    assert all(byte in rest for byte in content.strip()), "no byte of the user's is gone or moved"


@pytest.mark.parametrize("agent", agents.names())
@pytest.mark.parametrize("style", ["pretty", "CRLF", "minified", "odd", "tabs"])
def test_without_the_record_or_after_an_edit_ours_are_cut_out(
    agent: str, style: str, tmp_path: Path
) -> None:
    content = sound_files(agent)[style]
    path = written(file_of(agent, tmp_path), content)
    registration_of(agent, tmp_path).install()
    path.write_bytes(path.read_bytes().replace(b"echo", b"printf"))
    registration_of(agent, tmp_path).uninstall()
    assert path.read_bytes() == content.replace(b"echo", b"printf")


@pytest.mark.parametrize("agent", agents.names())
def test_without_a_file_one_is_made_and_taken_away_again(agent: str, tmp_path: Path) -> None:
    registration_of(agent, tmp_path).install()
    path = file_of(agent, tmp_path)
    assert len(ours(json.loads(path.read_bytes()))) == len(agents.get(agent).events)
    registration_of(agent, tmp_path).uninstall()
    assert not path.parent.exists()
    assert not registration_of(agent, tmp_path).uninstall().changed


@pytest.mark.parametrize("agent", agents.names())
def test_an_older_line_of_ours_is_replaced(agent: str, tmp_path: Path) -> None:
    content = sound_files(agent)["pretty"]
    path = written(file_of(agent, tmp_path), content)
    make = agents.get(agent).registration
    assert make is not None
    older = replace(
        machine(agent, tmp_path), command=lambda event: command_for(agent, event, "/x/capture.sh")
    )
    make(older).install()
    assert registration_of(agent, tmp_path).install().changed
    assert b"/x/capture.sh" not in path.read_bytes()
    registration_of(agent, tmp_path).uninstall()
    assert path.read_bytes() == content


@pytest.mark.parametrize("agent", agents.names())
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"hooks": {', "line 1"),
        (b'{"a": 1,}', "line 1"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[]", "object"),
        (b'{"hooks": []}', "hooks"),
        (b'{"hooks": {"Stop": {}}}', "list"),
        (b"{} {}", "end"),
        (b"[" * 3000, "levels"),
    ],
    ids=["cut", "comma", "bytes", "list", "no object", "no list", "two", "deep"],
)
def test_a_broken_file_is_refused_and_left_alone(
    agent: str, content: bytes, says: str, tmp_path: Path
) -> None:
    path = written(file_of(agent, tmp_path), content)
    with pytest.raises(RegistrationError, match=says) as refused:
        registration_of(agent, tmp_path).install()
    assert str(path) in str(refused.value)
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("agent", "content", "says"),
    [
        ("codex", b'{"$schema": "x", "hooks": {}}', "schema"),
        ("codex", codecs.BOM_UTF8 + b'{"hooks": {}}', "byte order mark"),
        ("codex", b'{"hooks": {}} // mine', "comment"),
        ("claude-code", b'{"model": "opus" /* why */}', "comment"),
        ("codex", b'{"hooks": {"Stop": [{"hooks": [{"type": "new"}]}]}}', "type"),
        ("cursor", b'{"hooks": {"stop": [{"command": "curl http://x"}]}}', "//"),
    ],
)
def test_a_file_that_the_agent_would_drop_whole_is_refused(
    agent: str, content: bytes, says: str, tmp_path: Path
) -> None:
    path = written(file_of(agent, tmp_path), content)
    with pytest.raises(RegistrationError, match=says):
        registration_of(agent, tmp_path).install()
    assert path.read_bytes() == content


@pytest.mark.parametrize("agent", agents.names())
def test_a_link_stays_a_link_and_a_mode_a_mode(agent: str, tmp_path: Path) -> None:
    real = written(tmp_path / "dotfiles" / "file.json", sound_files(agent)["pretty"])
    real.chmod(0o640)
    path = file_of(agent, tmp_path)
    path.parent.mkdir()
    path.symlink_to(real)
    registration_of(agent, tmp_path).install()
    assert path.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert ours(json.loads(real.read_bytes()))


@pytest.mark.parametrize("agent", agents.names())
def test_the_users_file_is_backed_up_once(agent: str, tmp_path: Path) -> None:
    content = sound_files(agent)["pretty"]
    path = written(file_of(agent, tmp_path), content)
    registration_of(agent, tmp_path).install()
    path.write_bytes(b"{}")
    registration_of(agent, tmp_path).install()
    assert [p.read_bytes() for p in tmp_path.glob(f"records/{agent}/*/backup")] == [content]


@pytest.mark.parametrize("agent", agents.names())
def test_line_and_limit_name_no_version(agent: str, tmp_path: Path) -> None:
    import harness_tracing

    registration_of(agent, tmp_path).install()
    text = file_of(agent, tmp_path).read_text()
    assert harness_tracing.__version__ not in text and "versions" not in text


@pytest.mark.parametrize("agent", agents.names())
def test_the_registered_command_survives_deleted_files(agent: str, tmp_path: Path) -> None:
    registration_of(agent, tmp_path).install()
    env = {"HOME": str(tmp_path / "nobody"), "PATH": os.environ["PATH"]}
    for command in ours(json.loads(file_of(agent, tmp_path).read_bytes())):
        done = subprocess.run(
            ["sh", "-c", command], input=b"{}", env=env, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize("version", [None, "not a version", "1.7.1"])
def test_a_cursor_that_may_be_old_gets_names_that_every_one_knows(
    version: Optional[str], tmp_path: Path
) -> None:
    (note,) = registration_of("cursor", tmp_path, version).install().notes
    assert "--agent-version" in note
    hooks = json.loads(file_of("cursor", tmp_path).read_bytes())["hooks"]
    assert set(hooks) == {
        "beforeSubmitPrompt",
        "beforeShellExecution",
        "beforeMCPExecution",
        "beforeReadFile",
        "afterFileEdit",
        "stop",
    }
    assert registration_of("cursor", tmp_path, "2.7.0").install().changed


def test_codex_home_is_read_as_codex_reads_it(tmp_path: Path) -> None:
    make = agents.get("codex").registration
    assert make is not None
    moved = replace(machine("codex", tmp_path), environ={"CODEX_HOME": str(tmp_path / "x")})
    assert make(moved).install().path == tmp_path / "x" / "hooks.json"
    empty = replace(moved, environ={"CODEX_HOME": ""})
    assert make(empty).install().path == file_of("codex", tmp_path)
    tilde = make(replace(moved, environ={"CODEX_HOME": "~/y"}))
    assert tilde.registered() is False
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("agent", agents.names())
def test_only_our_own_commands_are_taken_for_ours(agent: str) -> None:
    assert agent_of(command_for(agent, "Stop", CAPTURE_SH)) == agent
    assert agent_of(command_for(agent, "Stop", "/a b/c'd/capture.sh")) == agent
    for other in ("echo harness " + agent, "capture.sh", "set -- a b", "", None, 3):
        assert agent_of(other) is None


def test_hooks_in_codexs_config_are_left_there_and_spoken_of(tmp_path: Path) -> None:
    config = written(tmp_path / ".codex" / "config.toml", b"[hooks.state]\n")
    assert registration_of("codex", tmp_path).install().notes == ()
    config.write_bytes(b'[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = "command"\n')
    (note,) = registration_of("codex", tmp_path).install().notes
    assert str(config) in note
    assert config.read_bytes().startswith(b"[[hooks.Stop]]")


# --- Cursor in a project, and Tab ------------------------------------------------------------


def cursor_in(home: Path, project: Optional[Path] = None, **more: Any) -> Registration:
    make = agents.get("cursor").registration
    assert make is not None
    return make(replace(machine("cursor", home), project=project, **more))


def test_cursor_registers_in_a_project_and_leaves_the_users_file_alone(tmp_path: Path) -> None:
    project = tmp_path / "project"
    content = sound_files("cursor")["pretty"]
    path = written(file_of("cursor", project), content)
    outcome = cursor_in(tmp_path, project).install()
    assert (outcome.path, outcome.changed) == (path, True)
    assert not file_of("cursor", tmp_path).exists()
    assert not cursor_in(tmp_path, project).install().changed
    cursor_in(tmp_path, project).uninstall()
    assert path.read_bytes() == content
    assert not list((tmp_path / "records").glob("*"))


def test_both_of_cursors_files_hold_the_same_lines_and_it_is_said(tmp_path: Path) -> None:
    project = tmp_path / "project"
    written(file_of("cursor", project), sound_files("cursor")["pretty"])
    assert cursor_in(tmp_path).install().notes == ()
    notes = cursor_in(tmp_path, project).install().notes
    assert any(str(file_of("cursor", tmp_path)) in note for note in notes)
    assert any(
        str(file_of("cursor", project)) in note for note in cursor_in(tmp_path).install().notes
    )
    found = [ours(json.loads(file_of("cursor", home).read_bytes())) for home in (tmp_path, project)]
    assert sorted(found[0]) == sorted(found[1])
    (left,) = cursor_in(tmp_path).uninstall().notes
    assert f"harness uninstall cursor --project {project}" in left
    assert cursor_in(tmp_path, project).uninstall().notes == ()


def test_tabs_edits_are_registered_when_asked_for_and_kept_until_not(tmp_path: Path) -> None:
    def registered() -> bool:
        return b"afterTabFileEdit" in file_of("cursor", tmp_path).read_bytes()

    cursor_in(tmp_path).install()
    assert not registered()
    assert cursor_in(tmp_path, tab_edits=True).install().changed
    assert registered()
    assert not cursor_in(tmp_path).install().changed
    assert registered()
    assert cursor_in(tmp_path, tab_edits=False).install().changed
    assert not registered()
    cursor_in(tmp_path, tab_edits=True).install()
    cursor_in(tmp_path).uninstall()
    assert not file_of("cursor", tmp_path).exists()


def test_tabs_edits_are_not_registered_with_a_cursor_that_may_not_know_them(tmp_path: Path) -> None:
    outcome = cursor_in(tmp_path, tab_edits=True, version=None).install()
    assert "--agent-version" in outcome.notes[0]
    assert b"afterTabFileEdit" not in file_of("cursor", tmp_path).read_bytes()


# --- files as strangers have them ------------------------------------------------------------


@pytest.mark.parametrize("agent", agents.names())
def test_a_read_only_file_is_refused_with_what_to_do(agent: str, tmp_path: Path) -> None:
    content = sound_files(agent)["pretty"]
    path = written(file_of(agent, tmp_path), content)
    path.chmod(0o444)
    with pytest.raises(RegistrationError, match="chmod u\\+w") as refused:
        registration_of(agent, tmp_path).install()
    assert str(path) in str(refused.value) and "hook-command" in str(refused.value)
    assert path.read_bytes() == content
    assert not (tmp_path / "records").exists()


def test_a_link_is_spoken_of_and_a_refusal_names_the_file_behind_it(tmp_path: Path) -> None:
    real = written(tmp_path / "dotfiles" / "hooks.json", b"{}")
    path = file_of("codex", tmp_path)
    path.parent.mkdir()
    path.symlink_to(real)
    (note,) = registration_of("codex", tmp_path).install().notes
    assert str(real) in note
    real.chmod(0o444)
    with pytest.raises(RegistrationError, match=r"a link to .*dotfiles"):
        registration_of("codex", tmp_path).uninstall()
    real.chmod(0o644)
    registration_of("codex", tmp_path).uninstall()
    assert path.is_symlink() and real.read_bytes() == b"{}"


def test_a_link_whose_file_is_gone_stays_a_link(tmp_path: Path) -> None:
    path = file_of("codex", tmp_path)
    path.parent.mkdir()
    path.symlink_to(tmp_path / "dotfiles" / "hooks.json")
    registration_of("codex", tmp_path).install()
    assert path.is_symlink() and registration_of("codex", tmp_path).registered()
    registration_of("codex", tmp_path).uninstall()
    assert path.is_symlink() and not path.exists()


def test_something_else_in_the_files_place_is_refused(tmp_path: Path) -> None:
    file_of("codex", tmp_path).mkdir(parents=True)
    with pytest.raises(RegistrationError, match=r"cannot be read .*run this again"):
        registration_of("codex", tmp_path).install()


def test_two_homes_keep_their_own_bytes(tmp_path: Path) -> None:
    make = agents.get("codex").registration
    assert make is not None
    homes = [tmp_path / "a", tmp_path / "b b"]
    contents = [sound_files("codex")["pretty"], sound_files("codex")["odd"]]
    places = [
        make(replace(machine("codex", tmp_path), environ={"CODEX_HOME": str(home)}))
        for home in homes
    ]
    for home, content, place in zip(homes, contents, places):
        written(home / "hooks.json", content)
        assert place.install().notes == ()
    (left,) = places[0].uninstall().notes
    assert f"CODEX_HOME='{homes[1]}' harness uninstall codex" in left
    assert places[1].uninstall().notes == ()
    assert [(home / "hooks.json").read_bytes() for home in homes] == contents


@pytest.mark.parametrize("agent", agents.names())
def test_what_the_user_put_around_our_hooks_since_stays(agent: str, tmp_path: Path) -> None:
    path = written(file_of(agent, tmp_path), sound_files(agent)["pretty"])
    registration_of(agent, tmp_path).install()
    edited = json.loads(path.read_bytes())
    one: Any = handler(agent, "echo later")
    item = {"hooks": [one]} if agent in GROUPED else one
    edited["hooks"][EVENT[agent]].insert(0, item)
    edited["hooks"]["Mine"] = [item]
    edited["more"] = [1, {"hooks": []}] if agent != "codex" else "x"
    if agent == "codex":
        edited["description"] = edited.pop("more")
    path.write_text(json.dumps(edited, indent=1))
    registration_of(agent, tmp_path).uninstall()
    left = json.loads(path.read_bytes())
    assert ours(left) == []
    assert left["hooks"]["Mine"] == [item]
    assert left["hooks"][EVENT[agent]][0] == item
    assert {k for k in left if k != "hooks"} == {k for k in edited if k != "hooks"}


@pytest.mark.parametrize("agent", agents.names())
def test_with_our_folder_gone_the_hooks_still_come_out(agent: str, tmp_path: Path) -> None:
    content = sound_files(agent)["pretty"]
    path = written(file_of(agent, tmp_path), content)
    registration_of(agent, tmp_path).install()
    shutil.rmtree(tmp_path / "records")
    assert registration_of(agent, tmp_path).uninstall().changed
    assert path.read_bytes() == content


def test_switched_off_hooks_of_claude_code_are_spoken_of(tmp_path: Path) -> None:
    written(file_of("claude-code", tmp_path), b'{"disableAllHooks": true}')
    (note,) = registration_of("claude-code", tmp_path).install().notes
    assert "disableAllHooks" in note


@pytest.mark.parametrize(
    ("agent", "name", "text"),
    [
        (
            "claude-code",
            ".claude/settings.json",
            '{"enabledPlugins": {"claude-code-tracing@x": true, "other@x": true}}',
        ),
        (
            "codex",
            ".codex/config.toml",
            '[plugins."other@x"]\nenabled = true\n[plugins."codex-tracing@x"]\nenabled = true\n',
        ),
    ],
)
def test_a_plugin_of_ours_that_is_enabled_is_spoken_of(
    agent: str, name: str, text: str, tmp_path: Path
) -> None:
    path = written(tmp_path / name, text.encode())
    (note,) = registration_of(agent, tmp_path).install().notes
    assert f"{agent}-tracing@x" in note and f"harness uninstall {agent}" in note
    registration_of(agent, tmp_path).uninstall()
    off = text.replace("true", "false")
    path.write_text(
        off.replace('"other@x": false', '"other@x": true').replace(
            '"other@x"]\nenabled = false', '"other@x"]\nenabled = true'
        )
    )
    assert registration_of(agent, tmp_path).install().notes == ()


def test_doing_it_again_without_the_version_takes_no_event_away(tmp_path: Path) -> None:
    registration_of("cursor", tmp_path, "2.7.0").install()
    outcome = registration_of("cursor", tmp_path, None).install()
    assert (outcome.changed, outcome.notes) == (False, ())
    assert registration_of("cursor", tmp_path, "1.7.0").install().changed


def test_another_project_is_not_spoken_of(tmp_path: Path) -> None:
    cursor_in(tmp_path, tmp_path / "a").install()
    assert not any(
        str(tmp_path / "a") in n for n in cursor_in(tmp_path, tmp_path / "b").install().notes
    )
