"""Write docs/configuration.md, the reference of every setting, from the code's own table.

python tools/docs_config.py           write the page
python tools/docs_config.py --check   exit 1 when the page is not what would be written
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from harness_tracing.config.fields import MEANINGS, keys_of, variables_of
from harness_tracing.config.layers import Setting
from harness_tracing.config.table import HOME, TABLE
from harness_tracing.setup.keys import KINDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
TITLES = {"ax": "Arize AX", "phoenix": "Phoenix", "otlp": "any OTLP receiver"}
PROJECT = {
    "nothing": "you",
    "anything": "you; a project",
    "less": "you; a project: only `false`",
}

INTRODUCTION = """\
# Configuration

<!-- Written by tools/docs_config.py (`make docs`). Change the code's table, not this page. -->

`harness setup AGENT` asks for what matters and writes it. `harness config show` says what holds
in the folder you are in and where each value stands, `--explain` also what was passed over and why;
`harness config get|set|unset NAME` read and change single ones. Keys are never shown.

## Where a setting may stand

The first place that says something wins:

1. **environment variables** of the shell that the agent was started in;
2. **your agent's user settings**: the `env` block of `~/.claude/settings.json` for Claude Code,
   `~/.codex/arize-env.sh` (lines of `export NAME=value`) for Codex. Cursor has the shell's
   environment alone;
3. **`~/.arize/harness/config.yaml`**, for every agent; what may stand below `agents.<agent>` there
   is for that agent and comes first. It may hold keys: it is written with mode 0600, and edits
   keep your comments and the order;
4. the default.

A **project's** settings (`.claude/settings.json`, `.claude/settings.local.json`) come with a cloned
repository, so only what the last column names is taken from them: they may turn tracing on or off
and name the project, after your environment and before your user settings, and hide content: there
their `false` comes first. Everything else they say is passed over, and
`harness config show --explain` says so.
[Scoping](scoping.md) has the recipes, [privacy](privacy.md) what is recorded at all.

A variable with a value that nobody understands is passed over with a warning (a content switch then
hides); a wrong value in config.yaml is an error that names the key.
"""
SETTINGS = """
## Settings

Switches take `true` or `false` (also `1`, `yes`, `on` and their opposites).

| name, and key in config.yaml | variable | default | meaning | who may set it |
|---|---|---|---|---|
"""
DESTINATIONS = """
## Destinations

Where sessions are sent to besides your machine; without one nothing is sent. In config.yaml each is
a group below `destinations`: named `ax`, `phoenix` or `otlp` it also takes the variables below;
under any other name it needs a `kind`. Only you may set them: in a project's files they are passed
over.
A key goes only to an endpoint that stands in the same place, to one in a file of yours, or to the
vendor's own. [Destinations](destinations.md) has examples.

| key below `destinations.<name>` | variable | for | meaning |
|---|---|---|---|
"""
EXAMPLE = """
## An example

```yaml
project: checkout            # all agents file under one project
log_tool_content: false      # what tools returned stays unrecorded
retention_days: 90

agents:
  codex:
    project: checkout-codex

destinations:
  phoenix:
    endpoint: http://localhost:6006
```
"""


def page() -> str:
    """The whole page as Markdown."""
    settings = "\n".join(_settings())
    fields = "\n".join(_fields())
    return f"{INTRODUCTION}{SETTINGS}{settings}\n\n{_notes()}{DESTINATIONS}{fields}\n{EXAMPLE}"


def _settings() -> Iterator[str]:
    for setting in (*TABLE, HOME):
        name = f"`{setting.field}`" if setting.in_file else f"{setting.field} (not in config.yaml)"
        per_agent = " ¹" if setting.per_agent else ""
        variables = ", ".join(f"`{each}`" for each in setting.variables) or "–"
        yield (
            f"| {name}{per_agent} | {variables} | {_default(setting)} | {setting.meaning}"
            f" | {PROJECT[setting.project]} |"
        )


def _notes() -> str:
    return "¹ also below `agents.<agent>`, for that agent alone.\n"


def _default(setting: Setting) -> str:
    value: Any = setting.default
    if setting.field == "project":
        return "the agent's name"
    if setting.field == "home":
        return "`~/.arize/harness`"
    if value is None or value in ((), {}):
        return "–"
    return f"`{str(value).lower()}`"


def _fields() -> Iterator[str]:
    in_file = {kind: keys_of(kind) for kind in KINDS}
    kinds = ", ".join(f"`{kind}`" for kind in KINDS)
    yield f"| `kind` | – | names of your own | {kinds} |"
    for field, meaning in MEANINGS.items():
        of = [kind for kind in KINDS if field in in_file[kind]]
        name = f"`{field}`" if of else f"{field} (not in config.yaml)"
        takers = of or [kind for kind in KINDS if field in variables_of(kind)]
        whom = "all" if len(takers) == len(KINDS) else ", ".join(TITLES[k] for k in takers)
        yield f"| {name} | {_variables(field)} | {whom} | {meaning} |"


def _variables(field: str) -> str:
    """The variables of a field; of the two of OpenTelemetry's the general one."""
    names = (variables_of(kind).get(field, ()) for kind in KINDS)
    general = dict.fromkeys(each[-1] for each in names if each)
    return ", ".join(f"`{name}`" for name in general) or "–"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    new = page()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if old == new:
        return 0
    difference = difflib.unified_diff(old.split("\n"), new.split("\n"), PAGE.name, "generated")
    print("\n".join(difference), file=sys.stderr)
    print("docs/configuration.md is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
