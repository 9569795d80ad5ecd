"""The hooks' files as they are put into a project: one script each, with all that it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Optional

_FOLDER = "harness_tracing.improve.hooks"
_MARK = "\n# ---\n"
_OURS = re.compile(rf"^from {re.escape(_FOLDER)}\.reading import \(?[^)\n]*\)?\n", re.MULTILINE)
_GATE = re.compile(r"^GATE = .*$", re.MULTILINE)
_NOTE = (
    "#!/usr/bin/env python3\n"
    "# Drafted by `harness improve`, which takes it out again: `harness improve revert`.\n"
)


def script(name: str, gate: Optional[Sequence[str]] = None) -> str:
    """The hook of a rule as one file; `gate` are the words of the command that has to pass."""
    head, body = _source(name).split(_MARK, 1)
    shared_head, shared = _source("reading").split(_MARK, 1)
    docstring = head[: head.index('"""\n', 3) + 4]
    imports = _imports(head) | _imports(shared_head)
    plain = sorted(line for line in imports if line.startswith("import "))
    lines = ["from __future__ import annotations", "", *plain, *_merged(imports)]
    if gate is not None:
        body = _GATE.sub(lambda _: f"GATE = {json.dumps(list(gate))}", body, count=1)
    return f"{_NOTE}{docstring}\n" + "\n".join(lines) + f"\n{shared.rstrip()}\n\n{body}"


def _imports(head: str) -> set[str]:
    lines = _OURS.sub("", head).split("\n")
    return {line for line in lines if re.match(r"import |from (?!__future__)", line)}


def _merged(imports: set[str]) -> list[str]:
    """One line for each module that names are taken from."""
    taken: dict[str, set[str]] = {}
    for line in imports:
        if line.startswith("from "):
            module, names = line[len("from ") :].split(" import ", 1)
            taken.setdefault(module, set()).update(names.split(", "))
    return [f"from {each} import {', '.join(sorted(taken[each]))}" for each in sorted(taken)]


@cache
def _source(name: str) -> str:
    return files(_FOLDER).joinpath(f"{name}.py").read_text(encoding="utf-8")
