"""A rule of my own: no line with a TODO is added to code.

Put this file into ~/.arize/harness/evaluators/ and it is the evaluator `leaves_no_todo`.
"""

import re

from harness_tracing.evaluate.finding import About

_TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b")


class LeavesNoTodo:
    """Made anew for each session, it gets that session's turns in order."""

    about = About(
        "leaves_no_todo",
        "No line with TODO, FIXME or XXX was added to code.",
        {"none": 1.0, "left": 0.0},
    )

    def judge(self, seen):
        edits = [edit for edit in seen.edits if edit.path and edit.is_code(seen.turn.cwd)]
        if not edits:
            return None  # nothing to judge: the turn counts neither way
        for edit in edits:
            added = [line for line in (edit.diff or "").split("\n") if line.startswith("+")]
            left = next((line for line in added if _TODO.search(line)), None)
            if left is not None:
                said = f"{edit.path} got the line `{left[1:].strip()}`"
                return self.about.finding("left", said, seen.turn, (edit.tool,))
        if any(edit.diff is None for edit in edits):
            return self.about.not_measurable("what changed in a file was not recorded")
        return self.about.finding("none", "no such line was added", seen.turn)


RULE = LeavesNoTodo
