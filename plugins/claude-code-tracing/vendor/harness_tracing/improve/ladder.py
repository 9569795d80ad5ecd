"""What is proposed for which finding: a table, with the words of ours that go into files.

The first step is the mildest; the next is for what recurs after it. `{gate}` is the command that
has to pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness_tracing.improve.proposal import Kind

HEADING = "## Learned from recorded sessions"

LADDER: Mapping[str, tuple[Kind, ...]] = {
    "verified_before_done": ("rules_line", "stop_hook"),
    "claim_without_evidence": ("rules_line", "slash_command"),
    "edit_without_read": ("rules_line", "pre_tool_hook"),
    "repeated_failing_command": ("rules_line",),
    "identical_call_loop": ("rules_line",),
    "test_tampering": ("rules_line",),
    "gate_weakening": ("rules_line", "permission_deny"),
    "secret_exposure": ("rules_line", "permission_deny"),
}
OTHERS: tuple[Kind, ...] = ("rules_line",)
"""The steps for evaluators and rules of the user's own."""

ONLY_CLAUDE: tuple[Kind, ...] = ("stop_hook", "pre_tool_hook", "permission_deny", "slash_command")
"""Kinds that other agents have no place for in a project's folder, as far as is known."""

LINES: Mapping[str, str] = {
    "verified_before_done": (
        "After the last change of code, run `{gate}` and make it pass before you say that you are"
        " done. If it cannot pass, say so and why."
    ),
    "claim_without_evidence": (
        "Say that tests or checks pass only when you ran them after the last change and saw them"
        " pass. Name the command."
    ),
    "edit_without_read": (
        "Read a file in this session before you change it, and again after the context was"
        " compacted."
    ),
    "repeated_failing_command": (
        "When a command failed twice in the same way, change something before you run it again, or"
        " say what stops you."
    ),
    "identical_call_loop": (
        "Do not repeat a call that told you nothing new: use what it returned, or try another way."
    ),
    "test_tampering": (
        "Do not switch off, delete or weaken a test to make it pass. If a test is wrong, say so"
        " and ask first."
    ),
    "gate_weakening": (
        "Do not step around checks (`--no-verify`, skipped hooks), and do not loosen linters,"
        " tests or CI. If a check is wrong, say so and ask first."
    ),
    "secret_exposure": (
        "Do not read or print files that hold secrets (`.env`, private keys), and write no secret"
        " into a command or a file."
    ),
}

WITHOUT_GATE = (
    "After the last change of code, run the project's checks and make them pass before you say"
    " that you are done. If they cannot pass, say so and why."
)

VERIFY_COMMAND = """\
---
description: Run the project's checks and tell what they say
---

Run `{gate}` now, in the project's folder.

- If it fails, mend the cause and run it again. Weaken no test, no check and no configuration.
- When it passes, say so and show the last lines it printed.
- If it cannot pass, say which part fails, and why.
"""


@dataclass(frozen=True)
class RulesFile:
    """Where an agent reads a project's rules: the first of `paths` that is there, else the first.

    `fresh` is what a new file begins with.
    """

    paths: tuple[str, ...]
    fresh: str = ""


RULES_FILES: Mapping[str, RulesFile] = {
    "claude-code": RulesFile(("CLAUDE.md", ".claude/CLAUDE.md")),
    "codex": RulesFile(("AGENTS.md",)),
    "cursor": RulesFile(
        (".cursor/rules/learned.mdc",),
        "---\ndescription: Learned from recorded sessions\nalwaysApply: true\n---\n\n",
    ),
}

TAKES_OWN_FOLDER = ("claude-code",)
"""Agents that take `.claude` and the like of the folder they were started in; others take those of
the repository around it."""

HOOKS: Mapping[str, tuple[str, str, str]] = {
    "stop_hook": ("verified_before_done", "Stop", ""),
    "pre_tool_hook": ("edit_without_read", "PreToolUse", "Edit|MultiEdit|Write|NotebookEdit"),
}
"""By kind: the script, its event, and the tools it is for."""

HOOKS_FOLDER = ".claude/hooks"
SETTINGS = ".claude/settings.json"
LOCAL_SETTINGS = ".claude/settings.local.json"
COMMAND = ".claude/commands/verify.md"


def hook_file(script: str) -> str:
    """The path of a hook's script in a project."""
    return f"{HOOKS_FOLDER}/harness-{script.replace('_', '-')}.py"


def hook_command(script: str) -> str:
    """The line that is registered.

    A script that is gone, or a machine without Python, must block nobody: Python's own exit code
    for a missing file is the one that blocks.
    """
    path = f"$CLAUDE_PROJECT_DIR/{hook_file(script)}"
    return (
        f'f="{path}"; if [ -f "$f" ] && command -v python3 >/dev/null 2>&1;'
        ' then exec python3 -I -S -B "$f"; fi'
    )
