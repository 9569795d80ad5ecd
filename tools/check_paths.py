"""Find traces of one machine in the tree: home folders, hosts, caches. Exits 1 on any.

What is committed has to work, and read, the same everywhere. Recordings and the trees drawn of
them are left out: they are what an agent wrote, under a made-up home.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = ("tests/recordings/", "tests/golden/", "tools/check_paths.py")
MADE_UP_USERS = "dev|you|me|user|alice|bob|ada|someone|runner|test|nobody|x"

PATTERNS = {
    "a home folder": re.compile(
        rf"(?<![\w.$~}}])/(?:home|Users)/(?!(?:{MADE_UP_USERS})\b)[A-Za-z][\w.-]*"
        r"|(?<![\w.$}])/root/"
    ),
    "a checkout of one machine": re.compile(r"(?<![\w.$~}])/(?:work|opt/pypi|opt/wheels)/"),
    "a registry of one machine": re.compile(
        r"https?://(?:localhost|127\.0\.0\.1|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+)"
        r"[:/\d]*(?:simple|npm|pypi|artifactory)"
    ),
    "an index of packages": re.compile(
        r"(?:index-url|registry)\s*=\s*[\"']?(?!https://(?:pypi\.org|registry\.npmjs\.org))https?://"
    ),
}


def committed_files() -> list[Path]:
    """Every file that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = sorted(set(filter(None, listed.split("\0"))))
    return [ROOT / name for name in names if not name.startswith(LEFT_OUT)]


def findings(path: Path) -> list[str]:
    """One line for each place in the file that names a machine."""
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return []
    return [
        f"{path.relative_to(ROOT)}:{number}: {what}: {found.group()}"
        for number, line in enumerate(text.split("\n"), 1)
        for what, pattern in PATTERNS.items()
        for found in pattern.finditer(line)
    ]


def main() -> int:
    """Print every finding; 1 when there is one."""
    found = [line for path in committed_files() for line in findings(path)]
    print("\n".join(found) if found else "no machine paths", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
