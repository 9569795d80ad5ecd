"""Generate docs/schema.md, the reference of the store's tables, from the comments in schema.sql.

python tools/docs_schema.py            write it
python tools/docs_schema.py --check    exit 1 when it is not as it would be written
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from harness_tracing.store import database

PAGE = Path(__file__).resolve().parent.parent / "docs" / "schema.md"
HEAD = f"""\
# The store

`~/.arize/harness/store.sqlite3`, schema {database.SCHEMA_MAJOR}.{database.SCHEMA_MINOR}. Read it
with `harness` or with any SQLite client (`sqlite3 -readonly`); its commands show the same with the
bodies unpacked. A new minor version only adds tables and columns. This page is generated from
`store/schema.sql` (`make docs`).
"""
_CREATE_TABLE = re.compile(r"CREATE TABLE (\w+)")
_CREATE_INDEX = re.compile(r"CREATE INDEX (\w+) ON (\w+) \((.+?)\)(?: WHERE (.+?))?;", re.DOTALL)
_CREATE_TRIGGER = re.compile(r"CREATE TRIGGER (\w+) (AFTER .+?) ON (\w+)(?:\s+WHEN (.+?))? BEGIN")
_COLUMN = re.compile(r"^    (?P<name>[a-z]\w*) (?P<type>[A-Z]+)(?P<rest>[^-]*?),? *-- (?P<why>.+)$")
_CONSTRAINT = re.compile(r"^    (?:UNIQUE|PRIMARY KEY) \((.+)\),?$")


class UndocumentedError(Exception):
    """A table, column or index has no comment."""


def page(schema: str) -> str:
    """The whole page as Markdown; raises UndocumentedError where a comment is missing."""
    introduction, *blocks = schema.strip().split("\n\n")
    sections = [HEAD, _comment(introduction.split("\n"), "the schema") + "\n"]
    for block in blocks:
        sections.extend(_statements(block))
    return "\n".join(sections).rstrip() + "\n"


def _statements(block: str) -> Iterator[str]:
    """The sections of one block: a table, then its indexes and triggers, each with its comment."""
    for statement in database.statements(block + "\n"):
        lines = statement.strip("\n").split("\n")
        index = _CREATE_INDEX.search(statement)
        if index:
            name, table, columns, condition = index.groups()
            where = f" where {condition}" if condition else ""
            why = _comment(lines, f"index {name}")
            yield f"Index `{name}` on {table} ({columns}){where}: {_lowered(why)}\n"
        elif trigger := _CREATE_TRIGGER.search(statement):
            name, event, table, condition = trigger.groups()
            when = f" when {condition}" if condition else ""
            why = _comment(lines, f"trigger {name}")
            yield f"Trigger `{name}` {event.lower()} on {table}{when}: {_lowered(why)}\n"
        else:
            yield _table(lines)


def _table(lines: list[str]) -> str:
    name = _CREATE_TABLE.findall("\n".join(lines))[0]
    rows = ["| column | type | |", "|---|---|---|"]
    unique = ""
    body = lines[next(n for n, line in enumerate(lines) if "CREATE TABLE" in line) + 1 : -1]
    for line in body:
        constraint = _CONSTRAINT.match(line)
        column = _COLUMN.match(line)
        if constraint:
            unique = f"\nUnique: ({constraint.group(1)}).\n"
        elif column:
            kind = f"{column['type']}{column['rest'].rstrip()}".lower()
            rows.append(f"| `{column['name']}` | {kind} | {column['why']} |")
        else:
            raise UndocumentedError(f"{name}: no comment at {line.strip()!r}")
    return f"## {name}\n\n{_comment(lines, name)}\n\n" + "\n".join(rows) + "\n" + unique


def _comment(lines: list[str], what: str) -> str:
    comment = [line[2:].strip() for line in lines if line.startswith("--")]
    if not comment:
        raise UndocumentedError(f"{what} has no comment")
    return "\n".join(comment)


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def main(arguments: list[str]) -> int:
    """Write the page, or compare it; returns the exit code."""
    fresh = page(database.SCHEMA_FILE.read_text(encoding="utf-8"))
    present = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if fresh == present:
        return 0
    if "--check" not in arguments:
        PAGE.write_bytes(fresh.encode())
        print(f"wrote {PAGE}")
        return 0
    difference = difflib.unified_diff(
        present.splitlines(), fresh.splitlines(), str(PAGE), "as generated", lineterm=""
    )
    print("\n".join(difference))
    print("docs/schema.md is not what schema.sql says; run: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
