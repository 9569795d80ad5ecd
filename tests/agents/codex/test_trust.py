"""The rule by which Codex trusts hooks: its own answers (0.169.0), and what we make of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional

import pytest

from harness_tracing.agents.codex.trust import content_hash_of, hash_of, trust
from harness_tracing.capture import hook_command

# `hooks/list` of Codex's app-server gave these for a command with quotes and an umlaut.
COMMAND = "exec /bin/sh -c ': \u00e9 \"x\"' harness codex {}"
ANSWERS = {
    "PreToolUse": "ac4f6a3cb7b50adc8ec399a6e486d221e00e05f89a4c01675991d9eccf967051",
    "PermissionRequest": "7611d4868a113185609a5e0b874535fdbb181196916c084fac9c9786e210003a",
    "SessionEnd": "80be07063d682fc13e953dde959bce7785b14e358242cd1b33fbd015dbe4659a",
    "Interrupt": "5e845b4f41b48867598076fda5187b12aedf76fd6b3d49428be36b38b7dbc5c8",
}
CONTENT = "c95e1b44ebe8dece424926e15cf82e67adbf6cb03d321d59d1e8f3a419aaa809"
LABELS = {
    "PreToolUse": "pre_tool_use",
    "PermissionRequest": "permission_request",
    "SessionEnd": "session_end",
    "Interrupt": "interrupt",
}


@pytest.mark.parametrize("event", ANSWERS)
def test_the_hash_is_codexs_own(event: str) -> None:
    handler = {"type": "command", "command": COMMAND.format(event)}
    assert hash_of(LABELS[event], handler) == "sha256:" + ANSWERS[event]


def folder(tmp_path: Path, **hooks: list[dict[str, object]]) -> Path:
    """Codex's folder with these groups of hooks."""
    (tmp_path / "hooks.json").write_text(json.dumps({"hooks": hooks}))
    return tmp_path


def group(event: str, **more: object) -> dict[str, object]:
    command = hook_command("codex", event, None, "/h/capture.sh", own_shell=True)
    return {"hooks": [{"type": "command", "command": command, **more}]}


def trusting(codex_home: Path, **positions: dict[str, object]) -> None:
    """Write a config.toml that trusts these, by label and position."""
    lines = []
    for position, handler in positions.items():
        label, _, place = position.partition("__")
        key = f"{codex_home}/hooks.json:{label}:{place.replace('_', ':')}"
        lines += [f'[hooks.state."{key}"]', f'trusted_hash = "{hash_of(label, handler)}"']
    (codex_home / "config.toml").write_text("\n".join(lines))


def handler(of: dict[str, object]) -> dict[str, object]:
    (found,) = of["hooks"]  # type: ignore[misc]
    return found  # type: ignore[return-value]


def test_without_a_file_or_hooks_of_ours_it_is_not_registered(tmp_path: Path) -> None:
    assert trust(tmp_path).state == "not registered"
    mine = {"hooks": [{"type": "command", "command": "true"}]}
    assert trust(folder(tmp_path, Stop=[mine])).state == "not registered"
    (tmp_path / "hooks.json").write_text("{")
    assert trust(tmp_path).state == "not registered"


def test_what_nobody_trusted_is_untrusted_also_with_a_broken_config(tmp_path: Path) -> None:
    home = folder(tmp_path, Stop=[group("Stop")])
    assert trust(home).state == "untrusted"
    (home / "config.toml").write_text("[[[")
    assert trust(home).state == "untrusted"
    assert "/hooks" in trust(home).advice


def test_all_have_to_be_trusted(tmp_path: Path) -> None:
    stop, end = group("Stop"), group("SessionEnd", timeout=3)
    home = folder(tmp_path, Stop=[stop], SessionEnd=[end])
    trusting(home, stop__0_0=handler(stop))
    assert trust(home).state == "untrusted"
    trusting(home, stop__0_0=handler(stop), session_end__0_0=handler(end))
    assert trust(home).state == "trusted"


