"""Which commands check a project, and what their output says about how that went.

A small table of widely used test runners, linters, type checkers and builds, by the words a
command begins with once wrappers (``env``, ``uv run``, ``npx``) are taken off. What is not in it
is no check, unless it is the project's own gate or a script with such a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal, Optional

from harness_tracing.activity.words import program

CheckKind = Literal["tests", "lint", "types", "format", "build", "check"]
"""``check``: several of these, by the project's own script."""

LOOKS_ONLY = {
    "-n",
    "--dry-run",
    "--just-print",
    "-q",
    "--question",
    "-p",
    "--help",
    "-h",
    "--list",
}
_TASKS: dict[str, CheckKind] = {
    **dict.fromkeys(("test", "tests", "unit", "unittest", "pytest", "spec", "e2e"), "tests"),
    **dict.fromkeys(("lint", "linter", "eslint", "ruff", "flake8"), "lint"),
    **dict.fromkeys(("types", "typecheck", "type-check", "typing", "mypy", "tsc"), "types"),
    **dict.fromkeys(("format-check", "fmt-check", "check-format"), "format"),
    **dict.fromkeys(("build", "all", "compile"), "build"),
    **dict.fromkeys(("check", "checks", "ci", "verify", "validate", "precommit"), "check"),
}
_TABLE: dict[str, CheckKind] = {
    "pytest": "tests",
    "py.test": "tests",
    "unittest": "tests",
    "nose2": "tests",
    "tox": "tests",
    "nox": "tests",
    "jest": "tests",
    "vitest": "tests",
    "mocha": "tests",
    "ava": "tests",
    "playwright test": "tests",
    "cypress run": "tests",
    "node --test": "tests",
    "deno test": "tests",
    "bun test": "tests",
    "go test": "tests",
    "cargo test": "tests",
    "cargo nextest": "tests",
    "rspec": "tests",
    "rake test": "tests",
    "rails test": "tests",
    "mvn test": "tests",
    "mvn verify": "check",
    "gradle test": "tests",
    "gradle check": "check",
    "dotnet test": "tests",
    "ctest": "tests",
    "phpunit": "tests",
    "swift test": "tests",
    "mix test": "tests",
    "bazel test": "tests",
    "ruff check": "lint",
    "flake8": "lint",
    "pylint": "lint",
    "pyflakes": "lint",
    "bandit": "lint",
    "eslint": "lint",
    "oxlint": "lint",
    "biome check": "lint",
    "biome lint": "lint",
    "stylelint": "lint",
    "golangci-lint": "lint",
    "go vet": "lint",
    "staticcheck": "lint",
    "cargo clippy": "lint",
    "shellcheck": "lint",
    "rubocop": "lint",
    "hadolint": "lint",
    "pre-commit run": "lint",
    "lint-imports": "lint",
    "mypy": "types",
    "pyright": "types",
    "basedpyright": "types",
    "ty check": "types",
    "pyre check": "types",
    "tsc": "types",
    "vue-tsc": "types",
    "svelte-check": "types",
    "flow check": "types",
    "cargo check": "types",
    "ruff format --check": "format",
    "black --check": "format",
    "isort --check": "format",
    "prettier --check": "format",
    "prettier -c": "format",
    "gofmt -l": "format",
    "cargo fmt --check": "format",
    "compileall": "build",
    "py_compile": "build",
    "cargo build": "build",
    "go build": "build",
    "mvn compile": "build",
    "mvn package": "build",
    "gradle build": "build",
    "dotnet build": "build",
    "cmake --build": "build",
    "ninja": "build",
    "vite build": "build",
    "webpack": "build",
    "next build": "build",
}
_TASK_RUNNERS = {"make", "gmake", "just", "task", "poe", "invoke", "inv", "nx", "turbo", "hatch"}
_PACKAGE_RUNNERS = {"npm", "pnpm", "yarn", "bun"}
_OWN_SCRIPT = re.compile(
    r"(check|checks|test|tests|lint|ci|verify|validate|typecheck)|run[-_]?(checks?|tests?|ci)"
)
_TAKES_VALUE = {"-C", "-f", "--directory", "--file", "-j", "--prefix", "--filter", "-w"}

_MAKES = {"make", "gmake"}
_RUNS_NOTHING = {"--version", "--help", "--collect-only", "--co", "--dry-run"}
_DRY_RUNS = {"-n", "--just-print", "-q", "--question"}
_KNOWN = {*_TASK_RUNNERS, *_PACKAGE_RUNNERS, *(words.split(" ", 1)[0] for words in _TABLE)}

