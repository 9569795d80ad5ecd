"""Generate docs/cli.md, the reference of every command, from the declarations in the code.

python tools/docs_cli.py            write it
python tools/docs_cli.py --check    exit 1 when it is not as it would be written
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from harness_tracing.cli.app import harness

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """\
# Commands

Every command of `harness` with its options. This page is generated (`make docs`).

Exit codes: 0 all is well, 1 a problem was found, 2 wrong usage. What was asked for goes to stdout,
everything else to stderr.
"""


def page() -> str:
    """The whole page as Markdown."""
    root = click.Context(harness, info_name="harness")
    sections = [HEAD, *_sections(harness, root)]
    return "\n".join(sections).rstrip() + "\n"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        if context.parent is None:
            yield _options(command, context)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _sections(child, click.Context(child, info_name=name, parent=context))
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}\n\n```\n{context.command_path} {usage}\n```\n"
    yield _prose(command.help or "")
    yield _options(command, context)


def _prose(text: str) -> str:
    """The help text; click's mark for a block to keep as it is becomes a code block."""
    blocks = inspect.cleandoc(text).split("\n\n")
    kept = [
        "```\n" + block.removeprefix("\b\n") + "\n```" if block.startswith("\b") else block
        for block in blocks
    ]
    return "\n\n".join(kept) + "\n"


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and parameter.name != "help":
            names, what = record
            rows.append(f"| `{names}` | {' '.join(what.split())} |".replace("[", "\\["))
    return "\n".join(["| option | |", "|---|---|", *rows, ""]) if rows else ""


def main() -> int:
    """Write the page, or compare it."""
    new = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if old == new:
        return 0
    difference = difflib.unified_diff(old.split("\n"), new.split("\n"), "docs/cli.md", "generated")
    print("\n".join(difference), file=sys.stderr)
    print("docs/cli.md is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
