"""Putting a rule of the user's own where rules are looked for."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from harness_tracing.evaluate.definitions import DefinitionError
from harness_tracing.evaluate.own_rules import OwnRule, OwnRuleError, load

_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def checked(name: str, path: Path) -> bytes:
    """The content of a file that is a rule, once it is loaded under that name.

    Raises DefinitionError for a name that can be no file's, OwnRuleError for what is no rule.
    """
    if not _STEM.fullmatch(name):
        raise DefinitionError(
            f"{name!r} names the rule's file too, so it has letters, digits, - and _ alone"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OwnRuleError(f"{path} cannot be read: {error.strerror}") from error
    with tempfile.TemporaryDirectory(prefix="harness-rule-") as folder:
        copy = Path(folder) / f"{name}.py"
        copy.write_bytes(content)
        problem = load(Path(folder))[name].problem
        if problem is not None:
            raise OwnRuleError(problem.replace(str(copy), str(path)))
    return content


def put(folder: Path, name: str, content: bytes) -> OwnRule:
    """Write a rule's file, in one piece; the rule as it is loaded from there."""
    target = folder / f"{name}.py"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != content:
            fresh = folder / f".{name}.py.{os.getpid()}"
            fresh.write_bytes(content)
            fresh.chmod(0o600)
            fresh.replace(target)
    except OSError as error:
        raise OwnRuleError(f"{target} cannot be written: {error.strerror}") from error
    return load(folder)[name]
