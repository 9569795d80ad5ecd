"""docs/guarantees.md promises nothing without a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "guarantees.md").read_text(encoding="utf-8")
PROMISES = PAGE.split("## The promises")[1].split("## What a backend has to do")[0]


def functions_of(path: str) -> set[str]:
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_promise_names_a_test() -> None:
    promises = re.findall(r"^\*\*.*?(?=^\*\*|\Z)", PROMISES, re.DOTALL | re.MULTILINE)
    assert len(promises) > 10
    assert [each[:60] for each in promises if "`tests/" not in each] == []


def test_each_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PROMISES)
    assert len(named) == PROMISES.count("`tests/")
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []
