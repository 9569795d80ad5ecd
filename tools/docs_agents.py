"""Generate docs/agents.md, what each agent lets us see, from the agents' descriptors.

python tools/docs_agents.py            write it
python tools/docs_agents.py --check    exit 1 when it is not as it would be written
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Optional

from harness_tracing import agents

PAGE = Path(__file__).resolve().parent.parent / "docs" / "agents.md"
HEAD = """\
# What each agent lets us see

The same tree for every agent, as far as the agent tells what is needed for it. What it does not
tell is named as a gap in the turn, and never guessed. This page is generated (`make docs`).

*Learned on* is the version that was run and read when this was written; versions from the *oldest
accepted* on are taken as they come. Each agent's page says what is captured, what the agent does
not tell, how it is set up, and what to do when something is missing.
"""


def page() -> str:
    """The whole page as Markdown."""
    known = [agents.get(name) for name in agents.names()]
    rows = list(dict.fromkeys(row for agent in known for row in agent.docs))
    titles = [f"[{agent.title}]({agent.name}.md)" for agent in known]
    lines = [HEAD, _row(["", *titles]), _row(["---"] * (len(known) + 1))]
    lines.append(_row(["learned on", *(agent.learned_on for agent in known)]))
    lines.append(_row(["oldest version accepted", *(agent.supported_versions for agent in known)]))
    lines += [_row([row, *(agent.docs.get(row, "") for agent in known)]) for row in rows]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def check() -> Optional[str]:
    """What is wrong with the page on disk; None when it is as it should be."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        return f"{PAGE.name} is not what the descriptors give: run `make docs`"
    return None


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 on drift")
    if not parser.parse_args().check:
        PAGE.write_bytes(page().encode("utf-8"))
        return 0
    problem = check()
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
