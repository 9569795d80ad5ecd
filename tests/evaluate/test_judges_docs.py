"""The integrations of docs/judges.md may be copied as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from harness_tracing.config import load, read_config
from harness_tracing.evaluate.judge.integrations import connect, integrations

PAGE = Path(__file__).parents[2] / "docs" / "judges.md"
KEYS = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GATEWAY_KEY": "c", "PATH": "/bin"}


def test_the_example_gives_judges_and_no_warning(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    path = tmp_path / "config.yaml"
    path.write_text(block, encoding="utf-8")
    found = integrations(read_config(path), path)
    assert {each.provider for each in found.values()} == {
        "openai",
        "anthropic",
        "claude-code",
        "codex",
    }
    for each in found.values():
        assert connect(each, KEYS).identity
    assert load({"HOME": str(tmp_path)}, home=tmp_path).warnings == ()


def test_each_error_is_explained() -> None:
    from typing import get_args

    from harness_tracing.evaluate.judge.answers import FailureKind

    text = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in get_args(FailureKind) if f"`{kind}`" not in text] == []
