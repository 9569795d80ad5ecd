"""Every block of docs/destinations.md that one may copy works as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from harness_tracing.config import Settings, load
from harness_tracing.config.fields import Asked
from harness_tracing.config.layers import Layers

PAGE = Path(__file__).parent.parent / "docs" / "destinations.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|json|yaml)\n(.*?)^```", TEXT, re.M | re.S)
# Stands in the page where a key would.
ELLIPSIS = "…"


def used(language: str, block: str, home: Path) -> Settings:
    """The settings of a user who copied the block to where it belongs."""
    user = {"HOME": str(home)}
    block = block.replace(ELLIPSIS, "0000")
    if language == "sh":
        words = shlex.split(block, comments=True)
        return load({**user, **dict(w.split("=", 1) for w in words if w != "export")})
    if language == "json":
        return load(user, user_env=json.loads(block)["env"])
    path = home / ".arize" / "harness" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(block, encoding="utf-8")
    return load(user)


@pytest.mark.parametrize(("language", "block"), BLOCKS)
def test_a_block_gives_what_it_names_without_a_warning(
    language: str, block: str, tmp_path: Path
) -> None:
    settings = used(language, block, tmp_path)

    assert settings.warnings == ()
    assert settings.incomplete == ()
    named = re.search("ENDPOINT|SPACE_ID|endpoint|space_id", block) is not None
    assert bool(settings.destinations) is named


def test_there_are_blocks_of_each_sort_for_each_kind(tmp_path: Path) -> None:
    found = set()
    for number, (language, block) in enumerate(BLOCKS):
        for each in used(language, block, tmp_path / str(number)).destinations:
            found.add((language, each.target.kind))

    assert found == {
        (language, kind)
        for language in ("sh", "json", "yaml")
        for kind in ("ax", "phoenix", "otlp")
    }


@pytest.mark.parametrize("kind", ["ax", "phoenix", "otlp"])
def test_the_page_names_every_key_and_variable(kind: str, tmp_path: Path) -> None:
    asked = Asked.of(Layers({}, {}, {}, None, tmp_path), kind, {})

    variables = [name for names in asked.variables.values() for name in names]
    general = [name.replace("_TRACES_", "_") for name in variables]
    assert [name for name in (*asked.known_keys, *general) if name not in TEXT] == []
