"""Run the commands of docs/observe.md and evaluating.md and write down what they print.

In a block marked ``console`` each line that begins with ``$`` is a command; what follows it up to
the next one is its output. The commands run one after the other in this repository, by a shell,
with a home and a store of their own.

python tools/docs_observe.py            run them and rewrite the pages
python tools/docs_observe.py --check    exit 1 when something else is printed than the pages say
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("observe.md", "evaluating.md")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WIDTH = 100


def page(text: str) -> str:
    """The page with each command's output as it is now."""
    folder = tempfile.mkdtemp()
    try:
        environ = _environ(Path(folder))
        return BLOCK.sub(lambda found: _block(found[1], environ), text)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environ(home: Path) -> dict[str, str]:
    commands = home / "bin"
    commands.mkdir()
    # The command of this environment, and nothing else of it.
    (commands / "harness").symlink_to(Path(sys.executable).parent / "harness")
    return {
        "HOME": str(home),
        "ARIZE_HARNESS_HOME": str(home / "harness"),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(WIDTH),
        "TZ": "UTC",
        "PYTHONUTF8": "1",
    }


def _block(inside: str, environ: dict[str, str]) -> str:
    return "```console\n" + "".join(_lines(inside, environ)) + "```"


def _lines(inside: str, environ: dict[str, str]) -> Iterator[str]:
    for line in inside.split("\n"):
        if line.startswith("$ "):
            yield line + "\n"
            yield _output(line[2:], environ)


def _output(command: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"docs: `{command}` exits with {done.returncode}:\n{done.stdout}")
    lines = [line.rstrip() for line in done.stdout.rstrip().split("\n")]
    return "".join(line + "\n" for line in lines) if done.stdout.strip() else ""


def main() -> int:
    """Write the pages, or compare them."""
    return max([_update(ROOT / "docs" / name) for name in PAGES])


def _update(path: Path) -> int:
    old = path.read_text(encoding="utf-8")
    new = page(old)
    if old == new:
        return 0
    if "--check" not in sys.argv[1:]:
        path.write_text(new, encoding="utf-8")
        return 0
    name = f"docs/{path.name}"
    difference = difflib.unified_diff(old.split("\n"), new.split("\n"), name, "now")
    print("\n".join(difference), file=sys.stderr)
    print(f"{name} is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
