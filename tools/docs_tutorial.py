"""Generate docs/tutorial.md: what `harness demo loop --yes --recorded` prints.

The recordings make it print the same everywhere, but for times of day and the folder's name;
an end-to-end test holds the page against a run with the real Claude Code.

python tools/docs_tutorial.py            write it
python tools/docs_tutorial.py --check    exit 1 when it is not as it would be written
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
HEAD = """\
# The loop, once around

Instrument an agent, observe what it does, evaluate every turn, improve it, and see whether that
helped. All of it happens on your machine, in about a minute, without an account:

```
harness demo loop
```

It makes a small project with a home and a store of its own: nothing of yours is read or written.
Claude Code works there on three prompts, answered by a script instead of a model; without Claude
Code recordings of these sessions are played, and it says so. You are asked before anything is
applied. `--yes` answers with yes, `--folder DIR` keeps it all to look around in, and `--real` has
your own Claude Code do the work with your account (it asks first: that costs tokens).

This page is what it prints, generated (`make docs`); an end-to-end test holds it against the real
Claude Code.
"""
TAIL = """\
Where to go on: [observing](observe.md), [evaluating](evaluating.md) with [judges](judges.md) for
what no rule can tell, [improving](improving.md), and [skills](skills.md), with which your agent
does this for you. To start in a project of your own, see [getting started](getting-started.md).
"""
AS_THE_TUTORIAL = {"TMPDIR": "/tmp", "TZ": "UTC", "COLUMNS": "100", "PYTHONUTF8": "1"}
"""Variables under which the demo prints what stands on the page."""
PROPOSAL = re.compile(r"\bim_[0-9a-f]{12}\b")
REPLACED = (
    (re.compile(r"(?:/private)?/tmp/harness-demo-\w{8}"), "/tmp/harness-demo"),
    (re.compile(r"\d{4}-\d\d-\d\d(?=[ T]\d\d:\d\d)"), "2026-01-05"),
    (re.compile(r"(?<=2026-01-05[ T])\d\d:\d\d"), "09:00"),
    (re.compile(r"^\d\d:\d\d:\d\d(?= · )", re.MULTILINE), "09:00:00"),
    # How long a session was open: also what passed between its prompts.
    (re.compile(r"(?<=^2026-01-05 09:00 · )[\d.]+ m?s", re.MULTILINE), "3.4 s"),
)


def transcript(*options: str) -> str:
    """What the demo prints on stdout, with times of day and the folder's name taken out."""
    with tempfile.TemporaryDirectory() as home:
        environ = {"HOME": home, "PATH": os.environ["PATH"], **AS_THE_TUTORIAL}
        command = [sys.executable, "-m", "harness_tracing.cli", "demo", "loop", "--yes", *options]
        done = subprocess.run(command, env=environ, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"the demo ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return timeless(done.stdout)


def timeless(text: str) -> str:
    """A transcript as it is at any time, in any temporary folder."""
    for pattern, instead in REPLACED:
        text = pattern.sub(instead, text)
    # Ids of proposals are made from the folder's name, too.
    for number, name in enumerate(dict.fromkeys(PROPOSAL.findall(text)), start=1):
        text = text.replace(name, f"im_{number:012d}")
    return text


def page(printed: str) -> str:
    """The whole page as Markdown."""
    body = "\n".join(_markdown(printed.strip("\n").split("\n")))
    return f"{HEAD}\n{body}\n{TAIL}"


def _markdown(lines: Sequence[str]) -> Iterator[str]:
    """Prose as prose, commands with their output as blocks."""
    block: list[str] = []
    for line in (*lines, "## "):
        prose = line.startswith(("# ", "## "))
        if block and prose:
            yield from ("```console", *"\n".join(block).rstrip().split("\n"), "```", "")
            block = []
        if line.startswith("# "):
            yield line[2:]
        elif prose and line != "## ":
            yield line
        elif block or line.startswith("$ "):
            block.append(line)
        elif line != "## ":
            yield line


def main() -> int:
    """Write the page, or compare it."""
    new = page(transcript("--recorded"))
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if old == new:
        return 0
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    difference = difflib.unified_diff(old.split("\n"), new.split("\n"), "docs/tutorial.md", "now")
    print("\n".join(difference), file=sys.stderr)
    print("docs/tutorial.md is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