def test_a_changed_line_or_place_loses_trust(tmp_path: Path) -> None:
    stop = group("Stop")
    home = folder(tmp_path, Stop=[group("Stop", timeout=9)])
    trusting(home, stop__0_0=handler(stop))
    assert trust(home).state == "trust lost"
    folder(tmp_path, Stop=[{"hooks": []}, stop])
    assert trust(home).state == "trust lost"
    folder(tmp_path, Stop=[stop])
    assert trust(home).state == "trusted"


def test_a_hook_that_the_user_switched_off_is_told(tmp_path: Path) -> None:
    stop = group("Stop")
    home = folder(tmp_path, Stop=[stop])
    trusting(home, stop__0_0=handler(stop))
    config = home / "config.toml"
    config.write_text(config.read_text() + "\nenabled = false\n")
    assert trust(home).state == "switched off"


def plugin(tmp_path: Path) -> Path:
    """Our plugin where Codex puts it."""
    found = tmp_path / "plugins" / "cache" / "market" / "codex-tracing" / "0.1.0"
    (found / "hooks").mkdir(parents=True)
    folder(found / "hooks", Stop=[group("Stop")])
    return found


def trusting_plugin(codex_home: Path, content: Optional[str]) -> None:
    """Write a config.toml that trusts the plugin's one hook, with this content."""
    lines = [
        '[plugins."codex-tracing@market"]',
        "enabled = true",
        '[hooks.state."codex-tracing@market:hooks/hooks.json:stop:0:0"]',
        f'trusted_hash = "{hash_of("stop", handler(group("Stop")))}"',
        *([f'trusted_content_hash = "{content}"'] if content else []),
    ]
    (codex_home / "config.toml").write_text("\n".join(lines))


def test_a_plugins_hooks_go_by_the_plugins_name(tmp_path: Path) -> None:
    found = plugin(tmp_path)
    config = tmp_path / "config.toml"
    config.write_text('[plugins."codex-tracing@market"]\nenabled = false\n')
    assert trust(tmp_path).state == "not registered"
    config.write_text('[plugins."codex-tracing@market"]\nenabled = true\n')
    assert trust(tmp_path).state == "untrusted"
    trusting_plugin(tmp_path, content_hash_of(found))
    assert trust(tmp_path).state == "trusted"
    trusting_plugin(tmp_path, None)
    assert trust(tmp_path).state == "trust lost"


def test_the_hash_of_a_plugins_content_is_codexs_own(tmp_path: Path) -> None:
    # `hooks/list` gave this for a plugin with these files.
    hooks = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}'
    for name, text in (
        (".codex-plugin/plugin.json", '{"name": "p", "hooks": "./hooks/hooks.json"}'),
        ("hooks/hooks.json", hooks),
        ("hooks-and-more", "\u00fc"),
        ("hooks.d/empty", ""),
        ("__pycache__/a.txt", "not counted"),
        ("hooks/a.pyc", "not counted"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert content_hash_of(tmp_path) == "sha256:" + CONTENT


@pytest.mark.parametrize("change", ["file", "content", "folder", "link"])
def test_a_change_in_the_plugins_folder_loses_trust(tmp_path: Path, change: str) -> None:
    found = plugin(tmp_path)
    (found / "README.md").write_text("one")
    trusting_plugin(tmp_path, content_hash_of(found))
    if change == "file":
        (found / "hooks" / "new").touch()
    elif change == "content":
        (found / "README.md").write_text("two")
    elif change == "folder":
        (found / "new").mkdir()
    else:
        (found / "new").symlink_to("README.md")
    assert trust(tmp_path).state == "trust lost"


def test_bytecode_in_the_plugins_folder_leaves_trust_as_it_is(tmp_path: Path) -> None:
    found = plugin(tmp_path)
    trusting_plugin(tmp_path, content_hash_of(found))
    (found / "__pycache__").mkdir()
    (found / "__pycache__" / "a.cpython-39.pyc").write_bytes(b"1")
    (found / "hooks" / "b.pyc").write_bytes(b"1")
    assert trust(tmp_path).state == "trusted"
