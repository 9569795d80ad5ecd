"""`harness status`: one line for a status line, whatever state things are in; exit code 0."""

from __future__ import annotations

import json
import time

import pytest

from harness_tracing.destinations import Target
from harness_tracing.store import Account, Outbox, Store
from tests.cli.conftest import CommandLine

PHOENIX = Target("phoenix", "http://127.0.0.1:9/v1/traces", "order-pricing")
SECOND_NS = 10**9


def waiting(user: CommandLine, *targets: Target) -> None:
    with Store.open(user.home.store) as store:
        store.outbox.add(store.final_turns(), targets, time.time_ns())


def only(outbox: Outbox) -> Account:
    (account,) = outbox.accounts()
    return account


@pytest.fixture
def phoenix(traced: CommandLine) -> CommandLine:
    traced.environ["PHOENIX_ENDPOINT"] = "http://127.0.0.1:9"
    return traced


def line(user: CommandLine) -> str:
    ran = user("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    return ran.out.strip()


def test_without_a_destination_it_is_local_only(run: CommandLine) -> None:
    assert line(run) == "tracing · local only"
    assert not run.home.root.exists(), "a look makes nothing"


def test_a_backend_with_nothing_waiting_is_ok(phoenix: CommandLine) -> None:
    assert line(phoenix) == "tracing · phoenix ok"


def test_a_backend_that_fails_is_told_with_what_waits_and_why(phoenix: CommandLine) -> None:
    waiting(phoenix, PHOENIX)
    assert line(phoenix).endswith("· phoenix: 3 turns waiting")
    with Store.open(phoenix.home.store) as store:
        account, now_ns = only(store.outbox), time.time_ns()
        error = f"{PHOENIX.title}: no answer: [Errno 111] Connection refused"
        store.outbox.hold(account, now_ns + SECOND_NS, error, now_ns)
    assert line(phoenix).endswith("· phoenix: 3 turns waiting (connection refused)")


def test_a_backend_that_refused_the_key_is_paused(phoenix: CommandLine) -> None:
    phoenix.environ["PHOENIX_API_KEY"] = "wrong-key-0123"
    waiting(phoenix, PHOENIX)
    with Store.open(phoenix.home.store) as store:
        from harness_tracing import config

        (destination,) = config.load(phoenix.environ).destinations
        error = f"{PHOENIX.title}: answered 401 (Unauthorized)"
        store.outbox.pause(only(store.outbox), destination.fingerprint, error, time.time_ns())
    assert line(phoenix).endswith("· phoenix: paused, key refused (401), 3 turns waiting")
    phoenix.environ["PHOENIX_API_KEY"] = "another-key-0123"
    assert "paused" not in line(phoenix), "these were not refused"


def test_turns_without_credentials_are_told(traced: CommandLine) -> None:
    waiting(traced, PHOENIX)
    assert line(traced).endswith("· phoenix: 3 turns wait for credentials")


@pytest.mark.parametrize(
    ("environ", "state"),
    [
        ({"HARNESS_UNTRACED": "1"}, "off (HARNESS_UNTRACED)"),
        ({"ARIZE_TRACE_ENABLED": "false"}, "off (ARIZE_TRACE_ENABLED, environment)"),
        ({"ARIZE_DRY_RUN": "true"}, "dry run: nothing is sent"),
    ],
)
def test_it_says_when_and_by_whom_tracing_is_off(
    run: CommandLine, environ: dict[str, str], state: str
) -> None:
    run.environ.update(environ)
    assert line(run) == f"{state} · local only"


def test_a_projects_switch_counts_where_one_is(run: CommandLine) -> None:
    project = run.folder / "work" / "service"
    (project / ".claude").mkdir(parents=True)
    settings = {"env": {"ARIZE_TRACE_ENABLED": "false", "PHOENIX_ENDPOINT": "http://127.0.0.1:7"}}
    (project / ".claude" / "settings.json").write_text(json.dumps(settings))
    run.environ["PWD"] = str(project / "deeper")
    told = line(run)
    assert told.startswith("claude-code: off (ARIZE_TRACE_ENABLED, project settings) · ")
    assert told.endswith(" · local only")


def test_a_broken_configuration_is_one_line_as_well(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True)
    run.home.config.write_text("destinations: 7\n")
    assert line(run).startswith("harness: destinations in ")


def test_a_damaged_store_is_one_line_as_well(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True)
    run.home.store.write_bytes(b"this is no database, whatever it is" * 100)
    assert line(run).startswith("harness: ") and "damaged" in line(run)


def test_the_json_is_steady(phoenix: CommandLine) -> None:
    told = phoenix("status", "--json").json
    assert set(told) == {"agents", "destinations", "problem"}
    assert {"agent": "claude-code", "tracing": "tracing"} in told["agents"]
    (row,), (listed,) = told["destinations"], phoenix("outbox", "list", "--json").json
    assert set(listed) - set(row) == {"delivered_spans", "dropped_spans"}
    assert told["problem"] is None
