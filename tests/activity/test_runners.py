"""Which commands are checks."""

from __future__ import annotations

import pytest

from harness_tracing.activity.runners import check_of


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("pytest -q", "tests"),
        ("go test ./...", "tests"),
        ("cargo test --lib", "tests"),
        ("npm test", "tests"),
        ("npm run test:unit", "tests"),
        ("pnpm lint", "lint"),
        ("yarn run typecheck", "types"),
        ("make -j4 lint types", "check"),
        ("make check", "check"),
        ("make", "build"),
        ("just ci", "check"),
        ("ruff check --fix .", "lint"),
        ("ruff format --check .", "format"),
        ("tsc --noEmit", "types"),
        ("./gradlew check", "check"),
        ("./scripts/run-tests.sh", "tests"),
        ("check.py", "check"),
        ("./node_modules/.bin/eslint .", "lint"),
        ("ruff format .", None),
        ("make run", None),
        ("npm install", None),
        ("pytest --version", None),
        ("cat check.py", None),
        ("echo pytest", None),
        ("check", None),
        ("git checkout main", None),
    ],
)
def test_what_a_command_checks(command: str, kind: str | None) -> None:
    found = check_of(tuple(command.split()))
    assert (found.kind if found else None) == kind
