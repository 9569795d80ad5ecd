"""This checkout as an installed version, without building one."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
HARNESS = VENV / "bin" / "harness"
CLAUDE = ROOT / ".e2e" / "node_modules" / ".bin" / "claude"
PLUGIN = ROOT / "plugins" / "claude-code-tracing"


def plugin_version() -> str:
    """The version that the plugin's hooks look for."""
    manifest = PLUGIN / ".claude-plugin" / "plugin.json"
    version: str = json.loads(manifest.read_text(encoding="utf-8"))["version"]
    return version


def install(tracer_home: Path) -> Path:
    """Make .venv the current version of a tracer's home; returns the version's folder.

    It is a folder of links, so that breaking or deleting it breaks nothing else.
    """
    version = tracer_home / "versions" / plugin_version()
    (version / "bin").mkdir(parents=True, mode=0o700)
    for path in (VENV / "lib", VENV / "lib64", VENV / "pyvenv.cfg"):
        if path.exists():
            (version / path.name).symlink_to(path)
    for path in (VENV / "bin").iterdir():
        if path.name.startswith(("python", "harness")):
            (version / "bin" / path.name).symlink_to(path)
    (version / "version").write_text(plugin_version() + "\n", encoding="utf-8")
    (tracer_home / "current").symlink_to(version, target_is_directory=True)
    return version
