"""`harness doctor`: finds what is wrong, says what to do, exits 1; shows no key."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness_tracing
from harness_tracing import config
from harness_tracing.destinations import Target
from harness_tracing.doctor import Place, files
from harness_tracing.store import Store
from tests.backends import Authority, OtlpHttpStub, Reply
from tests.cli.conftest import CommandLine

KEY = "sekrit-0123456789abcdef"
SECOND_NS = 10**9


def problems(user: CommandLine) -> list[dict[str, Any]]:
    """What is wrong; the exit code has to agree."""
    ran = user("doctor", "--json")
    found = [each for each in ran.json["checks"] if not each["ok"]]
    assert ran.code == (1 if found else 0)
    assert ran.json["ok"] is (not found)
    assert all(each["message"] for each in ran.json["checks"])
    return found


def note(user: CommandLine, check: str) -> dict[str, Any]:
    ran = user("doctor", "--json")
    found = [each for each in ran.json["checks"] if each["level"] == "note"]
    (told,) = [each for each in found if each["check"] == check]
    assert told["ok"] and told["remedy"]
    return dict(told)


def problem(user: CommandLine, check: str) -> dict[str, Any]:
    (found,) = [each for each in problems(user) if each["check"] == check]
    return found


@pytest.fixture
def stub() -> Iterator[OtlpHttpStub]:
    with OtlpHttpStub() as stub:
        yield stub


def test_a_fresh_user_is_well(run: CommandLine) -> None:
    ran = run("doctor")
    assert ran.code == 0 and "All is well." in ran.out
    assert "sessions stay on this machine" in ran.out


def test_a_traced_user_with_a_backend_is_well(traced: CommandLine, stub: OtlpHttpStub) -> None:
    traced.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stub.base_url
    assert problems(traced) == []
    assert "3 turns" in traced("doctor").out
    assert stub.requests and not any(each.body for each in stub.requests), "no span is sent"


def test_a_problem_comes_with_what_to_do(traced: CommandLine) -> None:
    traced.home.store.chmod(0o644)
    traced.home.root.chmod(0o755)
    ran = traced("doctor")
    assert ran.code == 1 and f"→ chmod go-rwx {traced.home.root}" in ran.out
    assert "1 problem found." in ran.out, "opening the store has mended its own file"


def test_what_others_may_read_is_found(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    run.home.config.write_text("project: p\n")
    run.home.config.chmod(0o640)
    found = problem(run, "permissions")
    assert found["subject"] == str(run.home.config) and "640" in found["message"]


def test_a_configuration_that_cannot_be_read_is_found(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    run.home.config.write_text("destinations: [\n")
    run.home.config.chmod(0o600)
    (found,) = problems(run)
    assert found["check"] == "settings" and "not valid YAML" in found["message"]


def test_what_is_passed_over_is_found(run: CommandLine) -> None:
    run.environ["ARIZE_TRACE_SHAPE"] = "round"
    assert "ARIZE_TRACE_SHAPE" in problem(run, "settings")["message"]


def test_a_damaged_store_is_found(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    run.home.store.write_bytes(b"this is no database, whatever it is" * 100)
    run.home.store.chmod(0o600)
    assert "damaged" in problem(run, "store")["message"]


def test_events_that_nobody_takes_up_are_found(run: CommandLine) -> None:
    folder = run.home.spool / "no-such-agent" / "s1"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "Stop.1.2").write_text("{}")
    assert "no agent of that name" in problem(run, "spool")["message"]


def test_a_hooks_failure_and_its_quarantine_are_found(run: CommandLine) -> None:
    run.home.logs.mkdir(parents=True, mode=0o700)
    log = run.home.logs / "capture.log"
    log.write_text("Traceback …\nOSError: No space left on device\n")
    log.chmod(0o600)
    lost = run.home.quarantine / "claude-code" / "s1"
    lost.mkdir(parents=True, mode=0o700)
    (lost / "Stop.1.2").write_text("{")
    found = {each["check"]: each["message"] for each in problems(run)}
    assert "No space left" in found["capture"] and "1 captured event " in found["spool"]


def test_a_failed_bootstrap_is_found(run: CommandLine) -> None:
    run.home.bootstrap.mkdir(parents=True)
    state = {"state": "failed", "message": "no Python 3.9 or newer was found", "failures": 1}
    (run.home.bootstrap / "state.json").write_text(json.dumps(state))
    assert "no Python" in problem(run, "installation")["message"]


def test_an_installed_version_that_does_not_start_is_found(run: CommandLine) -> None:
    run.home.current.joinpath("bin").mkdir(parents=True)
    assert "does not start" in problem(run, "installation")["message"]


def test_what_waits_and_why_is_found(traced: CommandLine) -> None:
    traced.environ["PHOENIX_ENDPOINT"] = "http://127.0.0.1:9"
    target = Target("phoenix", "http://127.0.0.1:9/v1/traces", "order-pricing")
    with Store.open(traced.home.store) as store:
        now_ns = time.time_ns()
        store.outbox.add(store.final_turns(), [target], now_ns)
        (account,) = store.outbox.accounts()
        error = f"{target.title}: answered 503"
        store.outbox.hold(account, now_ns + 600 * SECOND_NS, error, now_ns - 120 * SECOND_NS)
    found = problem(traced, "destinations")
    assert "3 turns wait" in found["message"] and found["message"].endswith(": answered 503")


def test_turns_that_wait_for_credentials_are_found(traced: CommandLine) -> None:
    target = Target("ax", "https://otlp.arize.com/v1/traces", "order-pricing", space="U3")
    with Store.open(traced.home.store) as store:
        store.outbox.add(store.final_turns(), [target], time.time_ns())
    found = problem(traced, "destinations")
    assert "3 turns wait for them" in found["message"] and "ARIZE_API_KEY" in found["remedy"]


def test_a_backend_that_is_not_there_is_found(run: CommandLine) -> None:
    run.environ["PHOENIX_ENDPOINT"] = "http://127.0.0.1:9"
    found = problem(run, "reachable")
    assert "127.0.0.1:9: Connection refused" in found["message"]


def test_a_backend_that_takes_connections_and_speaks_no_tls_is_found(run: CommandLine) -> None:
    with OtlpHttpStub() as stub:
        run.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"https://127.0.0.1:{stub.port}"
        assert "TLS" in problem(run, "reachable")["message"]


def test_a_certificate_that_is_not_trusted_is_found_and_what_to_do(
    run: CommandLine, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    with OtlpHttpStub(tls=authority.issue("127.0.0.1")) as stub:
        run.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stub.base_url
        found = problem(run, "reachable")
        assert "not trusted" in found["message"]
        assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in found["remedy"]
        run.environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(authority.certificate)
        assert problems(run) == []


def test_no_key_is_ever_shown(run: CommandLine) -> None:
    with OtlpHttpStub([Reply(401)]) as stub:
        run.environ.update(
            ARIZE_API_KEY=KEY,
            ARIZE_SPACE_ID="U3BhY2U6",
            ARIZE_OTLP_ENDPOINT=stub.base_url,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://user:{KEY}@127.0.0.1:9",
            OTEL_EXPORTER_OTLP_HEADERS=f"x-key={KEY}",
            PHOENIX_API_KEY=KEY,
        )
        for shown in (run("doctor"), run("doctor", "--json")):
            assert KEY not in shown.out + shown.err and "401" in shown.out


def test_a_key_that_is_refused_is_found_before_anything_is_sent(run: CommandLine) -> None:
    with OtlpHttpStub([Reply(401)]) as stub:
        run.environ.update(PHOENIX_ENDPOINT=stub.base_url, PHOENIX_API_KEY=KEY)
        found = problem(run, "reachable")
        assert "401" in found["message"] and "PHOENIX_API_KEY" in found["remedy"]
        assert not any(each.body for each in stub.requests), "no span is sent"


def test_an_endpoint_that_is_no_receiver_is_found(run: CommandLine) -> None:
    page = Reply(200, b"<html>Sign in</html>", "text/html")
    with OtlpHttpStub([page]) as stub:
        run.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stub.base_url
        assert "web page" in problem(run, "reachable")["message"]


def test_a_dry_run_asks_no_backend(run: CommandLine, stub: OtlpHttpStub) -> None:
    run.environ.update(OTEL_EXPORTER_OTLP_ENDPOINT=stub.base_url, ARIZE_DRY_RUN="1")
    assert problems(run) == []
    assert stub.requests == []


def test_two_destinations_on_one_server_are_found(run: CommandLine, stub: OtlpHttpStub) -> None:
    run.environ["PHOENIX_ENDPOINT"] = stub.base_url
    run.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stub.base_url
    assert "phoenix and otlp are one Phoenix server" in problem(run, "settings")["message"]


def test_versions_are_told(run: CommandLine) -> None:
    told = [each for each in run("doctor", "--json").json["checks"] if each["check"] == "versions"]
    assert [each["subject"] for each in told] == [f"harness {harness_tracing.__version__}"]
    assert f"Python {platform.python_version()}" in told[0]["message"]


def test_a_newer_version_beside_this_one_is_told(run: CommandLine) -> None:
    run.home.current.joinpath("bin").mkdir(parents=True)
    (run.home.current / "version").write_text("99.0\n")
    assert "version 99.0 is installed" in note(run, "versions")["message"]


def test_a_variable_over_config_yaml_is_told(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    run.home.config.write_text("project: from-file\nuser_id: me\n")
    run.home.config.chmod(0o600)
    run.environ["ARIZE_PROJECT_NAME"] = "from-shell"
    run.environ["ARIZE_USER_ID"] = "me"
    told = note(run, "contradictions")["message"]
    assert "'from-shell' by ARIZE_PROJECT_NAME (environment)" in told
    assert "'from-file' by project (config.yaml)" in told


def test_a_project_that_says_otherwise_is_told(run: CommandLine) -> None:
    project = run.folder / "work"
    project.mkdir()
    run("disable", "claude")
    run("enable", "claude", "--project", str(project))
    run.environ["PWD"] = str(project)
    told = note(run, "contradictions")["message"]
    assert "True by ARIZE_TRACE_ENABLED (project settings) and False by" in told


def test_a_network_file_system_is_found(tmp_path: Path) -> None:
    place = Place({"HOME": str(tmp_path)}, time.time_ns(), network=lambda path: "nfs4")
    told = [each for each in files.check_store(place) if not each.ok]
    assert "network file system (nfs4)" in told[0].message
    assert "ARIZE_HARNESS_HOME" in told[0].remedy


def test_what_nobody_works_on_is_found_by_its_size(run: CommandLine) -> None:
    folder = run.home.spool / "no-such-agent" / "s1"
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "Stop.1.2").open("wb") as file:
        file.truncate(70_000_000)
    told = [each["message"] for each in problems(run) if each["check"] == "spool"]
    assert any("1 event that nobody works on: 70 MB" in each for each in told)


def test_dropped_events_are_found(run: CommandLine) -> None:
    folder = run.home.spool / "codex" / "s1"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "worker.dropped").write_text("7\n")
    assert "7 events dropped" in problem(run, "spool")["message"]


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    place = Place({"HOME": str(tmp_path)}, time.time_ns(), free_bytes=lambda path: 12_000_000)
    told = [each for each in files.check_store(place) if not each.ok]
    assert told[0].message == "12 MB are free on its disk" and "prune" in told[0].remedy


def test_an_interrupted_bootstrap_is_found(run: CommandLine) -> None:
    run.home.bootstrap.mkdir(parents=True)
    (run.home.bootstrap / "state.json").write_text('{"state": "building"}')
    assert problem(run, "installation")["message"] == "it was interrupted"


def test_a_store_of_a_newer_version_is_found(traced: CommandLine) -> None:
    connection = sqlite3.connect(traced.home.store)
    connection.execute("PRAGMA user_version = 99000")
    connection.close()
    assert "newer" in problem(traced, "store")["message"]


def test_events_that_cannot_be_taken_up_are_found(run: CommandLine) -> None:
    folder = run.home.spool / "codex" / "s1"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "Stop.1.2").write_text('{"session_id": "s1"}')
    os.utime(folder / "Stop.1.2", (time.time() - 300,) * 2)
    run.home.config.write_text("destinations: 7\n")
    run.home.config.chmod(0o600)
    found = {each["check"]: each for each in problems(run)}
    assert "1 event waiting for 5 m" in found["spool"]["message"]
    assert "harness flush --wait" in found["spool"]["remedy"]
    run.home.config.write_text("project: p\n")
    assert run("doctor", "--fix").code == 0
    assert not list(folder.glob("Stop*"))


def test_a_paused_backend_is_found(traced: CommandLine, stub: OtlpHttpStub) -> None:
    traced.environ.update(PHOENIX_ENDPOINT=stub.base_url, PHOENIX_API_KEY=KEY)
    target = Target("phoenix", f"{stub.base_url}/v1/traces", "order-pricing")
    (destination,) = config.load(traced.environ).destinations
    with Store.open(traced.home.store) as store:
        store.outbox.add(store.final_turns(), [target], time.time_ns())
        (account,) = store.outbox.accounts()
        store.outbox.pause(account, destination.fingerprint, "answered 401", time.time_ns())
    found = problem(traced, "destinations")
    assert "paused: it refused the credentials" in found["message"]
    assert "PHOENIX_API_KEY" in found["remedy"]


def test_spans_that_were_not_taken_are_found(traced: CommandLine) -> None:
    with OtlpHttpStub([Reply(400, b"no")]) as stub:
        traced.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stub.base_url
        traced("outbox", "add", "--destination", "otlp", "--all")
        traced("flush", "--wait", "--timeout", "5")
        found = problem(traced, "destinations")
    assert "it would not take" in found["message"] and "outbox retry" in found["remedy"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_found(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    run.home.logs.mkdir(mode=0o700)
    os.chown(run.home.logs, 1, 1)
    assert "belongs to another user" in problem(run, "permissions")["message"]


# --- mending


def test_nothing_is_mended_unasked(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o755)
    problem(run, "permissions")
    assert run.home.root.stat().st_mode & 0o777 == 0o755


def test_permissions_are_mended_and_told(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o755)
    run.home.config.write_text("project: p\n")
    run.home.config.chmod(0o644)
    ran = run("doctor", "--fix")
    assert ran.code == 0 and f"{run.home.config} has mode 600 now" in ran.err
    assert run.home.config.stat().st_mode & 0o777 == 0o600


def test_a_mark_of_a_worker_that_is_no_more_is_found_and_taken_away(run: CommandLine) -> None:
    folder = run.home.spool / "codex" / "s1"
    folder.mkdir(parents=True, mode=0o700)
    mark = folder / "worker.pid"
    mark.write_text("1\n")
    ahead = time.time() + 3600
    os.utime(mark, (ahead, ahead))
    assert "there is none: hooks start no other" in problem(run, "spool")["message"]
    assert run("doctor", "--fix").code == 0
    assert not mark.exists()


def test_the_json_says_what_was_mended_and_what_is_left(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o755)
    run.home.logs.mkdir(mode=0o700)
    (run.home.logs / "capture.log").touch(mode=0o600)
    ran = run("doctor", "--fix", "--json")
    assert ran.code == 1
    assert ran.json["mended"] == [f"permissions: {run.home.root} has mode 700 now"]
    assert [each["check"] for each in ran.json["checks"] if not each["ok"]] == ["capture"]


def test_an_environment_that_cannot_be_built_again_is_told(run: CommandLine) -> None:
    run.home.current.joinpath("bin").mkdir(parents=True)
    run.environ.update(PATH="/nowhere", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0")
    run.environ["UV_INDEX_URL"] = "http://127.0.0.1:9/"
    ran = run("doctor", "--fix")
    assert ran.code == 1 and "could not be mended" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_found(run: CommandLine) -> None:
    run.home.root.mkdir(parents=True, mode=0o700)
    run.home.root.chmod(0o500)
    assert "cannot be written" in problem(run, "permissions")["message"]
