"""Prints our hooks for Codex in the form of a managed `requirements.toml` (docs/fleet.md).

    python3 tools/codex_requirements.py > /etc/codex/requirements.toml

The lines name capture in this checkout's plugin, so it has to stay where it is, readable by
everybody. On the standard library alone: it runs where only the checkout is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

PLUGIN = Path(__file__).resolve().parent.parent / "plugins" / "codex-tracing"


def requirements(plugin: Path) -> Iterator[str]:
    """The lines of the file; those of the plugin's hooks.json, with its folder's path in them."""
    hooks = json.loads((plugin / "hooks" / "hooks.json").read_text(encoding="utf-8"))["hooks"]
    yield "[hooks]"
    yield f"managed_dir = {json.dumps(str(plugin))}"
    for event, groups in hooks.items():
        for handler in (each for group in groups for each in group["hooks"]):
            command = handler["command"].replace("${PLUGIN_ROOT}", str(plugin))
            yield f"\n[[hooks.{event}]]\n[[hooks.{event}.hooks]]"
            yield 'type = "command"'
            yield f"command = {json.dumps(command)}"
            if "timeout" in handler:
                yield f"timeout = {handler['timeout']}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(PLUGIN)) + "\n")
