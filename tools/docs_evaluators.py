"""Write docs/evaluators.md, the reference of the rules that come along, from the code.

Examples are judged while the page is written, and the table is of the recordings.

python tools/docs_evaluators.py           write the page
python tools/docs_evaluators.py --check   exit 1 when the page is not what would be written
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness_tracing.evaluate.finding import About  # noqa: E402
from harness_tracing.evaluate.rules import RULES  # noqa: E402
from harness_tracing.model import Turn  # noqa: E402
from harness_tracing.redact import Policy  # noqa: E402
from tests.evaluate.examples_of_rules import EXAMPLES, steps, verdict  # noqa: E402
from tests.evaluate.on_recordings import JUDGED_BY_HAND, NAMES, Said, said, sessions  # noqa: E402

PAGE = ROOT / "docs" / "evaluators.md"
GOLDEN = "tests/golden/evaluate/recordings.txt"

INTRODUCTION = """\
# The rules that come along

<!-- Written by tools/docs_evaluators.py (`make docs`). Change the rules, not this page. -->

Eight evaluators need no model: they read what a turn did, and say what they saw. Each is a lint,
not a verdict on anybody: it names the steps that show it, and you look. How to use them is in
[evaluating.md](evaluating.md), how to write one of your own in
[writing-evaluators.md](writing-evaluators.md).

What they have in common:

- They go by **commands that were executed** and by edits that were made, as the agent recorded
  them. A command that is only mentioned, in an answer, an `echo`, a `grep`, a commit message, is
  none. What was refused did not happen.
- A label has a score; above 0.5 the turn **passed**. A turn with nothing to judge (no edit, no
  claim) gets no label and counts neither way.
- **Not measurable** is said where the record lacks what the rule needs: a content switch is off,
  a session is recorded from its middle on, nobody knows the project's gate. It counts neither
  way, and the reason is kept.
- The *gate* is the project's own full check: what `gates` in `config.yaml` says, else what `check`
  in a Makefile, justfile or `package.json` declares, or tox and nox; as the session saw them,
  as they lie on disk, or as a session ran it. None is assumed.
- A rule is made anew for each session, and gets its turns in order. When it *begins anew* within
  a session is said with each.
"""

RECORDINGS = """\
## On all recordings

The eight rules over every recorded session of this repository, the demo's included ({sessions}
sessions, {turns} turns): how many turns passed, were a hit, were not measurable. The rest held
nothing to judge. [The same per recording]({golden}) is kept and compared by the tests. Recorded
agents behaved well, most sessions being scripted to show something else: no test file is changed
in any of them, so that `test_tampering` is shown by the made turns of
`tests/evaluate/test_rules.py` alone, which has ten or more per rule that look like a hit and are
none.

{table}

With all content switched off ({off} verdicts) every one of them is *not measurable*.

Somebody looked at each hit and each not-measurable:

{looked}
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *(_rule(rule().about) for rule in RULES), _recordings()]
    return "\n".join(parts)


def _rule(about: About) -> str:
    hit, miss = EXAMPLES[about.name]
    labels = ", ".join(f"`{label}` {score:g}" for label, score in about.labels.items())
    rows = [
        ("labels and scores", labels),
        ("begins anew", about.begins_anew),
        ("evidence", about.evidence),
        ("not measurable", about.not_measurable_when),
    ]
    lines = [f"## {about.name}", "", about.what, "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(text)} |" for name, text in rows]
    lines += ["", "A hit:", "", *_example(about.name, hit)]
    lines += ["", "Near, and none:", "", *_example(about.name, miss), ""]
    return "\n".join(lines)


def _example(name: str, made: Turn) -> Iterator[str]:
    told = verdict(name, made)
    yield "```"
    yield from steps(made)
    yield f"= {told.label}: {told.explanation}"
    yield "```"


def _recordings() -> str:
    verdicts = said(Policy())
    off = said(Policy(prompts=False, tool_details=False, tool_content=False))
    return RECORDINGS.format(
        sessions=len(sessions()),
        turns=sum(len(turns) for _, _, turns, _ in sessions()),
        golden=f"../{GOLDEN}",
        table="\n".join(_table(verdicts)),
        off=f"{len(off):,}",
        looked="\n".join(_looked(verdicts)),
    )


def _table(verdicts: Sequence[Said]) -> Iterator[str]:
    counted = Counter((each.rule, each.kind) for each in verdicts)
    yield "| rule | passed | hits | not measurable |"
    yield "|---|---|---|---|"
    for name in NAMES:
        numbers = (counted[name, kind] for kind in ("pass", "hit", "not measurable"))
        yield f"| {name} | " + " | ".join(map(str, numbers)) + " |"


def _looked(verdicts: Sequence[Said]) -> Iterator[str]:
    yield "| recording | turn | rule | what it says | looked at |"
    yield "|---|---|---|---|---|"
    for each in verdicts:
        if each.kind != "pass":
            judgement = JUDGED_BY_HAND[each.recording, each.turn, each.rule]
            said_so = _cell(f"{each.label.replace('_', ' ')}: {each.why}")
            yield f"| {each.recording} | {each.turn} | {each.rule} | {said_so} | {judgement} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on drift")
    check = parser.parse_args().check
    new = page()
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if old == new:
        return 0
    if not check:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    difference = difflib.unified_diff(old.split("\n"), new.split("\n"), "docs/evaluators.md", "now")
    print("\n".join(difference), file=sys.stderr)
    print("docs/evaluators.md is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