# What the output of a runner says when its exit status is out of sight: failed, passed.
_SAID: dict[str, tuple[str, str]] = {
    "pytest": (r"^.*\b\d+ (failed|errors?)\b.* in [\d.]+s", r"^=*\s*\d+ passed\b.* in [\d.]+s"),
    "unittest": (r"^FAILED \(", r"^OK( \(.*\))?$"),
    "jest": (r"^Tests:\s.*\b\d+ failed", r"^Tests:\s+\d+ passed"),
    "vitest": (r"^\s*Tests\s.*\b\d+ failed", r"^\s*Tests\s+\d+ passed"),
    "mocha": (r"^\s+\d+ failing", r"^\s+\d+ passing"),
    "cargo": (r"^test result: FAILED|^error(\[E\d+\])?: ", r"^test result: ok\."),
    "go": (r"^(FAIL|--- FAIL)\b", r"^ok  ?\t?\S"),
    "ruff": (r"^Found \d+ errors?", r"^All checks passed!"),
    "mypy": (r"^Found \d+ errors? in ", r"^Success: no issues found"),
    "pyright": (r"^[1-9]\d* errors?, ", r"^0 errors, "),
    "tsc": (r"error TS\d+:", r"(?!)"),
    "eslint": (r"✖ \d+ problems? \([1-9]", r"(?!)"),
    "make": (r"^g?make(\[\d+\])?: \*\*\* ", r"(?!)"),
    "npm": (r"^npm (ERR!|error) ", r"(?!)"),
}

# Without one of these words its patterns, which take long over long outputs, find nothing.
_NEEDS = {"pytest": ("failed", "error", "passed")}


@dataclass(frozen=True)
class Check:
    """What a command checks, and the runner by whose words its output is read."""

    kind: CheckKind
    runner: str


def check_of(words: tuple[str, ...]) -> Optional[Check]:
    """What a command of these words checks, None when it is no check that is known."""
    if not words:
        return None
    name = program(words[0])
    if name in ("gradlew", "mvnw"):
        name = name[:-1]
    own = words[0] != name or name.endswith((".sh", ".py", ".js", ".ts", ".mjs"))
    if name not in _KNOWN and not own:
        return None
    if _RUNS_NOTHING & set(words[1:]) or (name in _MAKES and _DRY_RUNS & set(words[1:])):
        return None
    if name in _TASK_RUNNERS or name in _PACKAGE_RUNNERS:
        looks = name not in _PACKAGE_RUNNERS and LOOKS_ONLY & set(words)
        return None if looks else _of_task(name, words)
    kind = _listed(name, words[1:]) if name in _KNOWN else None
    if kind is not None:
        return Check(kind, name)
    return _of_script(name) if own else None


def _listed(name: str, rest: tuple[str, ...]) -> Optional[CheckKind]:
    if name in _TABLE:
        return _TABLE[name]
    flags = [f"{name} {word}" for word in rest if word.startswith("-")]
    command = next((word for word in rest if not word.startswith(("-", "+"))), None)
    if command is not None:
        flags += [f"{name} {command} {word}" for word in rest if word.startswith("-")]
        flags.append(f"{name} {command}")
    return next((_TABLE[each] for each in flags if each in _TABLE), None)


def _of_task(name: str, words: tuple[str, ...]) -> Optional[Check]:
    tasks = tasks_of(words)
    kinds = [_TASKS[task] for task in tasks if task in _TASKS]
    if name in ("make", "gmake") and not tasks:
        return Check("build", "make")
    if not kinds:
        return None
    runner = "make" if name == "gmake" else "npm" if name in _PACKAGE_RUNNERS else name
    return Check(kinds[0] if len(set(kinds)) == 1 else "check", runner)


def tasks_of(words: tuple[str, ...]) -> list[str]:
    """The targets of make, the scripts of a package, that a command names."""
    tasks, skip = [], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word == "--":
            break
        elif word in _TAKES_VALUE:
            skip = True
        elif not word.startswith("-") and "=" not in word:
            tasks.append(word.split(":")[0] if words[0] in _PACKAGE_RUNNERS else word)
    if program(words[0]) in _PACKAGE_RUNNERS:
        tasks = [task for task in tasks if task not in ("run", "run-script")][:1]
        tasks = ["test" if task in ("t", "tst") else task for task in tasks]
    return tasks


def _of_script(name: str) -> Optional[Check]:
    stem = name.rsplit(".", 1)[0]
    if not _OWN_SCRIPT.fullmatch(stem):
        return None
    kind: CheckKind = next(
        (_TASKS[word] for word in re.split(r"[-_]", stem)[::-1] if word in _TASKS), "check"
    )
    return Check(kind, name)


def said(check: Check, output: str) -> Optional[bool]:
    """Whether the check passed by what it printed; None when that does not show."""
    patterns = _said(check.runner)
    if patterns is None or not any(map(output.__contains__, _NEEDS.get(check.runner, ("",)))):
        return None
    failed, passed = patterns
    if failed.search(output):
        return False
    return True if passed.search(output) else None


@cache
def _said(runner: str) -> Optional[tuple[re.Pattern[str], re.Pattern[str]]]:
    if runner not in _SAID:
        return None
    failed, passed = _SAID[runner]
    return re.compile(failed, re.MULTILINE), re.compile(passed, re.MULTILINE)
