"""Whether Codex runs our hooks: it asks the user to trust each one, and skips it until then.

The rule was checked against Codex 0.169.0 (`hooks/list` of its app-server). Trust lies in
config.toml as ``[hooks.state."<hooks.json>:<event>:<group>:<handler>"] trusted_hash``. The hash
is of the event, the command and its time limit; the key is a position. So trust is lost when
the command changes, and also when the user puts other hooks before it. A plugin's hooks have the
plugin's name in the file's place, and besides ``trusted_content_hash``, of the whole content of
the plugin's folder: trust is lost with any file or folder that comes, goes or changes there, but
Python's bytecode. Nothing is written here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional

from harness_tracing.agents import json_text
from harness_tracing.agents.registration import agent_of

State = Literal["not registered", "untrusted", "trusted", "trust lost", "switched off"]
PLUGIN = "codex-tracing"
DEFAULT_TIMEOUT_S = 600
SHORT_TIMEOUT_S = {"session_end": 1, "interrupt": 1}
_BUNDLE = b"codex-plugin-bundle-v1"
# Not told apart by Codex: matchers of these events.
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True)
class Trust:
    """The state of our hooks with Codex, and what the user types to change it."""

    state: State
    advice: str = ""


def trust(codex_home: Path) -> Trust:
    """Whether our hooks in a Codex folder are registered and trusted; nothing is changed.

    Those in hooks.json count, and where there are none, our plugin's.

    Of several hooks the worst state counts. Files that cannot be read count as empty: then
    Codex does not read them either.
    """
    config = _config(codex_home / "config.toml")
    found = _states(config, codex_home / "hooks.json") or _plugin_states(config, codex_home)
    if not found:
        return Trust("not registered", "harness install codex")
    review = "start `codex`, open /hooks, look at the hooks of harness and trust them"
    advice: dict[State, str] = {
        "trust lost": f"hooks changed or moved since you trusted them: {review}",
        "untrusted": f"Codex skips them silently until you trust them: {review}",
        "switched off": "start `codex`, open /hooks and switch the hooks of harness on",
    }
    for state, text in advice.items():
        if state in found:
            return Trust(state, text)
    return Trust("trusted")


def _ours(path: Path) -> list[tuple[str, str]]:
    """Position and hash of each of our hooks."""
    try:
        root = json_text.scan(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found = []
    for event in json_text.children(root.member("hooks")):
        label = _CAPITAL.sub("_", str(event.key)).lower()
        for group_at, group in enumerate(event.children):
            for at, handler in enumerate(json_text.children(group.member("hooks"))):
                if agent_of(_command(handler.value)) == "codex":
                    matcher = group.value.get("matcher")
                    found.append(
                        (f"{label}:{group_at}:{at}", hash_of(label, handler.value, matcher))
                    )
    return found


def _command(handler: Any) -> Any:
    return handler.get("command") if isinstance(handler, Mapping) else None


def hash_of(event: str, handler: Mapping[str, Any], matcher: Optional[str] = None) -> str:
    """What Codex writes as `trusted_hash` for a command hook; `event` as in its keys."""
    known = {
        "type": "command",
        "command": handler["command"],
        "timeout": handler.get("timeout", SHORT_TIMEOUT_S.get(event, DEFAULT_TIMEOUT_S)),
        "async": handler.get("async", False),
    }
    identity: dict[str, Any] = {"event_name": event, "hooks": [known]}
    if matcher is not None:
        identity["matcher"] = matcher
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def content_hash_of(plugin: Path) -> Optional[str]:
    """What Codex writes as `trusted_content_hash` for a plugin's folder.

    None where Codex makes none and drops the plugin's hooks: it holds a link, or something that
    cannot be read.
    """
    found = hashlib.sha256(_BUNDLE)
    try:
        for path in sorted(_content(plugin), key=lambda path: path.relative_to(plugin).parts):
            relative = "/".join(path.relative_to(plugin).parts)
            found.update(_counted(os.fsencode(relative)))
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                return None
            found.update(b"directory" if path.is_dir() else b"file" + _counted(path.read_bytes()))
    except OSError:
        return None
    return "sha256:" + found.hexdigest()


def _content(folder: Path) -> Iterator[Path]:
    """A folder and what lies below, without Python's bytecode; links are not followed."""
    yield folder
    for path in folder.iterdir():
        if path.name == "__pycache__" or path.name.endswith(".pyc"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _content(path)
        else:
            yield path


def _counted(content: bytes) -> bytes:
    return len(content).to_bytes(8, "little") + content


def _config(path: Path) -> Mapping[str, Any]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except (OSError, ValueError, TOMLKitError):
        return {}


def _table(config: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = config
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _states(
    config: Mapping[str, Any], path: Path, *names: str, plugin: Optional[Path] = None
) -> list[State]:
    """The state of each of our hooks in a file; in keys it goes by any of these names."""
    known = _table(config, "hooks", "state")
    entries = {key: entry for key, entry in known.items() if isinstance(entry, Mapping)}
    called = names or (str(path), os.path.realpath(path))
    content = {"trusted_content_hash": content_hash_of(plugin) or ""} if plugin else {}
    return [
        _state_of(entries, called, position, {"trusted_hash": wanted, **content})
        for position, wanted in _ours(path)
    ]


def _plugin_states(config: Mapping[str, Any], codex_home: Path) -> list[State]:
    for name, settings in _table(config, "plugins").items():
        plugin, _, marketplace = name.partition("@")
        if plugin != PLUGIN or not isinstance(settings, Mapping) or not settings.get("enabled"):
            continue
        cache = codex_home / "plugins" / "cache" / marketplace / plugin
        files = sorted(cache.glob("*/hooks/hooks.json"), key=lambda file: file.stat().st_mtime)
        if not files:
            continue
        folder = files[-1].parents[1]
        found = _states(config, files[-1], f"{name}:hooks/hooks.json", plugin=folder)
        if found:
            return found
    return []


def _state_of(
    entries: Mapping[str, Mapping[str, Any]],
    names: Iterable[str],
    position: str,
    wanted: Mapping[str, str],
) -> State:
    keys = [f"{name}:{position}" for name in names]
    entry = next((entries[key] for key in keys if key in entries), {})
    if "trusted_hash" not in entry:
        hashes = (each.get("trusted_hash") for each in entries.values())
        moved = wanted["trusted_hash"] in hashes
        return "trust lost" if moved else "untrusted"
    if any(entry.get(key) != value for key, value in wanted.items()):
        return "trust lost"
    return "switched off" if entry.get("enabled") is False else "trusted"
