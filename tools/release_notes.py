"""Prints what the changelog says of a version: the text of its release.

    python tools/release_notes.py            of the version that the package states
    python tools/release_notes.py 0.2.0      of this one

Exits with 1 where the changelog has nothing of it, or where its parts are still Unreleased.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Optional

import harness_tracing

CHANGELOG = Path(__file__).resolve().parent.parent / "docs" / "changelog.md"
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def notes(changelog: str, version: str) -> Optional[str]:
    """The section of a version without its heading; None where there is none, or an empty one."""
    headings = list(HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None]):
        if heading["version"] == version:
            end = following.start() if following else len(changelog)
            return changelog[heading.end() : end].strip() or None
    return None


def main() -> int:
    """Print the notes, or say what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("version", nargs="?", default=harness_tracing.__version__)
    version = parser.parse_args().version
    found = notes(CHANGELOG.read_text(encoding="utf-8"), version)
    if found is None:
        print(
            f"docs/changelog.md has no section [{version}] with anything in it: give the heading"
            f" [Unreleased] that name and the day, and begin a new [Unreleased]",
            file=sys.stderr,
        )
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
